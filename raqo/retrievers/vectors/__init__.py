"""Unit vectors on disk, searched exactly or among candidates."""
