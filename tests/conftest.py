"""What holds for all tests: no spinning threads, no proxy before loopback, nothing in the home folder, fixed examples.

The environment is set before torch and the libraries of Hugging Face are imported anywhere.
"""

import os
import tempfile

from hypothesis import HealthCheck, settings

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # waiting threads shall not spin long: the machine has other work
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
hugging_face = tempfile.TemporaryDirectory(prefix="raqo-tests-")
os.environ["HF_HOME"] = hugging_face.name

# A loaded machine is no failure, and what passed once passes again. To search for new examples:
# pytest --hypothesis-profile=default
settings.register_profile("raqo", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("raqo")
