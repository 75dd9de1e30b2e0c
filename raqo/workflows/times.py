"""What the steps of a run took, over all its starts: a run that reuses its parts still tells what it cost."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from raqo.errors import BudgetError, FailureRateError, StoppedError
from raqo.files import write_json

Step = Literal["mine", "build-data", "train", "evaluate"]
Reused = Literal["nothing", "in part", "all"]

TIMES = "times.json"
# a line of the report to the steps that it adds up; the step that decides whether the line was reused is first
_LINES: dict[str, tuple[Step, ...]] = {
    "mine_s": ("mine", "build-data"),
    "train_s": ("train",),
    "evaluate_s": ("evaluate",),
}
_PEAK = "peak_mb"


@dataclass
class Work:
    """A step under way. Its caller says how much of what it gives was there before."""

    reused: Reused = "in part"


@dataclass
class Times:
    """One start of a run, beside the starts before it, which `TIMES` in the run folder tells of.

    A step's time is that of all starts that made what the folder holds: it begins anew where nothing was reused, grows
    where a part was (mining that goes on), and stays where all was. A start that was killed adds nothing.

    Attributes:
        folder: of the run.
        started: by `time.monotonic`.
    """

    folder: Path
    started: float = field(default_factory=time.monotonic)
    _worked: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: Step) -> Iterator[Work]:
        """Measure a step and keep its time, also where it is stopped in good order."""
        began, work = time.monotonic(), Work()
        try:
            yield work
        except (BudgetError, StoppedError, FailureRateError, KeyboardInterrupt):
            if self.folder.is_dir():  # a start that has made nothing yet leaves no folder
                self._keep(name, time.monotonic() - began, "in part")
            raise
        self._keep(name, time.monotonic() - began, work.reused)

    def seconds(self) -> dict[str, float]:
        """By the names of `raqo.evaluation.report.TIMINGS`, as far as they are known.

        ``total_s`` is what this start took so far and what earlier ones took for the work that it reused.
        """
        kept = self._read()
        found = {line: sum(kept.get(step, 0.0) for step in steps) for line, steps in _LINES.items() if steps[0] in kept}
        if len(found) == len(_LINES):
            found["total_s"] = self.elapsed() + sum(found.values()) - sum(self._worked.values())
        return found

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def reused(self) -> tuple[str, ...]:
        """Names of the times in `seconds` that are of earlier starts only."""
        kept = self._read()
        return tuple(line for line, (step, *_) in _LINES.items() if step in kept and step not in self._worked)

    def peak_mb(self, now: float) -> float:
        """The most memory taken: in this start or, where it reuses anything, in any; it is kept for the next."""
        kept = self._read()
        peak = max(now, kept.get(_PEAK, 0.0)) if self.reused() else now
        write_json(self.folder / TIMES, {**kept, _PEAK: peak})
        return peak

    def _keep(self, name: Step, seconds: float, reused: Reused) -> None:
        if reused == "all":
            return
        kept = self._read()
        before = kept.get(name, 0.0) if reused == "in part" else 0.0
        self._worked[name] = seconds
        write_json(self.folder / TIMES, {**kept, name: before + seconds})

    def _read(self) -> dict[str, float]:
        """What is kept; nothing where that cannot be read: times are worth no failed run."""
        try:
            found = json.loads((self.folder / TIMES).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        values = found.items() if isinstance(found, dict) else ()
        return {name: float(value) for name, value in values if isinstance(value, int | float) and math.isfinite(value)}
