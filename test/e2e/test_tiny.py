"""Small random models of odd shapes: close to float64, and bitwise themselves."""

import numpy as np
import pytest

import oracle
from bounds import assert_close64, assert_same_bits
from tiny_gguf import Tiny, write

MODELS = {
    "plain": Tiny(),
    "one-layer-one-head": Tiny(layers=1, heads=1, kv_heads=1, head_dim=64, seed=1),
    "odd-ff-and-vocab": Tiny(ff=100, vocab=333, tied=False, seed=2),
    "head-dim-not-hidden-over-heads": Tiny(hidden=96, heads=3, kv_heads=1, head_dim=48, seed=3),
    "no-grouping": Tiny(heads=4, kv_heads=4, encoding="F16", tied=False, seed=4),
    "rope-freqs": Tiny(encoding="BF16", rope_freqs=True, seed=5),
    "q8-0": Tiny(hidden=128, head_dim=32, ff=160, encoding="Q8_0", seed=6),
    "q4-0-untied": Tiny(hidden=64, ff=224, encoding="Q4_0", tied=False, seed=7),
    "q4-1-three-layers": Tiny(layers=3, hidden=96, heads=6, kv_heads=2, ff=192,
                              encoding="Q4_1", seed=8),
    "wide-groups": Tiny(hidden=128, heads=8, kv_heads=1, head_dim=16, ff=32, vocab=1000, seed=9),
}
LENGTH = 37  # two tiles of 16 and a tail


@pytest.fixture(scope="module", params=MODELS)
def tiny(request, heddle, tmp_path_factory):
    model = MODELS[request.param]
    directory = tmp_path_factory.mktemp(request.param)
    path = write(directory / "model.gguf", model)
    program = directory / "program"
    heddle("compile", path, "-o", program, "--numeric=f32", "--quiet")
    rng = np.random.default_rng(100 + model.seed)
    tokens = rng.integers(0, model.vocab, LENGTH).tolist()
    return path, program, tokens


def test_close_to_float64(tiny, score):
    path, program, tokens = tiny
    reference = score(None, tokens, command=("reference", path))
    f64 = oracle.logits64(path, tokens)
    assert np.abs(reference - f64).max() <= 4 * np.finfo(np.float32).eps * np.abs(f64).max()
    assert_close64(score(program, tokens), f64)
    assert_close64(score(program, tokens, "--chunk=1"), f64)


def test_bitwise(tiny, score):
    _, program, tokens = tiny
    expected = score(program, tokens, "-t", 1)
    for threads in (1, 2, 3):
        for chunk in (1, 2, 5, 16, 17):
            found = score(program, tokens, "-t", threads, f"--chunk={chunk}")
            assert_same_bits(found, expected, f"threads {threads}, chunk {chunk}")
    for length in (1, 16, 20):
        assert_same_bits(score(program, tokens[:length]), expected[:length], f"first {length}")


def test_with_tokenizer(heddle, smollm_gguf, tmp_path):
    """A file that has a tokenizer makes a program that reads text."""
    path = write(tmp_path / "model.gguf", Tiny(vocab=1000), vocab_from=smollm_gguf)
    program = tmp_path / "program"
    heddle("compile", path, "-o", program, "--quiet")
    text = "The cat sat on the mat."
    tokens = heddle.run(program, "tokenize", text).stdout.strip()
    assert heddle.run(program, "detokenize", f"--tokens={tokens}").stdout.rstrip("\n") == text
    heddle.run(program, "generate", text, "-n", 3, "--ignore-eos")


def test_without_tokenizer(heddle, tmp_path):
    """Commands that need text end with status 4; token commands work."""
    path = write(tmp_path / "model.gguf", Tiny())
    program = tmp_path / "program"
    heddle("compile", path, "-o", program, "--quiet")
    heddle.run(program, "generate", "text", code=4)
    heddle.run(program, "tokenize", "text", code=4)
    out = heddle.run(program, "generate", "--tokens=1,2,3", "-n", 4, "--ignore-eos",
                     "--print=tokens").stdout
    assert len(out.strip().split(",")) == 4
