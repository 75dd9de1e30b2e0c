"""How many questions and passages the benchmarks have by their papers, and what to do with files that differ."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from raqo.errors import DataError, message
from raqo.preference_data.sources.knowledge_settings import Benchmark, OnCount

logger = logging.getLogger(__name__)
PASSAGES = "passages"


@dataclass(frozen=True, slots=True)
class Size:
    """A published count; `tolerance` is the share by which a rounded one may be off."""

    count: int
    tolerance: float = 0.0

    def admits(self, found: int) -> bool:
        """Whether a file of this size can be the published one."""
        return abs(found - self.count) <= self.tolerance * self.count

    def __str__(self) -> str:
        return f"{'about ' if self.tolerance else ''}{self.count:,}"


# OK-VQA: 9,009 and 5,046 questions; 8,958 of the former have a passage in Luo's retriever file (MIRe, Table 6)
_OKVQA_TRAIN = (Size(9_009), Size(8_958))
_ROUNDED = 0.05
PUBLISHED: dict[Benchmark, dict[str, tuple[Size, ...]]] = {
    "okvqa-gs112k": {
        "train": _OKVQA_TRAIN,
        "test": (Size(5_046),),
        # training questions, the same cleaned, all questions, the same cleaned (Luo et al. 2021)
        PASSAGES: (Size(112_724), Size(111_412), Size(168_306), Size(166_390)),
    },
    "okvqa-wk11m": {
        "train": (Size(9_009),), "val": (Size(2_523),), "test": (Size(2_523),),
        PASSAGES: (Size(11_000_000, _ROUNDED),),
    },
    "okvqa-wk21m": {"train": _OKVQA_TRAIN, "test": (Size(5_046),), PASSAGES: (Size(21_015_324),)},
    # MIRe's Table 6 prints 195,387 passages, the file itself is named open_corpus_195837
    "remuq": {"train": (Size(8_418),), "test": (Size(3_609),), PASSAGES: (Size(195_837), Size(195_387))},
    "infoseek": {PASSAGES: (Size(6_000_000, _ROUNDED),)},
    "infoseek-m2kr": {"test": (Size(4_708),), PASSAGES: (Size(100_000, _ROUNDED),)},
    # training questions grew from the first release to the second; passages of train, valid and test, and as in MIRe
    "e-vqa": {
        "train": (Size(167_369), Size(212_000, _ROUNDED)), "valid": (Size(9_852),), "test": (Size(3_750),),
        PASSAGES: (Size(50_205), Size(50_753), Size(51_472), Size(51_462)),
    },
}  # fmt: skip


def check_count(benchmark: Benchmark, part: str, found: int, where: str, action: OnCount) -> None:
    """Compare a count with the published one; a part without a published count passes.

    Args:
        benchmark: the benchmark read.
        part: a split, or `PASSAGES`.
        found: how many entries there were.
        where: the file, for the message.
        action: what a difference does.

    Raises:
        DataError: it differs, and `action` is ``fail``.
    """
    sizes = PUBLISHED.get(benchmark, {}).get(part, ())
    if action == "ignore" or not sizes or any(size.admits(found) for size in sizes):
        return
    expected = " or ".join(map(str, sizes))
    problem = f"expected {expected} entries for {benchmark} {part}, found {found:,}"
    text = message(where, problem, "fetch the file again, or set counts: ignore for a part of it")
    if action == "fail":
        raise DataError(text)
    logger.warning("%s", text)
