"""test/bench/compare.py on a model of a few kilobytes: that it runs, not how fast."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from tiny_gguf import Tiny, write

COMPARE = Path(__file__).with_name("compare.py")


def load():
    spec = importlib.util.spec_from_file_location("compare", COMPARE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def compared(heddle, smollm_gguf, tmp_path_factory):
    """Of a model with a tokenizer, which llama.cpp wants."""
    model = write(tmp_path_factory.mktemp("compare") / "tiny.gguf", Tiny(vocab=1000),
                  vocab_from=smollm_gguf)
    flags = ["--threads=1,2", "--prompt=20", "--gen=3", "--depth=0,30", "--repeat=3"]
    return json.loads(heddle.run(sys.executable, COMPARE, model, *flags, "--json").stdout)


def test_our_half(compared):
    results = compared["results"]
    for threads, result in zip((1, 2), results, strict=True):
        assert [(r["kind"], r["tokens"], r["depth"], r["threads"]) for r in result["rows"]] == [
            ("prefill", 20, 0, threads), ("decode", 3, 0, threads), ("decode", 3, 30, threads)]
        for row in result["rows"]:
            assert row["tok_s"] > 0 and len(row["runs"]) == 3
        prefill, shallow, deep = result["rows"]
        assert 0 < prefill["of_dot"] < 1 and sum(prefill["operations"].values()) > 0
        # 2 layers of 2 heads of 16, keys and values in float32.
        assert deep["bytes_per_token"] - shallow["bytes_per_token"] == 30 * 2 * 2 * 2 * 16 * 4
    assert "decode 3 at 30, 2t" in load().table(results)


def test_peer_half(compared):
    if not load().BUILT.exists():
        pytest.skip("llama.cpp is not built: test/bench/build_peer.sh")
    for result in compared["results"]:
        assert "LLAMAFILE = 1" in result["peer"] and "OPENMP = 1" in result["peer"]
        for row in result["rows"]:
            assert len(row["peer_runs"]) == 3 and row["ratio"] > 0
