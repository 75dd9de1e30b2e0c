"""The actors of the loop: reviewers, perturbers, rewriters, and the prompts and parsers they share."""
