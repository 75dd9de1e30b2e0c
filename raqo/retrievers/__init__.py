"""Searchable galleries: CLIP (pictures and texts) and BM25 (texts), each with its index on disk."""
