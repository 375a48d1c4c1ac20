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
def model(smollm_gguf, tmp_path_factory):
    """A model with a tokenizer, which the peers want."""
    return write(tmp_path_factory.mktemp("compare") / "tiny.gguf", Tiny(vocab=1000), vocab_from=smollm_gguf)


@pytest.fixture(scope="module")
def compare(heddle, model):
    """compare(*flags, code=0): the tool's run on the model."""
    def run(*flags, path=model, code=0):
        return heddle.run(sys.executable, COMPARE, path, "--threads=1,2", "--prompt=20", "--gen=3",
                          "--depth=0,30", "--repeat=3", *flags, code=code)
    return run


@pytest.fixture(scope="module")
def compared(compare):
    return json.loads(compare("--json").stdout)


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
    assert "decode 3 at 30, 2t" in load().table(results, load().PEERS["llama.cpp"])


def peer(name):
    found = load().PEERS[name]
    if not found.built():
        pytest.skip(f"{name} is not built: {found.build}")
    return found


def test_peer_half(compared):
    peer("llama.cpp")
    for result in compared["results"]:
        assert "LLAMAFILE = 1" in result["peer"] and "OPENMP = 1" in result["peer"]
        for row in result["rows"]:
            assert len(row["peer_runs"]) == 3 and row["ratio"] > 0


def test_openvino(compare, smollm_gguf, tmp_path):
    peer("openvino")
    model = write(tmp_path / "model.gguf", Tiny(vocab=1000, encoding="Q8_0"), vocab_from=smollm_gguf)
    out = json.loads(compare("--peer=openvino", "--json", path=model).stdout)
    assert out["peer"] == "openvino"
    for result in out["results"]:
        assert result["peer"].startswith("OpenVINO GenAI 20")
        for row in result["rows"]:
            assert len(row["peer_runs"]) == 3 and row["ratio"] > 0

def test_openvino_refuses(compare, model):
    """F32, which its reader does not know."""
    peer("openvino")
    error = compare("--peer=openvino", code=4).stderr
    assert "OpenVINO GenAI 20" in error and f"cannot load {model}: " in error and error.count("\n") == 1


def test_table_of_limits(heddle, model):
    """A row a thread count: bandwidth, decode's share of it, prefill's kernels' of their peaks."""
    table = heddle.run(sys.executable, COMPARE.with_name("table.py"), "limits", "--runs=2", f"tiny={model}").stdout
    head, _, *rows = table.splitlines()
    assert head.startswith("| model, threads | DRAM, GB/s |") and len(rows) == 2
    for threads, row in zip((1, 2), rows, strict=True):
        name, dram, decode, _ = (cell.strip() for cell in row.strip("|").split("|"))
        assert name == f"tiny, {threads}" and [float(each) > 0 for each in dram.split()] == [True] * 2 and "% (90%)" in decode
    done = heddle.run(sys.executable, COMPARE.with_name("table.py"), "moe", f"tiny={model}", code=2)
    assert "model = tiny, the table has deepseek, olmoe, qwen3" in done.stderr
