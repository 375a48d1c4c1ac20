"""The wheel: its files, its commands, and the other tests of this folder with the package that
it brings."""

import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from tiny_gguf import Tiny, write


@pytest.fixture(scope="module")
def alone():
    """The environment without what leads to the build tree."""
    return {name: value for name, value in os.environ.items()
            if not name.startswith(("HEDDLE_", "LD_", "PYTHON"))} | {"PYTHONDONTWRITEBYTECODE": "1"}


def test_files(wheel, installed):
    """The package and the install tree; nothing in it is looked for where it was built."""
    files = {str(path.relative_to(installed)) for path in installed.rglob("*")
             if path.is_file() and path.suffix != ".pyc"}
    for name in ("__init__.py", "bin/heddle", "bin/heddle-opt", "lib/libHeddleCore.so", "lib/cmake/Heddle/HeddleConfig.cmake",
                 "lib/heddle/sysroot/x86_64/libheddle_runtime.a", "include/heddle/Plugin/Registry.h"):
        assert name in files
    build = os.environ["HEDDLE_BUILD_DIR"]
    with zipfile.ZipFile(next(Path(build, "dist").glob("heddle-*.whl"))) as archive:
        names = {name.partition("/")[2] for name in archive.namelist() if name.startswith("heddle/")}
    assert names == files
    for name in ("bin/heddle", "lib/libHeddleCore.so"):
        paths = subprocess.run(["/usr/lib/llvm-22/bin/llvm-readelf", "-d", installed / name], capture_output=True, text=True,
                               check=True).stdout
        assert build not in paths, paths


def test_command(wheel, alone, tmp_path, run):
    """`heddle` on the path compiles and links, wherever it is called."""
    model = write(tmp_path / "tiny.gguf", Tiny(layers=1))
    alone = alone | {"PATH": f"{wheel.parent}:{alone['PATH']}"}
    for command in (["heddle", "--version"], ["heddle-opt", "--help"],
                    ["heddle", "compile", model, "-o", tmp_path / "p", "--quiet"],
                    [wheel, "-m", "heddle", "list", "formats"]):
        done = subprocess.run(command, capture_output=True, text=True, env=alone, cwd=tmp_path, timeout=60)
        assert done.returncode == 0, done.stderr
    assert run(tmp_path / "p", "generate", "--tokens=1,2", "-n", 3, "--print=tokens").stdout.count(",") == 2


@pytest.mark.parametrize("name", ("test_tutorial.py", "test_package.py"))
def test_package(wheel, installed, alone, tmp_path, name):
    """The tests of the package, in the wheel's environment."""
    here = os.path.dirname(__file__)
    build = {"HEDDLE_BUILD_DIR": os.environ["HEDDLE_BUILD_DIR"], "HEDDLE_BIN": f"{installed}/bin/heddle"}
    done = subprocess.run(
        [wheel, "-m", "pytest", "-c", f"{here}/../pytest.ini", f"--rootdir={here}/..", "-q", f"{here}/{name}"],
        capture_output=True, text=True, cwd=tmp_path, timeout=300,
        env=alone | build | {"HEDDLE_TEST_INSTALLED_PACKAGE": str(installed)})
    assert done.returncode == 0 and re.search(r"\d passed", done.stdout), done.stdout[-4000:] + done.stderr[-2000:]
