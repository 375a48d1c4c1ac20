"""Several sequences at once: `PROG score` of a table, each as it is alone, and `PROG bench --batch`.
Of every family bounds.assert_bitwise has three side by side; here are more than a small batch, and
what is refused."""

import json
import re

import numpy as np
import pytest

from bounds import assert_neighbours, table_of
from tiny_gguf import Tiny, write

VOCAB = 320


@pytest.fixture(scope="module")
def program(heddle, tmp_path_factory):
    directory = tmp_path_factory.mktemp("sequences")
    heddle("compile", write(directory / "tiny.gguf", Tiny(seed=5, vocab=VOCAB)), "-o", directory / "program", "--quiet")
    return directory / "program"


@pytest.fixture(scope="module")
def rows():
    """20 sequences that begin and end at different times, some of more than one block of the cache."""
    rng = np.random.default_rng(5)
    return [(int(rng.integers(0, 30)), rng.integers(0, VOCAB, rng.integers(1, 60)).tolist()) for _ in range(20)]


@pytest.fixture(scope="module")
def alone(program, score, rows):
    return [score(program, tokens) for _, tokens in rows]


@pytest.mark.parametrize("flags", [("--chunk=1", "-t", 1), ("--chunk=1", "-t", 3), ("--chunk=5", "-t", 2), ()], ids=str)
def test_as_alone(program, score, rows, alone, flags):
    assert_neighbours(score, program, rows, alone, *flags)


def test_likelihood(program, heddle, rows, alone, tmp_path):
    """The mean over all tokens that have one before them."""
    np.save(tmp_path / "table.npy", table_of(rows))
    losses = []
    for (_, tokens), logits in zip(rows, alone, strict=True):
        logits = logits.astype(np.float64)
        norm = np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1)) + logits.max(-1)
        losses += [norm[i] - logits[i, token] for i, token in enumerate(tokens[1:])]
    found = float(heddle.run(program, "score", f"--tokens-file={tmp_path / 'table.npy'}", "--nll").stdout)
    assert found == pytest.approx(np.mean(losses), rel=1e-6)


@pytest.mark.parametrize("table, flags, code, words", [
    (np.zeros((257, 1), np.int32), (), 5, "sequences = 257, limit 256"),
    (np.full((2, 3), VOCAB), (), 3, "token[0] = 320, limit 319"),
    (np.full((2, 3), -2), (), 3, "token[0] = -2, limit 319"),
    (np.full((2, 3), -1), (), 3, "tokens = 0, limit at least 1"),
    (np.full(3, -1), (), 3, "token[0] = -1, limit 319"),
    (np.zeros((2, 3, 4), np.int32), (), 3, "shape = (2, 3, 4), limit one or two dimensions"),
    (np.asfortranarray(np.zeros((2, 3), np.int32)), (), 3, "fortran_order = True, limit False"),
    (np.zeros((2, 300), np.int32), (), 5, "tokens = 300, limit 256"),
    (np.zeros((200, 200), np.int32), ("--mem-limit=30MiB",), 5, "limit --mem-limit = 31457280"),
], ids=("many", "id", "negative", "empty", "none", "dimensions", "order", "long", "memory"))
def test_refused(program, heddle, tmp_path, table, flags, code, words):
    np.save(tmp_path / "table.npy", table)
    out = tmp_path / "logits.npy"
    done = heddle.run(program, "score", f"--tokens-file={tmp_path / 'table.npy'}", f"--out={out}", *flags, code=code)
    assert words in done.stderr.splitlines()[-1 if "hint:" not in done.stderr else -2], done.stderr
    assert not out.exists()


def test_bench(program, heddle):
    found = json.loads(heddle.run(program, "bench", "--prompt=4", "--gen=4", "--depth=0,20", "--batch=1,3,20",
                                  "--repeat=2", "--json").stdout)["decode"]
    assert [(x["depth"], x["batch"]) for x in found] == [(d, b) for d in (0, 20) for b in (1, 3, 20)]
    shallow, deep = {x["batch"]: x for x in found[:3]}, {x["batch"]: x for x in found[3:]}
    for batch in (1, 3, 20):
        assert deep[batch]["tok_s"] > 0 and len(deep[batch]["runs"]) == 2
        # Caches are each sequence's own (2 layers of 2 heads of 16, twice, in float32), weights are shared.
        assert deep[batch]["bytes_per_token"] - shallow[batch]["bytes_per_token"] == pytest.approx(20 * 2 * 2 * 16 * 2 * 4)
    weights = shallow[1]["bytes_per_token"] - 2 * 2 * 2 * 16 * 2 * 4
    assert shallow[20]["bytes_per_token"] - 2 * 2 * 2 * 16 * 2 * 4 == pytest.approx(weights / 20)


def test_bench_refused(program, heddle):
    done = heddle.run(program, "bench", "--gen=4", "--batch=257", code=5)
    assert "--batch = 257, limit 256 (tokens of a step)" in done.stderr


GRAPH = """
!cache = !heddle.cache<full_kv, layers = 1, heads = 4, dim = 16, elem = f32>
module attributes {MODULE} {
  func.func @forward(%tokens: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %c: !cache) -> tensor<?x320xf32> {
    %slot = arith.constant 0 : index
    %table = heddle.param "token_embd.weight" : tensor<320x64xf32, #heddle.enc<f32>>
    %x = heddle.embedding %tokens, %table : tensor<?xi32>, tensor<320x64xf32, #heddle.enc<f32>>
    %c1 = heddle.cache_append %c[%slot], %x, %x at %positions FROM : !cache, tensor<?x64xf32>, tensor<?xi32>
    %o = heddle.attention %x, %c1[%slot] at %positions FROM {heads = 4 : i64, scale = 0.25 : f64}
      : tensor<?x64xf32>, !cache, tensor<?xi32>
    %s = heddle.select_rows %o, %rows : tensor<?x64xf32>, tensor<?xi32>
    %l = heddle.linear %s, %table : tensor<?x64xf32>, tensor<320x64xf32, #heddle.enc<f32>>
    return %l : tensor<?x320xf32>
  }
}
"""


def test_starts_by_the_reference(heddle, score, tmp_path):
    """A sequence may begin anywhere; what would take an id for a place is not compiled."""
    checkpoint, imported = write(tmp_path / "tiny.gguf", Tiny(vocab=VOCAB)), tmp_path / "imported.mlir"
    heddle("import", checkpoint, "-o", imported)
    attributes = re.search(r"module attributes \{(.*)\} \{", imported.read_text())[1]
    plain, moved = tmp_path / "plain.mlir", tmp_path / "moved.mlir"
    for path, start in ((plain, ""), (moved, "from %tokens")):
        path.write_text(GRAPH.replace("MODULE", attributes).replace("FROM", start))
    weights = f"--weights-from={checkpoint}"
    expected = score(None, [5] * 40, weights, command=("reference", plain))
    assert np.array_equal(score(None, [5] * 40, weights, command=("reference", moved)), expected)
    # One begins at 5 and has position 0 there, another one at 9 lacks its own.
    done = heddle("reference", moved, weights, "--tokens=5,9", f"--out={tmp_path / 'x.npy'}", code=2)
    assert "position 1 needs position 0, which was never written" in done.stderr
    done = heddle("compile", moved, weights, "-o", tmp_path / "program", code=4)
    assert "unsupported: a cache at starts that are no input of @forward" in done.stderr
