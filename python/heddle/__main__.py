"""The command line: becomes the tool that the package carries."""

import os
import sys
from pathlib import Path


def _become(tool):
    here = Path(__file__).resolve().parent
    # In the build tree the package is build/python/heddle.
    found = [p for p in (here / "bin" / tool, Path(__file__).absolute().parents[2] / "bin" / tool) if p.is_file()]
    if not found:
        sys.exit(f"heddle: error: {here}/bin/{tool}: no such file")
    os.execv(found[0], [str(found[0]), *sys.argv[1:]])


def main():
    _become("heddle")


def opt():
    _become("heddle-opt")


if __name__ == "__main__":
    main()
