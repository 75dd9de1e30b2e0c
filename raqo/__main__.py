"""`python -m raqo`."""

import sys

from raqo.cli import main

if __name__ == "__main__":
    sys.exit(main())
