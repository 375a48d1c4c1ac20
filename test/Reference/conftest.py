import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

# Whatever import mode pytest runs in, the helpers beside the tests are found.
sys.path.insert(0, str(pathlib.Path(__file__).parent))

from probe_tools import decode  # noqa: E402


@pytest.fixture
def rng():
    """Random inputs; HEDDLE_TEST_SEED repeats a run that failed."""
    seed = int(os.environ.get("HEDDLE_TEST_SEED", np.random.SeedSequence().entropy % (1 << 32)))
    print("seed", seed)
    return np.random.default_rng(seed)


@pytest.fixture
def probe(heddle, tmp_path):
    """probe(module, steps…) -> their results, errors as (code, message)."""
    def run(module, *steps, model=None):
        source = tmp_path / "module.mlir"
        source.write_text(module)
        command = [heddle.heddle.with_name("reference-probe"), source, *([model] if model else [])]
        done = subprocess.run(command, input=json.dumps(steps), capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 0 and not done.stderr, done.stderr
        return [decode(result) for result in json.loads(done.stdout)]
    return run
