"""Teaches a causal language model a retriever's preferences: CCD-SFT, QRE-SFT, PRO (RAQO, 'Progressive Preference Alignment')."""
