"""What is installed: versions against raqo's requirements, trainers against the parameters that raqo passes."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raqo import __version__
from raqo.workflows.findings import Finding

_SERVING = ("fastapi", "starlette", "uvicorn", "httpx")


def examine_installation() -> Iterator[Finding]:
    """Look at raqo's libraries, one after the other."""
    yield from _packages()
    yield _torch()
    yield _torchvision()
    yield from _trainers()
    yield _faiss()
    yield _vllm()
    yield _serving()
    yield _milvus()


def cuda_devices() -> int:
    """How many CUDA devices torch can use."""
    torch, problem = _loaded("torch")
    return 0 if problem else int(torch.cuda.device_count())


def _packages() -> Iterator[Finding]:
    from packaging.requirements import Requirement

    for text in importlib.metadata.requires("raqo") or []:
        needed = Requirement(text)
        if needed.marker and not needed.marker.evaluate({"extra": ""}):
            continue
        fix = f"pip install '{needed}'"
        try:
            version = importlib.metadata.version(needed.name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(needed.name, "bad", "not installed", fix)
            continue
        fits = needed.specifier.contains(version, prereleases=True)
        found = version if fits else f"{version}, but raqo needs {needed.specifier}"
        yield Finding(needed.name, "ok", found) if fits else Finding(needed.name, "bad", found, fix)


def _torch() -> Finding:
    torch, problem = _loaded("torch")
    if problem:
        return Finding("torch build", "bad", problem, "install torch anew, see https://pytorch.org/get-started")
    if torch.version.cuda is None:
        return Finding("torch build", "ok", "for CPUs")
    if torch.cuda.is_available():
        return Finding("torch build", "ok", f"for CUDA {torch.version.cuda}")
    found = f"for CUDA {torch.version.cuda}, but no CUDA device can be used"
    return Finding("torch build", "warn", found, "check `nvidia-smi` and the driver; or install a CPU build")


def _torchvision() -> Finding:
    fix = "install the torchvision that belongs to this torch"
    torchvision, problem = _loaded("torchvision")
    _, broken = _loaded("torchvision.transforms.v2")
    if problem or broken:
        return Finding("torchvision", "bad", problem or broken, fix)
    from raqo import _torchvision

    held = " (its compiled operators do not load beside this torch; raqo's guard makes it importable)"
    return Finding("torchvision", "ok", f"{torchvision.__version__}{held if _torchvision._keep_alive else ''}")


def _trainers() -> Iterator[Finding]:
    """Whether the trainers take the parameters that raqo passes."""
    from raqo.training.settings import SftSettings

    for module, config, trainer, extra in (
        ("trl", "SFTConfig", "SFTTrainer", ("max_length", "dataset_kwargs")),
        ("transformers", "TrainingArguments", "Trainer", ()),
    ):
        name = f"{module}.{trainer}"
        library, problem = _loaded(module)
        try:
            from raqo.training.trainer_setup import trainer_arguments

            passed = {*trainer_arguments(SftSettings(learning_rate=1e-5), out_dir=Path(), seed=0, steps=1), *extra}
            missing = passed - _parameters(getattr(library, config))
            taken = {"model", "args", "train_dataset", "processing_class", "callbacks"}
            missing |= taken - _parameters(getattr(library, trainer))
            missing |= {"num_items_in_batch"} - _parameters(getattr(library, trainer).compute_loss)
        except Exception as error:  # whatever a half-matching library raises
            problem = problem or f"cannot be looked at ({error})"
        fix = f"pip install 'raqo=={__version__}' with its own versions of trl and transformers"
        if problem or missing:
            yield Finding(name, "bad", problem or f"does not take {', '.join(sorted(missing))}", fix)
        else:
            yield Finding(name, "ok", f"takes all {len(passed)} parameters that raqo sets")


def _parameters(function: Any) -> set[str]:
    return set(inspect.signature(function).parameters)


def _faiss() -> Finding:
    faiss, problem = _loaded("faiss")
    if problem:
        return Finding("faiss build", "bad", problem, "pip install faiss-cpu")
    devices = int(getattr(faiss, "get_num_gpus", lambda: 0)())
    if devices or not cuda_devices():
        return Finding("faiss build", "ok", f"for {devices} GPUs" if devices else "for CPUs")
    return Finding("faiss build", "warn", "for CPUs, though there is a GPU", "pip install 'raqo[gpu]'")


def _vllm() -> Finding:
    if importlib.util.find_spec("vllm"):
        return Finding("vllm", "ok", importlib.metadata.version("vllm"))
    if not cuda_devices():
        return Finding("vllm", "ok", "not installed; without a GPU, `raqo serve` takes transformers serve")
    fix = "install vllm in an environment of its own, and give its Python to `raqo serve --engine-python`"
    return Finding("vllm", "warn", "not installed, though there is a GPU", fix)


def _serving() -> Finding:
    missing = [name for name in _SERVING if importlib.util.find_spec(name) is None]
    if missing:
        return Finding("serving", "bad", f"without {', '.join(missing)}", f"pip install {' '.join(missing)}")
    return Finding("serving", "ok", "gateway and transformers serve can run")


def _milvus() -> Finding:
    missing = [name for name in ("pymilvus", "milvus_lite") if importlib.util.find_spec(name) is None]
    if missing:
        return Finding("milvus", "ok", "not installed; galleries in Milvus need it: pip install 'raqo[milvus]'")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("pymilvus", "milvus-lite")]
    return Finding("milvus", "ok", ", ".join(versions))


def _loaded(name: str) -> tuple[Any, str]:
    """A module, or why it cannot be imported: a broken installation raises all kinds of errors."""
    try:
        return importlib.import_module(name), ""
    except Exception as error:
        first = str(error).split("\n", 1)[0]
        return None, f"cannot be imported ({type(error).__name__}: {first})"
