"""How much a rewriter helps, whom it harms, and whether that could be chance."""
