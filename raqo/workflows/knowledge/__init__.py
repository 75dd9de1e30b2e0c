"""Questions about pictures: the expansion loop, its preferences, and the dual encoder."""
