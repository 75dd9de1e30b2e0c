"""Serving a trained rewriter: an OpenAI-compatible engine in a child process, and a gateway in front of it."""
