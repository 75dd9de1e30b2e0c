from __future__ import annotations

import subprocess
import sys


def test_python_m_raqo_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "raqo", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: raqo ")
    wrong = subprocess.run([sys.executable, "-m", "raqo", "nonsense"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "nonsense" in wrong.stderr
