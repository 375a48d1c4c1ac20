"""Heddle as it is installed, and plugins built against that."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TEST = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("HEDDLE_BUILD_DIR", TEST.parent / "build"))


def built(run, installed, name):
    """The folder where the project test/NAME is built."""
    build = BUILD / "test" / name
    shutil.rmtree(build, ignore_errors=True)
    cache = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    run("/usr/bin/cmake", "-S", TEST / name, "-B", build, "-G", "Ninja",
        "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_C_COMPILER=clang-22",
        "-DCMAKE_CXX_COMPILER=clang++-22", f"-DHeddle_DIR={installed}/lib/cmake/Heddle", *cache)
    run("/usr/bin/cmake", "--build", build, "-j2")
    return build


@pytest.fixture(scope="session")
def example(run, installed):
    return built(run, installed, "plugin-example") / "Example.so"


@pytest.fixture(scope="session")
def sparsemixer(run, installed):
    return built(run, installed, "plugin-router") / "Sparsemixer.so"


@pytest.fixture(scope="session")
def tool(installed):
    """tool(name, *arguments, code=0): a tool of the install tree, without the environment
    of the build."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("HEDDLE_", "LD_"))}

    def call(name, *arguments, code=0, cwd=None):
        done = subprocess.run([f"{installed}/bin/{name}", *map(str, arguments)], text=True, cwd=cwd,
                              capture_output=True, env=environment, timeout=300, check=False)
        assert done.returncode == code, f"{done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done

    return call
