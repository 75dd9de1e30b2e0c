"""``transformers serve`` in an environment where torchvision may be broken: importing raqo first mends that."""

from __future__ import annotations

import raqo  # noqa: F401  (installs the torchvision guard)


def main() -> None:
    """Hand over to transformers' own command line."""
    from transformers.cli.transformers import main as transformers_main

    transformers_main()


if __name__ == "__main__":
    main()
