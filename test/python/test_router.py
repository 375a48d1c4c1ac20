"""Routers that are Python functions."""

import numpy as np
import pytest

import heddle

pytest.importorskip("torch")  # makes the model

from tiny_gguf import export  # noqa: E402
from tiny_hf import make  # noqa: E402

EXPERTS = 5
TOKENS = np.random.default_rng(90).integers(0, 331, 29).tolist()
LARGEST = """
func.func @route(%row: tensor<1x{experts}xf32>) -> (tensor<1x1xi32>, tensor<1x1xf32>) {{
  %none = arith.constant dense<0xFF800000> : tensor<1xf32>
  %first = arith.constant dense<0> : tensor<1xi32>
  %all = arith.constant dense<{weight}> : tensor<1x1xf32>
  %largest:2 = linalg.generic {{
      indexing_maps = [affine_map<(t, e) -> (t, e)>, affine_map<(t, e) -> (t)>, affine_map<(t, e) -> (t)>],
      iterator_types = ["parallel", "reduction"]}}
      ins(%row : tensor<1x{experts}xf32>) outs(%none, %first : tensor<1xf32>, tensor<1xi32>) {{
  ^bb0(%z: f32, %most: f32, %of: i32):
    %e = linalg.index 1 : index
    %number = arith.index_cast %e : index to i32
    %more = arith.cmpf ogt, %z, %most : f32
    %z1 = arith.select %more, %z, %most : f32
    %of1 = arith.select %more, %number, %of : i32
    linalg.yield %z1, %of1 : f32, i32
  }} -> (tensor<1xf32>, tensor<1xi32>)
  %shifted = arith.constant dense<{shift}> : tensor<1xi32>
  %id = arith.addi %largest#1, %shifted : tensor<1xi32>
  %ids = tensor.expand_shape %id [[0, 1]] output_shape [1, 1] : tensor<1xi32> into tensor<1x1xi32>
  return %ids, %all : tensor<1x1xi32>, tensor<1x1xf32>
}}"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from transformers import MixtralConfig
    tiny = make(MixtralConfig, 90, num_local_experts=EXPERTS, num_experts_per_tok=1)
    return export(tiny, tmp_path_factory.mktemp("router") / "model.gguf")


def test_router(model):
    """The largest logit, with all the weight, is what Mixtral does for one expert a token."""
    @heddle.router("largest")
    def largest(experts, k, bias):
        """The expert of the largest logit"""
        assert (experts, k, bias) == (EXPERTS, 1, False)
        return LARGEST.format(experts=experts, weight=1.0, shift=0)

    own = heddle.compile(model, numeric="f32").logits(TOKENS)
    program = heddle.compile(model, numeric="f32", options={"set-router.name": "largest"})
    assert np.array_equal(program.logits(TOKENS), own)
    assert np.array_equal(program.logits(TOKENS, chunk=1), own)
    heddle.router("half")(lambda experts, k, bias: LARGEST.format(experts=experts, weight=0.5, shift=0))
    half = heddle.compile(model, numeric="f32", options={"set-router.name": "half"}).logits(TOKENS)
    assert np.abs(half - own).max() > 1e-3


def test_ids_beyond(model):
    """Experts that there are not: the nearest that there are, and no memory besides."""
    for name, shift in (("far", 2**30), ("before", -2**30)):
        heddle.router(name)(lambda experts, k, bias, s=shift: LARGEST.format(experts=experts, weight=1.0, shift=s))
        program = heddle.compile(model, numeric="f32", options={"set-router.name": name})
        found = program.logits(TOKENS)
        assert np.isfinite(found).all() and np.array_equal(program.logits(TOKENS, chunk=1), found)


WRONG = {
    "no-text": (lambda *_: None, "unknown"),
    "raises": (lambda *_: 1 / 0, "ZeroDivisionError"),
    "no-function": (lambda *_: "module {}", "one function"),
    "two-slots": (lambda e, k, b: f"""func.func @route(%row: tensor<1x{e}xf32>) -> (tensor<1x2xi32>, tensor<1x2xf32>) {{
        %ids = arith.constant dense<0> : tensor<1x2xi32>
        %w = arith.constant dense<0.5> : tensor<1x2xf32>
        return %ids, %w : tensor<1x2xi32>, tensor<1x2xf32>
      }}""", "(C2)"),
    "other-logits": (lambda e, k, b: LARGEST.format(experts=e + 1, weight=1.0, shift=0), "(C2)"),
    "memory": (lambda e, k, b: LARGEST.format(experts=e, weight=1.0, shift=0).replace(
        "%shifted =", "%m = memref.alloc() : memref<4xf32>\n  %shifted ="), "(C3)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(model, name):
    function, words = WRONG[name]
    heddle.router("wrong-" + name)(function)
    with pytest.raises(heddle.Error) as caught:
        heddle.compile(model, numeric="f32", options={"set-router.name": "wrong-" + name})
    assert words in str(caught.value) and "\n" not in str(caught.value), str(caught.value)
    assert caught.value.code in (2, 3, 4)


def test_taken(model):
    heddle.router("taken")(lambda *_: "")
    with pytest.raises(heddle.Error, match="taken"):
        heddle.router("taken")(lambda *_: "")
