"""Router ids and weights of every layer, in each family with experts, against transformers."""

import re

import numpy as np
import pytest
import torch
from transformers import MixtralConfig

import test_huggingface
import test_mla
import test_moe
from bounds import assert_bitwise
from routes import of_transformers, returned, split
from tiny_hf import make, make_deepseek, save_deepseek

SEED = 30
MODELS = {
    "mixtral": lambda: make(test_moe.KINDS["mixtral"][0], SEED, **test_moe.KINDS["mixtral"][1]),
    "qwen2_moe": lambda: make(test_moe.KINDS["qwen2moe"][0], SEED, **test_moe.KINDS["qwen2moe"][1]),
    "qwen2_moe-some-dense": lambda: make(test_moe.KINDS["every-second"][0], SEED, **test_moe.KINDS["every-second"][1]),
    "qwen3_moe": lambda: make(test_moe.KINDS["qwen3moe"][0], SEED, **test_moe.KINDS["qwen3moe"][1]),
    "olmoe": lambda: make(test_huggingface.MODELS["olmoe"][0], SEED, num_experts=8, num_experts_per_tok=3,
                          eos_token_id=None),
    "deepseek": lambda: make_deepseek(SEED, layers=3, kv_heads=4),
    "deepseek_v2": lambda: test_mla.build("v2-groups"),
    "deepseek_v2-lite": lambda: test_mla.build("v2-lite"),
    "deepseek_v3": lambda: test_mla.build("v3"),
}

# Of the others, what programs choose is part of --full: their logits are compared elsewhere.
QUICK = ("mixtral", "qwen3_moe", "deepseek_v3")
TOKENS = np.random.default_rng(SEED).integers(0, 331, 37).tolist()


def by_number(ids, weights):
    """Slots of a token in the order of experts; transformers does not sort those of DeepSeek."""
    order = np.argsort(ids, axis=1)
    return np.take_along_axis(ids, order, 1), np.take_along_axis(weights, order, 1)


def prepared(heddle, directory, name):
    """(a directory of the model, the graph that returns its routes, what splits its logits, those of transformers)"""
    model = MODELS[name]()
    path, graph = directory / "model", directory / "routes.mlir"
    save_deepseek(model, path) if name == "deepseek" else model.save_pretrained(path)
    heddle("import", path, "-o", graph)
    text, *shape = returned(graph.read_text())
    graph.write_text(text)
    expected = of_transformers(model, TOKENS)
    assert len(expected) == sum(shape[0])
    return path, graph, shape, expected


def assert_routes(logits, shape, expected):
    for layer, (found, right) in enumerate(zip(split(logits, *shape), expected, strict=True)):
        ids, weights = by_number(*found)
        right_ids, right_weights = by_number(*right)
        assert np.array_equal(ids, right_ids), layer
        # Relative to the largest: a few hundred roundings, as bounds.py has it.
        error = np.abs(weights - right_weights).max() / np.abs(right_weights).max()
        assert error <= 256 * np.finfo(np.float32).eps, (layer, error)


@pytest.mark.parametrize("name", MODELS)
def test_reference(heddle, score, tmp_path, name):
    path, graph, shape, expected = prepared(heddle, tmp_path, name)
    logits = score(None, TOKENS, f"--weights-from={path}", command=("reference", graph))
    assert_routes(logits, shape, expected)


@pytest.mark.parametrize("name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
                                  for name in MODELS])
def test_program(heddle, score, tmp_path, name):
    """Plans and groups of 37 and of 5 tokens, and the code of one."""
    path, graph, shape, expected = prepared(heddle, tmp_path, name)
    heddle("compile", graph, f"--weights-from={path}", "-o", tmp_path / "program", "--numeric=f32", "--quiet")
    for chunk in (37, 5, 1):
        assert_routes(score(tmp_path / "program", TOKENS, f"--chunk={chunk}"), shape, expected)


def test_sqrt_softplus(heddle, score, tmp_path):
    """No family of those above has this score. Every expert is chosen, logits from -30 to 30, so what is small
    counts; and a program of these routes that ends in logits has the same bits however it is run."""
    model, graph, program = tmp_path / "model", tmp_path / "graph.mlir", tmp_path / "program"
    tiny = make(MixtralConfig, SEED, num_local_experts=5, num_experts_per_tok=5, hidden=128)
    with torch.no_grad():
        for layer in tiny.model.layers:
            layer.mlp.gate.weight *= 30
    tiny.save_pretrained(model)
    heddle("import", model, "-o", graph)
    text, count = re.subn(r"(#heddle\.router<k = 5), [^>]*", r"\1, score = sqrt_softplus", graph.read_text())
    text, *shape = returned(text)
    assert count == 1
    graph.write_text(text)
    expected = split(score(None, TOKENS, f"--weights-from={model}", command=("reference", graph)), *shape)
    assert max(w.max() for _, w in expected) > 4 and min(w.min() for _, w in expected) < 1e-4
    heddle("compile", graph, f"--weights-from={model}", "-o", program, "--numeric=f32", "--quiet")
    logits = assert_bitwise(score, program, TOKENS)
    for (ids, weights), (right_ids, right) in zip(split(logits, *shape), expected, strict=True):
        assert np.array_equal(ids, right_ids)
        # Relative to each: a logit's error of 1e-5 is one of the weight's, halved.
        np.testing.assert_allclose(weights, right, rtol=1e-4)
