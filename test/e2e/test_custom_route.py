"""heddle.custom_route: Mixtral's routing said by a region is Mixtral's routing, in `heddle reference` and in programs."""

import re

import numpy as np
from transformers import MixtralConfig

from bounds import assert_bitwise
from tiny_hf import make

EXPERTS, SEED = 6, 91
TOKENS = np.random.default_rng(SEED).integers(0, 331, 37).tolist()
LARGEST = """
      linalg.generic {{indexing_maps = [affine_map<(t, e) -> (t, e)>, affine_map<(t, e) -> (t)>, affine_map<(t, e) -> (t)>],
          iterator_types = ["parallel", "reduction"]}}
          ins({0} : tensor<1x{1}xf32>) outs(%low, %first : tensor<1xf32>, tensor<1xi32>) {{
      ^bb0(%v: f32, %most: f32, %of: i32):
        %e = linalg.index 1 : index
        %number = arith.index_cast %e : index to i32
        %more = arith.cmpf ogt, %v, %most : f32
        %v1 = arith.select %more, %v, %most : f32
        %of1 = arith.select %more, %number, %of : i32
        linalg.yield %v1, %of1 : f32, i32
      }} -> (tensor<1xf32>, tensor<1xi32>)"""


def routing(logits, experts):
    """The two largest of a softmax, over their sum."""
    def put(value, at, into, elem):
        return f"""
      %{at}.{elem} = tensor.expand_shape {value} [[0, 1]] output_shape [1, 1] : tensor<1x{elem}> into tensor<1x1x{elem}>
      %in{at}.{elem} = tensor.insert_slice %{at}.{elem} into {into}[0, {at[1]}] [1, 1] [1, 1] : tensor<1x1x{elem}> into tensor<1x2x{elem}>"""

    return f"""heddle.custom_route {logits} : (tensor<?x{experts}xf32>) -> (tensor<?x2xi32>, tensor<?x2xf32>) {{
    ^bb0(%row: tensor<1x{experts}xf32>):
      %low = arith.constant dense<-2.0> : tensor<1xf32>
      %first = arith.constant dense<0> : tensor<1xi32>
      %out = tensor.empty() : tensor<1x{experts}xf32>
      %p = linalg.softmax dimension(1) ins(%row : tensor<1x{experts}xf32>) outs(%out : tensor<1x{experts}xf32>) -> tensor<1x{experts}xf32>
      %a:2 = {LARGEST.format("%p", experts).strip()}
      %rest = linalg.generic {{indexing_maps = [affine_map<(t, e) -> (t, e)>, affine_map<(t, e) -> (t)>, affine_map<(t, e) -> (t, e)>],
          iterator_types = ["parallel", "parallel"]}}
          ins(%p, %a#1 : tensor<1x{experts}xf32>, tensor<1xi32>) outs(%out : tensor<1x{experts}xf32>) {{
      ^bb0(%v: f32, %of: i32, %o: f32):
        %gone = arith.constant -1.0 : f32
        %e = linalg.index 1 : index
        %number = arith.index_cast %e : index to i32
        %taken = arith.cmpi eq, %number, %of : i32
        %left = arith.select %taken, %gone, %v : f32
        linalg.yield %left : f32
      }} -> tensor<1x{experts}xf32>
      %b:2 = {LARGEST.format("%rest", experts).strip()}
      %sum = arith.addf %a#0, %b#0 : tensor<1xf32>
      %wa = arith.divf %a#0, %sum : tensor<1xf32>
      %wb = arith.divf %b#0, %sum : tensor<1xf32>
      %no = arith.constant dense<0> : tensor<1x2xi32>
      %none = arith.constant dense<0.0> : tensor<1x2xf32>
      {put("%a#1", "a0", "%no", "i32")}{put("%b#1", "b1", "%ina0.i32", "i32")}
      {put("%wa", "a0", "%none", "f32")}{put("%wb", "b1", "%ina0.f32", "f32")}
      heddle.yield %inb1.i32, %inb1.f32 : tensor<1x2xi32>, tensor<1x2xf32>
    }}"""


def test_as_the_own(heddle, score, tmp_path):
    make(MixtralConfig, SEED, num_local_experts=EXPERTS, num_experts_per_tok=2).save_pretrained(tmp_path / "model")
    text = heddle("import", tmp_path / "model").stdout
    edited, count = re.subn(r"heddle\.route (%\w+) .*", lambda m: routing(m[1], EXPERTS), text)
    assert count == 1
    (tmp_path / "edited.mlir").write_text(edited)
    weights = f"--weights-from={tmp_path / 'model'}"
    own = score(None, TOKENS, command=("reference", tmp_path / "model"))
    found = score(None, TOKENS, command=("reference", tmp_path / "edited.mlir", weights))
    np.testing.assert_allclose(found, own, rtol=1e-12, atol=1e-12)
    heddle("compile", tmp_path / "edited.mlir", weights, "-o", tmp_path / "program", "--numeric=f32", "--quiet")
    program = assert_bitwise(score, tmp_path / "program", TOKENS)
    assert np.abs(program - own).max() <= 64 * np.finfo(np.float32).eps * np.abs(own).max()


def test_beyond(heddle, score, tmp_path):
    """An expert that there is not is no answer of the reference; a program takes the nearest."""
    make(MixtralConfig, SEED, num_local_experts=EXPERTS, num_experts_per_tok=2).save_pretrained(tmp_path / "model")
    text = heddle("import", tmp_path / "model").stdout
    edited = re.sub(r"heddle\.route (%\w+) .*", lambda m: routing(m[1], EXPERTS), text).replace(
        "%first = arith.constant dense<0>", "%first = arith.constant dense<9>").replace("ogt, %v, %most", "oeq, %v, %most")
    (tmp_path / "edited.mlir").write_text(edited)
    done = heddle("reference", tmp_path / "edited.mlir", f"--weights-from={tmp_path / 'model'}", "--tokens=1,2",
                  f"--out={tmp_path / 'out.npy'}", code=5)
    assert "expert = 9, limit 0 to 5" in done.stderr and done.stderr.count("\n") == 1 and not (tmp_path / "out.npy").exists(), done.stderr
