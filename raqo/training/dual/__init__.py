"""Training of the dual encoder."""
