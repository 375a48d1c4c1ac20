"""The package of the build tree; with HEDDLE_TEST_INSTALLED_PACKAGE, the one that pip
installed."""

import os
import sys
from pathlib import Path

if not os.environ.get("HEDDLE_TEST_INSTALLED_PACKAGE"):
    sys.path.insert(0, str(Path(os.environ["HEDDLE_BUILD_DIR"]) / "python"))
    # Tests start interpreters of their own.
    os.environ["PYTHONPATH"] = sys.path[0]
