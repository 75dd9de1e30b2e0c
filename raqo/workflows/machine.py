"""What a run has to work with: processors, memory, disk, and the synonyms' database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from raqo.workflows.findings import Finding, State
from raqo.workflows.installation import cuda_devices

_GIB = 2**30


def examine_machine() -> Iterator[Finding]:
    """Look at the machine, one part after the other."""
    yield from _devices()
    yield _memory()
    yield _disk()
    yield _wordnet()


def _devices() -> Iterator[Finding]:
    import psutil

    yield Finding("cpu", "ok", f"{len(psutil.Process().cpu_affinity() or [])} of {psutil.cpu_count()} cores")
    for number in range(cuda_devices()):
        import torch

        free, total = torch.cuda.mem_get_info(number)
        name, found = f"cuda:{number}", f"{torch.cuda.get_device_name(number)}, {_gib(free)} of {_gib(total)} free"
        fix = "end what occupies it, or choose another with CUDA_VISIBLE_DEVICES"
        yield Finding(name, "ok", found) if free > total / 10 else Finding(name, "warn", found, fix)


def _memory() -> Finding:
    import psutil

    memory = psutil.virtual_memory()
    found = f"{_gib(memory.available)} of {_gib(memory.total)} available"
    if memory.available >= 2 * _GIB:
        return Finding("memory", "ok", found)
    return Finding("memory", "warn", found, "close other programs; lower mining.batch_size and training batch sizes")


def _disk() -> Finding:
    free = shutil.disk_usage(".").free
    if free >= 5 * _GIB:
        return Finding("disk", "ok", f"{_gib(free)} free here")
    state: State = "warn" if free >= _GIB / 2 else "bad"
    return Finding("disk", state, f"only {_gib(free)} free here", "make room, or give --out on another disk")


def _wordnet() -> Finding:
    from raqo.agents.wordnet import DEFAULT_FOLDER, load_wordnet
    from raqo.errors import DataError

    fix = "apt install wordnet-base, or name another folder in `wordnet:`; mining does without it, with fewer synonyms"
    try:
        wordnet = load_wordnet(DEFAULT_FOLDER)
    except DataError as error:
        return Finding("WordNet", "warn", str(error), fix)
    if wordnet is None:
        return Finding("WordNet", "warn", f"not at {DEFAULT_FOLDER}", fix)
    return Finding("WordNet", "ok", f"{sum(map(len, wordnet.synsets.values()))} lemmas")


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB"
