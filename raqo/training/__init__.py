"""Teaches a causal language model a retriever's preferences: CCD-SFT, QRE-SFT and PRO (RAQO, ReCoT)."""
