"""Routing and plans as generated code computes them, against the scalar oracle."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "Reference"))

from moe_oracle import E, ROUTERS, route, settings, tied_logits  # noqa: E402

LLVM = pathlib.Path("/usr/lib/llvm-22")
T = 7  # the last token's logits are no numbers
PASSES = ("heddle-expand-math,convert-scf-to-cf,convert-vector-to-llvm,expand-strided-metadata,lower-affine,"
          "convert-math-to-llvm,convert-arith-to-llvm,finalize-memref-to-llvm,convert-index-to-llvm,convert-cf-to-llvm,"
          "convert-ub-to-llvm,convert-func-to-llvm,reconcile-unrealized-casts")


def kernel(name, emitter, lanes, op, inputs, results):
    """A function of one kernel of the op; inputs and results are types."""
    values = ", ".join(f"%{n}: {t}" for n, t in zip("ab", inputs))
    outside = values.replace("%", "%in_")
    names = ", ".join(f"%in_{n}" for n in "ab"[:len(inputs)])
    types, made = ", ".join(inputs), ", ".join(results)
    inner = ", ".join(f"%1#{i}" for i in range(len(results)))
    outer = inner.replace("%1", "%0")
    return (f"func.func @{name}({outside}) -> ({made}) {{\n"
            f"  %0:{len(results)} = heddle.kernel \"{name}\" ({names}) schedule <\"{emitter}\", {{lanes = {lanes} : i64}}>"
            f" : ({types}) -> ({made}) {{\n"
            f"  ^bb0({values}):\n    %1:{len(results)} = {op}\n    heddle.yield {inner} : {made}\n  }}\n"
            f"  return {outer} : {made}\n}}\n")


def constant(name, array):
    kind = "f32" if array.dtype == np.float32 else "i32"
    hexes = array.ravel().tobytes().hex().upper()
    shape = "x".join(map(str, array.shape))
    return f"memref.global \"private\" constant @{name} : memref<{shape}x{kind}> = dense<\"0x{hexes}\">\n"


def filtered(opt, passes, module):
    done = subprocess.run([opt, passes], input=module, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("lanes", (4, 8))
def test_route_and_plan(heddle, lanes):
    z, bias = tied_logits(np.random.default_rng(lanes))
    z = np.vstack([z, np.full(E, np.nan)]).astype(np.float32)
    bias = bias.astype(np.float32)
    ids = np.array([[5, 0], [7, 7], [1, 5]], np.int32)
    opt = heddle.heddle.with_name("heddle-opt")
    module, main = "", ""
    results = []
    for index, (name, (text, biased)) in enumerate(ROUTERS.items()):
        k = int(settings(text)["k"])
        types = [f"tensor<{T}x{E}xf32>"] + [f"tensor<{E}xf32>"] * biased
        op = f"heddle.route {'%a, %b' if biased else '%a'} {{router = #heddle.router<{text}>}} : {', '.join(types)}"
        module += kernel(f"r{index}", "rows", lanes, op, types, [f"tensor<{T}x{k}xi32>", f"tensor<{T}x{k}xf32>"])
        results.append((f"r{index}", "%z" + (", %bias" if biased else ""), [(T, k, "i32"), (T, k, "f32")], T))
    module += kernel("plan", "plan", lanes, f"heddle.plan %a {{experts = {E} : i64}} : tensor<3x2xi32>",
                     ["tensor<3x2xi32>"], ["tensor<3x2xi32>", "tensor<3x2xi32>", f"tensor<{E + 1}xi32>"])
    results.append(("plan", "%ids", [(3, 2, "i32"), (3, 2, "i32"), (E + 1, "i32")], 1))
    emitted = filtered(opt, "--heddle-emit-kernels", module)
    functions = {m[2]: m[1] for m in re.finditer(r"func.func private @(k\d+\.(\w+))\(", emitted)}
    body = emitted[emitted.index("module {") + len("module {"):emitted.rindex("}")]
    kernels = re.sub(r"(?ms)^  func.func @.*?^  }\n", "", body)
    for name, arguments, made, items in results:
        for i, shape in enumerate(made):
            main += f"  %{name}_{i} = memref.alloc() : memref<{'x'.join(map(str, shape))}>\n"
        types = {"%z": f"memref<{T}x{E}xf32>", "%bias": f"memref<{E}xf32>", "%ids": "memref<3x2xi32>"}
        given = arguments.split(", ")
        buffers = [f"memref<{'x'.join(map(str, shape))}>" for shape in made]
        main += (f"  %{name}_n = arith.constant {items} : index\n"
                 f"  call @{functions[name]}(%zero, %{name}_n, {arguments}, "
                 + ", ".join(f"%{name}_{i}" for i in range(len(made)))
                 + f") : (index, index, {', '.join([types[g] for g in given] + buffers)}) -> ()\n")
        for i, (buffer, shape) in enumerate(zip(buffers, made)):
            kind = shape[-1]
            main += (f"  %{name}_c{i} = memref.cast %{name}_{i} : {buffer} to memref<*x{kind}>\n"
                     f"  call @printMemref{kind.upper()}(%{name}_c{i}) : (memref<*x{kind}>) -> ()\n")
    program = (constant("z", z) + constant("bias", bias) + constant("ids", ids) + kernels
               + "func.func private @printMemrefF32(memref<*xf32>) attributes {llvm.emit_c_interface}\n"
                 "func.func private @printMemrefI32(memref<*xi32>) attributes {llvm.emit_c_interface}\n"
                 "func.func @main() {\n  %zero = arith.constant 0 : index\n"
                 f"  %z = memref.get_global @z : memref<{T}x{E}xf32>\n"
                 f"  %bias = memref.get_global @bias : memref<{E}xf32>\n"
                 "  %ids = memref.get_global @ids : memref<3x2xi32>\n" + main + "  return\n}\n")
    lowered = filtered(opt, f"--pass-pipeline=builtin.module({PASSES})", program)
    libs = ",".join(str(LLVM / "lib" / f"libmlir{n}_runner_utils.so") for n in ("", "_c"))
    done = subprocess.run([LLVM / "bin/mlir-runner", "-e", "main", "-entry-point-result=void", f"-shared-libs={libs}"],
                          input=lowered, capture_output=True, text=True, check=True)
    numbers = [np.array(re.findall(r"-?(?:\d[\d.e+-]*|nan|inf)", part.split("data =")[1]), float)
               for part in done.stdout.split("Unranked Memref")[1:]]
    numbers = iter(numbers)
    for text, biased in ROUTERS.values():
        k = int(settings(text)["k"])
        chosen, weights = next(numbers).reshape(T, k), next(numbers).reshape(T, k)
        for t in range(T - 1):
            expected = route(z[t].astype(float), bias.astype(float) if biased else None, text)
            assert chosen[t].tolist() == expected[0], (text, t)
            np.testing.assert_allclose(weights[t], expected[1], rtol=1e-4)  # as many digits are printed
        # Whatever the numbers, experts that are there, each once.
        assert sorted(set(chosen[-1])) == sorted(chosen[-1]) and set(chosen[-1]) <= set(range(E)), text
    order, position, offsets = numbers
    flat = ids.ravel()
    assert order.tolist() == np.argsort(flat, kind="stable").tolist()
    assert order[position.astype(int)].tolist() == list(range(len(flat)))
    assert offsets.tolist() == [sum(flat < e) for e in range(E + 1)]
