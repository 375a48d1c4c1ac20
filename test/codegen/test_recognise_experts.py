"""The routing that heddle-recognise-experts takes for heddle.route chooses as it does: run by MLIR's own
lowering, ties and all, against the scalar oracle."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

TEST = pathlib.Path(__file__).parents[1]
sys.path[:0] = [str(TEST / "Reference"), str(TEST / "codegen")]

from moe_oracle import pick  # noqa: E402
from test_routing import LLVM, constant  # noqa: E402

LOWERING = ("one-shot-bufferize{bufferize-function-boundaries},func.func(convert-linalg-to-loops),convert-scf-to-cf,"
            "expand-strided-metadata,lower-affine,convert-arith-to-llvm,finalize-memref-to-llvm,convert-index-to-llvm,"
            "convert-cf-to-llvm,convert-func-to-llvm,reconcile-unrealized-casts")


@pytest.mark.parametrize("normed", (True, False))
def test_routing(normed):
    text = (TEST / "passes/Conversion/recognise-experts.mlir").read_text()
    aliases = "".join(line + "\n" for line in text.splitlines() if re.match("[!#].* = ", line) and "heddle" not in line)
    # What the pass matches, after the softmax: of probabilities as they are.
    body = re.search(r"(?ms)^(  %zero = .*?)^  %p = .*?\n(.*?)^  %gate0 = ", text)
    before = re.sub(r"%z\b", "%p", body[1])
    p = np.random.default_rng(2).random((7, 3)).astype(np.float32)
    p[1], p[2] = 0.25, [0.5, 0.25, 0.5]
    p[3], p[4] = [0.25, 0.5, 0.25], [0.0, 0.0, 1.0]
    result = "%w" if normed else "%chosen"
    module = (aliases + constant("probabilities", p) + f"""
func.func private @printMemrefF32(memref<*xf32>) attributes {{llvm.emit_c_interface}}
func.func private @weights(%p: !e) -> !e {{
{before}{body[2]}  return {result} : !e
}}
func.func @main() {{
  %0 = memref.get_global @probabilities : memref<7x3xf32>
  %1 = bufferization.to_tensor %0 restrict : memref<7x3xf32> to tensor<7x3xf32>
  %2 = tensor.cast %1 : tensor<7x3xf32> to !e
  %3 = call @weights(%2) : (!e) -> !e
  %4 = bufferization.to_buffer %3 : !e to memref<?x3xf32>
  %5 = memref.cast %4 : memref<?x3xf32> to memref<*xf32>
  call @printMemrefF32(%5) : (memref<*xf32>) -> ()
  return
}}
""")
    done = subprocess.run([LLVM / "bin/mlir-opt", f"--pass-pipeline=builtin.module({LOWERING})"], input=module,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    libs = ",".join(str(LLVM / "lib" / f"libmlir{n}_runner_utils.so") for n in ("", "_c"))
    done = subprocess.run([LLVM / "bin/mlir-runner", "-e", "main", "-entry-point-result=void", f"-shared-libs={libs}"],
                          input=done.stdout, capture_output=True, text=True, check=True)
    found = np.array(re.findall(r"-?\d[\d.e+-]*", done.stdout.split("data =")[1]), float).reshape(p.shape)
    expected = np.zeros_like(p)
    for row, out in zip(p, expected):
        chosen = pick(row, 2)
        out[chosen] = row[chosen] / (row[chosen].sum() if normed else 1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
