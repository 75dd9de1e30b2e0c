"""The built-in sample world: drawn scenes, a vocabulary of synonyms, queries, and the small models trained on them."""
