"""LangGraph graphs: mining (with ground truth) and rewriting (as served)."""
