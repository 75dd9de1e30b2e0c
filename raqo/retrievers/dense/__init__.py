"""Texts searched by a sentence encoder."""
