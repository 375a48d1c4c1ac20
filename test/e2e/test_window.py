"""Sliding-window attention: an imported graph with a window, compiled, against the
interpreter on the same graph, and against the graph without one."""

import re

import numpy as np
import pytest

from bounds import assert_close64, assert_neighbours, assert_same_bits
from tiny_gguf import Tiny, write

MODEL = Tiny(layers=2, heads=4, kv_heads=2, seed=11)
LENGTH = 53  # three blocks of 16 keys and a part


@pytest.fixture(scope="module")
def windowed(heddle, tmp_path_factory):
    """windowed(W) -> (the checkpoint, a module whose attention has that window, its program)"""
    directory = tmp_path_factory.mktemp("window")
    checkpoint = write(directory / "tiny.gguf", MODEL)
    heddle("import", checkpoint, "-o", directory / "graph.mlir")
    graph = (directory / "graph.mlir").read_text()
    made = {}

    def make(window):
        if window not in made:
            module, program = directory / f"{window}.mlir", directory / f"{window}"
            text, count = re.subn(r"(heddle\.attention [^{]*\{)", rf"\1window = {window} : i64, ", graph)
            assert count == 1
            module.write_text(text)
            heddle("compile", module, f"--weights-from={checkpoint}", "-o", program, "--quiet")
            made[window] = (checkpoint, module, program)
        return made[window]

    return make


@pytest.fixture(scope="module")
def tokens():
    return np.random.default_rng(11).integers(0, MODEL.vocab, LENGTH).tolist()


# One key; part of a block; a block, less or more; two; all keys.
@pytest.mark.parametrize("window", (1, 5, 15, 16, 17, 32, LENGTH - 1))
def test_like_the_reference(windowed, score, tokens, window):
    checkpoint, module, program = windowed(window)
    reference = score(None, tokens, f"--weights-from={checkpoint}", command=("reference", module))
    full = score(None, tokens, command=("reference", checkpoint))
    # The window is no-op up to its size, and matters beyond.
    assert np.array_equal(reference[:window], full[:window])
    assert np.abs(reference[window:] - full[window:]).max() > 1e-3
    expected = score(program, tokens, "-t", 1)
    assert_close64(expected, reference)
    for chunk in (1, 3, 16, 20):
        assert_same_bits(score(program, tokens, "-t", 2, f"--chunk={chunk}"), expected, f"chunk {chunk}")


@pytest.mark.parametrize("window", (LENGTH, (1 << 63) - 1))
def test_wider_than_the_text(heddle, windowed, score, tokens, tmp_path, window):
    """A window that nothing falls out of changes no bit."""
    checkpoint, _, program = windowed(window)
    heddle("compile", checkpoint, "-o", tmp_path / "full", "--quiet")
    assert_same_bits(score(program, tokens), score(tmp_path / "full", tokens))


@pytest.mark.parametrize("kv_heads", (1, 2, 4))
@pytest.mark.parametrize("window", (None, 140))
def test_segments(heddle, score, tmp_path, kv_heads, window):
    """Several segments of keys, of which tokens that meet them together see different parts."""
    checkpoint = write(tmp_path / "tiny.gguf", Tiny(layers=2, heads=4, kv_heads=kv_heads, context=512, seed=12))
    heddle("import", checkpoint, "-o", tmp_path / "graph.mlir")
    text = (tmp_path / "graph.mlir").read_text()
    if window:
        text, count = re.subn(r"(heddle\.attention [^{]*\{)", rf"\1window = {window} : i64, ", text)
        assert count == 1
    (tmp_path / "module.mlir").write_text(text)
    program = tmp_path / "program"
    heddle("compile", tmp_path / "module.mlir", f"--weights-from={checkpoint}", "-o", program, "--quiet")
    tokens = np.random.default_rng(12).integers(0, MODEL.vocab, 300).tolist()
    expected = score(program, tokens, "-t", 1, "--chunk=1")
    reference = score(None, tokens, f"--weights-from={checkpoint}", command=("reference", tmp_path / "module.mlir"))
    assert_close64(expected, reference)
    for chunk in (3, 7, 16, 100, 256):
        assert_same_bits(score(program, tokens, "-t", 2, f"--chunk={chunk}"), expected, f"chunk {chunk}")
    other = tokens[::-1]
    alone = [expected, score(program, other, "--chunk=1")]
    assert_neighbours(score, program, [(0, tokens), (20, other[:150])], [alone[0], alone[1][:150]])
