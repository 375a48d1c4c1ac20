"""Each fuzz target for a minute, from its seeds (docs/fuzzing.md)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SECONDS = int(os.environ.get("HEDDLE_FUZZ_SECONDS", 60))


@pytest.mark.slow
@pytest.mark.parametrize("target", sorted(path.stem for path in HERE.glob("*.cpp")))
def test_fuzz(run, target):
    assert " executions" in run(HERE.parents[1] / "scripts" / "fuzz.sh", SECONDS, target).stderr


def test_corpus_is_made(tmp_path):
    """The seeds in the tree are those that the script writes."""
    made = {path.relative_to(HERE): path.read_bytes() for folder in ("corpus", "tokenizers")
            for path in (HERE / folder).rglob("*") if path.is_file()}
    subprocess.run([sys.executable, HERE / "make_corpus.py", tmp_path], check=True)
    assert {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == made
