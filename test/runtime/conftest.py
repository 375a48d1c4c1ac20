"""Programs for the tests: the one under HEDDLE_TEST_PROGRAM, or fakes."""

import os
import pathlib
import platform
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import make_fake  # noqa: E402


@pytest.fixture(scope="session")
def build_folder():
    """Where the runtime library is: what programs of this machine are linked from."""
    given = os.environ.get("HEDDLE_RUNTIME_BUILD")
    return pathlib.Path(given or make_fake.BUILD / "lib/heddle/sysroot" / platform.machine())


@pytest.fixture(scope="session")
def gguf_tokenizer():
    pytest.importorskip("gguf")
    try:
        return make_fake.read_tokenizer()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def fake(build_folder, gguf_tokenizer, tmp_path_factory):
    """A fake program with the real tokenizer."""
    out = tmp_path_factory.mktemp("fake") / "fake"
    return make_fake.make(out, build_folder, gguf_tokenizer)


@pytest.fixture(scope="session")
def program(request):
    """What the tokenizer tests run."""
    given = os.environ.get("HEDDLE_TEST_PROGRAM")
    return pathlib.Path(given) if given else request.getfixturevalue("fake")


@pytest.fixture(scope="session")
def count(request):
    """How many random strings each tokenizer is tried on."""
    return 10000 if request.config.getoption("--full") else 2000
