"""Where the sample world's shipped models and lists are."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
CLIP_DIR = WEIGHTS / "clip"
BASE_LM_DIR = WEIGHTS / "base_lm"
# English words that no wording of the world contains
UNKNOWN_WORDS = Path(__file__).parent / "unknown_words.txt"
