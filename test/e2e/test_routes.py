"""Router ids and weights of every layer, in each family with experts, against transformers."""

import numpy as np
import pytest

import test_huggingface
import test_mla
import test_moe
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
