"""Before torch is imported anywhere: waiting threads shall not spin long, the machine may have other work."""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "10000")
