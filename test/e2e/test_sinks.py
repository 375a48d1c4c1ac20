"""Attention sinks: an imported graph with one, compiled, against the interpreter on the same
graph. A gain of as many elements as there are heads stands for the learnt logits."""

import re

import numpy as np
import pytest

from bounds import assert_close64, assert_same_bits
from tiny_gguf import Tiny, write

MODEL = Tiny(layers=2, hidden=64, heads=64, kv_heads=32, head_dim=2, encoding="BF16", seed=31)
LENGTH = 150  # a segment of 128 keys and a part


@pytest.mark.parametrize("window", (None, 9))
@pytest.mark.parametrize("numeric", ("f32", "a16"))
def test_like_the_reference(heddle, score, tmp_path, window, numeric):
    checkpoint, module, program = (tmp_path / name for name in ("tiny.gguf", "graph.mlir", "program"))
    write(checkpoint, MODEL)
    heddle("import", checkpoint, "-o", module)
    graph = module.read_text()
    gain = re.search(r"heddle\.rms_norm %\w+, (%\w+) .*tensor<64xf32>", graph[graph.index("func.func private"):])[1]
    attribute = f"window = {window} : i64, " if window else ""
    text, count = re.subn(r"(heddle\.attention [^{]*)\{(.*)tensor<\?xi32>(.*)",
                          rf"\1 sinks {gain} {{{attribute}\2tensor<?xi32>, tensor<64xf32>\3", graph)
    assert count == 1
    module.write_text(text)
    heddle("compile", module, f"--weights-from={checkpoint}", "-o", program, f"--numeric={numeric}", "--quiet")
    tokens = np.random.default_rng(31).integers(0, MODEL.vocab, LENGTH).tolist()
    expected = score(program, tokens, "-t", 1)
    for chunk in (1, 3, 16, 20):
        assert_same_bits(score(program, tokens, "-t", 2, f"--chunk={chunk}"), expected, f"chunk {chunk}")
    if numeric == "f32":
        reference = score(None, tokens, f"--weights-from={checkpoint}", command=("reference", module))
        assert_close64(expected, reference)
        without = score(None, tokens, command=("reference", checkpoint))
        assert np.abs(reference - without).max() > 1e-3
