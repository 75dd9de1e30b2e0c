"""Child process of the kill test: mines the same made-up traces again and again, skipping what is done."""

from __future__ import annotations

import random
import sys
import time

from raqo.preference_data.trace_log import TraceLog
from raqo.records import Attempt, Cost, Origin, Provenance, Trace, Verdict

RETRIEVER, SETTINGS = "retriever-a", "settings-a"


def make_trace(number: int) -> Trace:
    chance = random.Random(number)
    raw = Attempt(0, f"query {number}", (), 20, chance.random(), Verdict.AMBIGUOUS, 1.0, False)
    text = "ein süßes Bötchen\n" * chance.randint(1, 40)
    attempts = tuple(Attempt(r, text, ("dinghy",), None, chance.random(), raw.verdict, 0.5, True) for r in (1, 2))
    provenance = Provenance(RETRIEVER, 10, "lexical", "", 0, "0")
    return Trace(f"q{number}", "d", Origin.OPTIMIZE, raw, attempts, (), None, Cost(), provenance)


def main(path: str, total: int, *, pause: float = 0.0) -> None:
    with TraceLog(path, retriever=RETRIEVER, settings=SETTINGS) as log:
        print("ready", flush=True)
        todo = [number for number in range(total) if (f"q{number}", Origin.OPTIMIZE) not in log.done]
        for start in range(0, len(todo), 3):
            time.sleep(pause)  # so that a fast disk does not finish before the kills
            log.write([make_trace(number) for number in todo[start : start + 3]])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), pause=0.002)
    assert not {"torch", "numpy", "datasets"} & set(sys.modules), "the log must stay light"
    sys.stdin.read()  # whoever is to be killed does not end before
