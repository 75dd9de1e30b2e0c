"""Passages searched by a question and its picture: ViLT and BERT."""
