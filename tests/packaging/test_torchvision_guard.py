"""Beside a CPU torch, PyPI's torchvision must be importable once raqo is imported."""

import subprocess
import sys


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_torchvision_and_what_needs_it_import_after_raqo() -> None:
    done = run(
        "import raqo, torchvision, open_clip\nfrom transformers import LlamaConfig\n"
        "from torchvision.transforms import Resize\nprint('fine')"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "fine"


def test_the_guard_acts_once_and_loads_no_torch_by_itself() -> None:
    code = (
        "import sys, raqo\nfrom raqo._torchvision import _TorchvisionGuard, install_guard\n"
        "install_guard()\n"
        "print(sum(isinstance(f, _TorchvisionGuard) for f in sys.meta_path), 'torch' in sys.modules)\n"
        "import torchvision\n"
        "print(sum(isinstance(f, _TorchvisionGuard) for f in sys.meta_path))\n"
    )
    assert run(code).stdout.split() == ["1", "False", "0"]
