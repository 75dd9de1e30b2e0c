"""What a run's mining has taken and given so far, over all its starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from raqo.preference_data.trace_log import read_traces
from raqo.records import Cost, Origin


def totals(traces: Path, *, spent: float | None) -> dict[str, Any]:
    """Add up a trace log.

    Args:
        traces: the log, read line by line.
        spent: money; ``None`` where none is paid or no price is known.

    Returns:
        As JSON values: queries, accepted wordings of both kinds, failures by kind, calls and tokens of all traces, the
        money, and what one accepted wording took.
    """
    counts, failures = Counter[str](), Counter[str]()
    for trace in read_traces(traces):
        counts["queries"] += trace.origin is Origin.OPTIMIZE
        counts["accepted"] += sum(attempt.accepted for attempt in trace.attempts)
        counts.update({field.name: getattr(trace.cost, field.name) for field in fields(Cost)})
        if trace.failure:
            failures[trace.failure.kind.value] += 1
    taken: dict[str, float] = {field.name: counts[field.name] for field in fields(Cost)}
    if spent is not None:
        taken["money"] = spent
    accepted = counts["accepted"]
    each = {name: value / accepted for name, value in taken.items()} if accepted else {}
    return {
        "queries": counts["queries"],
        "accepted": accepted,
        "failures": dict(sorted(failures.items())),
        **taken,
        "per_accepted": {name: round(value, 6) for name, value in each.items()},
    }


def as_text(found: Mapping[str, Any]) -> str:
    """The report of `raqo.workflows.mine.run_mining` for people.

    Args:
        found: as it is written to ``mining.json``.
    """
    lines = [f"queries: {found['queries']} mined now, {found['skipped']} were there already"]
    if found["queries"]:
        lines += [
            f"as they came: {_counts(found['verdicts'])}",
            f"accepted: {found['accepted']} wordings of {found['solved']} ambiguous queries, "
            f"perturbations of {found['perturbed']} unambiguous ones",
            f"took: {_counts(found['cost'])}",
            f"failures: {_counts(found['failures'])}",
        ]
    total = found["total"]
    taken = {field.name: total[field.name] for field in fields(Cost)}
    money = f", {total['money']:.6g} money" if "money" in total else ""
    lines.append(f"in all: {total['queries']} queries, {total['accepted']} accepted wordings; {_counts(taken)}{money}")
    return "\n".join(lines)


def _counts(values: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in values.items() if count) or "none"
