"""`python -m raqo.cli`."""

import sys

from raqo.cli import main

if __name__ == "__main__":
    sys.exit(main())
