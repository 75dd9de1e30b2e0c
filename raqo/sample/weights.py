"""Where the sample world's shipped models are."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
CLIP_DIR = WEIGHTS / "clip"
BASE_LM_DIR = WEIGHTS / "base_lm"
