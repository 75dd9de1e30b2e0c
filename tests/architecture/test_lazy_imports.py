"""What must stay light: `import raqo`, the configuration and the command line's help."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "trl", "open_clip", "faiss", "langgraph", "datasets", "scipy", "numba")


def loaded_after(code: str) -> set[str]:
    check = f"{code}\nimport sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import raqo",
        "from raqo import Query, Retriever, RaqoError",
        "import raqo.testing",
        "from raqo.config import load_config",
        "import contextlib, raqo.cli\nwith contextlib.suppress(SystemExit):\n    raqo.cli.main(['--help'])\nprint()",
    ],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert loaded_after(code) == set()


def test_the_check_itself_sees_a_heavy_import() -> None:
    assert "faiss" in loaded_after("import faiss")


def test_public_names_resolve() -> None:
    import raqo

    for name in raqo.__all__:
        assert getattr(raqo, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = raqo.Nothing
