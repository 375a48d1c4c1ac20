"""The clamped activation of gpt-oss: compiled, by emitters and on the generic path, against the
interpreter on the same graph, with gates and ups on both sides of the limits."""

import gguf
import numpy as np
import pytest

from bounds import assert_close64, assert_same_bits
from tiny_gguf import Tiny, write

MODEL = Tiny(layers=2, ff=100, seed=41)


@pytest.fixture(scope="module")
def clamped(heddle, tmp_path_factory):
    """(the checkpoint, the module with that activation)"""
    directory = tmp_path_factory.mktemp("clamped")
    checkpoint, module = write(directory / "tiny.gguf", MODEL), directory / "graph.mlir"
    for tensor in gguf.GGUFReader(checkpoint, "r+").tensors:
        if tensor.name.endswith("ffn_norm.weight"):
            tensor.data[:] *= 8
    heddle("import", checkpoint, "-o", module)
    text = module.read_text()
    assert text.count("activation<silu>") == 1
    module.write_text(text.replace("activation<silu>", "activation<oai>"))
    return checkpoint, module


@pytest.mark.parametrize("flags", ((), ("-p", "set-schedules.generic=glu")))
def test_like_the_reference(heddle, score, clamped, tmp_path, flags):
    checkpoint, module = clamped
    tokens = np.random.default_rng(41).integers(0, MODEL.vocab, 37).tolist()
    reference = score(None, tokens, f"--weights-from={checkpoint}", command=("reference", module))
    plain = score(None, tokens, command=("reference", checkpoint))
    assert np.abs(reference - plain).max() > 1e-2
    program = tmp_path / "program"
    heddle("compile", module, f"--weights-from={checkpoint}", "-o", program, "--numeric=f32", "--quiet", *flags)
    expected = score(program, tokens, "-t", 1)
    assert_close64(expected, reference)
    for chunk in (1, 5, 16):
        assert_same_bits(score(program, tokens, "-t", 2, f"--chunk={chunk}"), expected, f"chunk {chunk}")
