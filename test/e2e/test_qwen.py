"""Small random models of the Qwen families, made by transformers."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, Qwen2Config, Qwen3Config

import oracle
from bounds import assert_bitwise, assert_close
from prompts import ids
from tiny_gguf import export
from tiny_hf import randomize

LENGTH = 37  # two tiles of 16 and a tail


def config(kind, hidden=64, heads=4, kv_heads=2, ff=96, tied=True, theta=1e6, **more):
    return kind(vocab_size=331, hidden_size=hidden, intermediate_size=ff, num_hidden_layers=2,
                num_attention_heads=heads, num_key_value_heads=kv_heads,
                tie_word_embeddings=tied, max_position_embeddings=256, rms_norm_eps=1e-6,
                rope_parameters={"rope_type": "default", "rope_theta": theta}, **more)


MODELS = {
    "qwen2-tied": (config(Qwen2Config), "F32"),
    "qwen2-untied": (config(Qwen2Config, tied=False, theta=10000.0), "BF16"),
    # Seven queries a key: the shape of Qwen2.5-0.5B.
    "qwen2-seven-groups": (config(Qwen2Config, hidden=224, heads=14, kv_heads=2), "Q8_0"),
    "qwen2-q4": (config(Qwen2Config, hidden=128, heads=2, kv_heads=1, ff=160), "Q4_0"),
    "qwen3-tied": (config(Qwen3Config, head_dim=16), "F32"),
    "qwen3-wide-heads": (config(Qwen3Config, heads=3, kv_heads=1, head_dim=48, tied=False), "F16"),
    "qwen3-q8": (config(Qwen3Config, hidden=128, kv_heads=4, head_dim=64), "Q8_0"),
}


@pytest.fixture(scope="module", params=MODELS)
def qwen(request, heddle, tmp_path_factory):
    directory = tmp_path_factory.mktemp(request.param)
    shape, encoding = MODELS[request.param]
    seed = list(MODELS).index(request.param)
    model = AutoModelForCausalLM.from_config(shape, dtype=torch.float32).eval()
    randomize(model, seed)
    path = export(model, directory / "model.gguf", encoding)
    program = directory / "program"
    heddle("compile", path, "-o", program, "--numeric=f32", "--quiet")
    tokens = np.random.default_rng(seed).integers(0, shape.vocab_size, LENGTH).tolist()
    return model, path, program, tokens


def test_close_to_transformers(qwen, score):
    model, path, program, tokens = qwen
    f32, f64 = oracle.hf_logits(model, tokens), oracle.logits64(path, tokens)
    # The two oracles are one model.
    assert np.abs(f32 - f64).max() <= 1e-4 * np.abs(f64).max()
    reference = score(None, tokens, command=("reference", path))
    assert np.abs(reference - f64).max() <= 4 * np.finfo(np.float32).eps * np.abs(f64).max()
    assert_close(score(program, tokens), f32, f64)
    assert_close(score(program, tokens, "--chunk=1"), f32, f64)


def test_greedy(qwen, heddle):
    model, path, program, tokens = qwen
    expected = oracle.hf_greedy(model, tokens[:8], 24)
    for command in ((program, "generate"), (heddle.heddle, "reference", path)):
        out = heddle.run(*command, ids(tokens[:8]), "-n", 24, "--print=tokens", "--ignore-eos",
                         "--temperature=0").stdout
        assert [int(token) for token in out.strip().split(",")] == expected


def test_bitwise(qwen, score):
    _, _, program, tokens = qwen
    assert_bitwise(score, program, tokens)


def test_refusals(heddle, tmp_path):
    """What a file asks for beyond the family, all at once; what it lacks."""
    model = AutoModelForCausalLM.from_config(config(Qwen2Config))
    more = export(model, tmp_path / "more.gguf", rope__scaling__type="mrope", pooling_type="last")
    error = heddle("import", more, code=4).stderr
    assert "qwen2.rope.scaling.type = 'mrope'" in error and "qwen2.pooling_type" in error
    less = export(model, tmp_path / "less.gguf", leave_out={"blk.1.attn_k.bias"})
    assert "blk.1.attn_k.bias" in heddle("import", less, code=3).stderr
