"""Texts and pictures searched by an open_clip model."""
