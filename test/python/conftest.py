"""The package of the build tree; with HEDDLE_TEST_INSTALLED_PACKAGE, which names the folder
where it must be, the one that pip installed."""

import os
import sys
from pathlib import Path

where = os.environ.get("HEDDLE_TEST_INSTALLED_PACKAGE")
if where:
    import heddle

    assert Path(heddle.__file__).parent == Path(where)
else:
    sys.path.insert(0, str(Path(os.environ["HEDDLE_BUILD_DIR"]) / "python"))
    # Tests start interpreters of their own.
    os.environ["PYTHONPATH"] = sys.path[0]
