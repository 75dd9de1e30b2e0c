"""What an examination found, and how that is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        state: ``warn`` for what works less well than it could, ``bad`` for what does not work.
        found: what is there.
        fix: what to do; empty only if all is well.
    """

    name: str
    state: State
    found: str
    fix: str = ""


def table(findings: Sequence[Finding]) -> str:
    """Findings as lines of text, each fix below its finding."""
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:<4}  {finding.name:<{width}}  {finding.found}")
        if finding.fix:
            lines.append(f"{'':<{width + 6}}  -> {finding.fix}")
    return "\n".join(lines)
