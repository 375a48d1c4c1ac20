"""The interpreter around the ops: functions, layers, parameters, caches, registration."""

import gguf
import numpy as np
import pytest

from probe_tools import CACHE, attention_module, call, function
from tiny_gguf import Tiny, write

ROW = "tensor<?x4xf32>"


#
# Functions
#


def test_call_errors(probe):
    module = function(f"arith.addf %a, %b : {ROW}", (ROW, ROW), ROW) + f"""
        func.func private @external({ROW}) -> {ROW}
        func.func @blocks(%x: {ROW}) -> {ROW} {{
          cf.br ^bb1
        ^bb1:
          return %x : {ROW}
        }}
        func.func @linear_kv(%c: !heddle.cache<ring, layers = 1, heads = 1, dim = 1, elem = f32>) {{ return }}
        """.replace("cf.br ^bb1", '"test.br"()[^bb1] : () -> ()')
    x = np.ones((2, 4))
    results = probe(module, call("g", x), call("f", x), call("f", x, x, x), call("f", x, np.ones((2, 5))),
                    call("f", x, np.ones(4)), call("f", x, np.ones((2, 4), np.int64)),
                    {"call": "f", "args": [{"shape": [2, 4], "floats": [1.0]}] * 2},
                    call("f", x, np.ones((3, 4))), call("external", x), call("blocks", x), call("linear_kv"))
    assert results[0] == (2, "the module has no function @g")
    assert results[1] == (2, "arguments of @f = 1, limit 2")
    assert results[2] == (2, "arguments of @f = 3, limit 2")
    for result in results[3:7]:
        assert result == (2, f"argument {0 if result is results[6] else 1} of @f does not fit {ROW}")
    assert results[7] == (2, "arith.addf: operands of different shapes")
    assert results[8][0] == results[9][0] == 4
    assert results[10] == (4, "the reference has no cache of kind ring")


def test_constants_and_several_results(probe):
    module = """
        func.func @f() -> (f32, i32, tensor<2x3xf32>, tensor<2xi32>, index) {
          %a = arith.constant 0.5 : f32
          %b = arith.constant -7 : i32
          %c = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
          %d = arith.constant dense<[-1, 1]> : tensor<2xi32>
          %e = arith.constant 9 : index
          return %a, %b, %c, %d, %e : f32, i32, tensor<2x3xf32>, tensor<2xi32>, index
        }"""
    a, b, c, d, e = probe(module, call("f"))[0]
    assert (a, b, e) == (0.5, -7, 9)
    assert np.array_equal(c, [[1, 2, 3], [4, 5, 6]]) and np.array_equal(d, [-1, 1])


#
# Caches
#


def test_caches_last_and_are_apart(probe, rng):
    """A cache lasts from call to call, is its function's own, and reset empties it."""
    module = attention_module("f", 2) + attention_module("g", 2)
    k, v = rng.standard_normal((2, 2, 1, 10))

    def at(name, position):
        return call(name, 0, k[position], k[position], v[position], np.array([position]))
    first, second, other, reset, again, first2, second2 = probe(
        module, at("f", 0), at("f", 1), at("g", 1), {"reset": True}, at("f", 1), at("f", 0), at("f", 1))
    assert np.array_equal(first[0], v[0]) and reset is None
    assert other[0] == again[0] == 2  # position 0 was not written there, or no longer is
    assert np.array_equal(first2[0], first[0]) and np.array_equal(second2[0], second[0])


#
# Layers and parameters
#


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """One 64 x 4 matrix and one vector of 4 a layer, of three layers."""
    path = tmp_path_factory.mktemp("checkpoint") / "model.gguf"
    generator = np.random.default_rng(5)
    tensors = {}
    for layer in range(3):
        tensors[f"blk.{layer}.w.weight"] = generator.standard_normal((4, 4)).astype(np.float32)
        tensors[f"blk.{layer}.n.weight"] = generator.standard_normal(4).astype(np.float32)
    tensors["blk.0.q.weight"] = generator.standard_normal((24, 64)).astype(np.float32)
    tensors["blk.0.q.bias"] = generator.standard_normal(24).astype(np.float32)
    writer = gguf.GGUFWriter(str(path), "llama")
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    for name in ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "MXFP4", "BF16", "F16"):
        kind = gguf.GGMLQuantizationType[name]
        stored = gguf.quants.quantize(tensors["blk.0.q.weight"], kind)
        writer.add_tensor(name, stored, raw_dtype=kind)
        tensors[name] = gguf.quants.dequantize(stored, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path, {name: values.astype(np.float64) for name, values in tensors.items()}


def test_layers(probe, rng, checkpoint):
    """Two kinds in the order of the table, with slots, shared values and parameters."""
    path, tensors = checkpoint
    module = f"""
        func.func private @scale(%x: {ROW}, %slot: index, %s: {ROW}, %w: tensor<4x4xf32>, %n: tensor<4xf32>) -> {ROW} {{
          %y = heddle.linear %x, %w, %n : {ROW}, tensor<4x4xf32>, tensor<4xf32>
          return %y : {ROW}
        }}
        func.func private @shift(%x: {ROW}, %slot: index, %s: {ROW}, %w: tensor<4x4xf32>) -> {ROW} {{
          %0 = heddle.linear %x, %w : {ROW}, tensor<4x4xf32>
          %1 = arith.addf %0, %s : {ROW}
          return %1 : {ROW}
        }}
        func.func @f(%x: {ROW}, %s: {ROW}) -> {ROW} {{
          %y = heddle.layers (%x) shared (%s) kinds [@scale, @shift] order [0, 1, 0]
            rows [["blk.0.w.weight", "blk.0.n.weight"], ["blk.1.w.weight"], ["blk.2.w.weight", "blk.2.n.weight"]]
            : ({ROW}), ({ROW}) -> ({ROW})
          return %y : {ROW}
        }}"""
    x, s = rng.standard_normal((2, 3, 4))
    w = lambda layer: tensors[f"blk.{layer}.w.weight"].T  # noqa: E731
    y = x @ w(0) + tensors["blk.0.n.weight"]
    y = y @ w(1) + s
    y = y @ w(2) + tensors["blk.2.n.weight"]
    np.testing.assert_allclose(probe(module, call("f", x, s), model=path)[0][0], y, rtol=1e-13, atol=1e-13)


def test_slot_is_the_layer(probe):
    """A layer kind that appends at its slot: each layer has keys of its own."""
    module = f"""
        func.func private @layer(%x: tensor<?x10xf32>, %c: {CACHE}, %slot: index, %pos: tensor<?xi32>)
            -> (tensor<?x10xf32>, {CACHE}) {{
          %y = arith.addf %x, %x : tensor<?x10xf32>
          %d = heddle.cache_append %c[%slot], %y, %y at %pos : {CACHE}, tensor<?x10xf32>, tensor<?xi32>
          return %y, %d : tensor<?x10xf32>, {CACHE}
        }}
        func.func @f(%x: tensor<?x10xf32>, %c: {CACHE}, %pos: tensor<?xi32>) -> (tensor<?x10xf32>, tensor<?x10xf32>) {{
          %y, %d = heddle.layers (%x, %c) shared (%pos) kinds [@layer] order [0, 0] rows [[], []]
            : (tensor<?x10xf32>, {CACHE}), (tensor<?xi32>) -> (tensor<?x10xf32>, {CACHE})
          %0 = arith.constant 0 : index
          %1 = arith.constant 1 : index
          %a = heddle.attention %x, %d[%0] at %pos {{heads = 2 : i64, scale = 1.0 : f64}} : tensor<?x10xf32>, {CACHE}, tensor<?xi32>
          %b = heddle.attention %x, %d[%1] at %pos {{heads = 2 : i64, scale = 1.0 : f64}} : tensor<?x10xf32>, {CACHE}, tensor<?xi32>
          return %a, %b : tensor<?x10xf32>, tensor<?x10xf32>
        }}"""
    x = np.arange(10.0)[None]
    first, second = probe(module, call("f", x, np.array([0])))[0]
    assert np.array_equal(first, 2 * x) and np.array_equal(second, 4 * x)


def test_endless_layers(probe):
    module = f"""
        func.func private @k(%x: {ROW}, %slot: index) -> {ROW} {{
          %y = heddle.layers (%x) shared () kinds [@k] order [0] rows [[]] : ({ROW}), () -> ({ROW})
          return %y : {ROW}
        }}"""
    assert probe(module, call("k", np.ones((1, 4)), 0))[0] == (5, "calls nested in @k = 65, limit 64")


ENCODINGS = {
    "F16": "f16", "BF16": "bf16", "Q8_0": "i8, group = 32, scale = true",
    "Q4_0": "u4, group = 32, scale = true, offset = -8", "Q4_1": "u4, group = 32, scale = true, min = true",
    "Q5_0": "u5, group = 32, scale = true, offset = -16", "Q5_1": "u5, group = 32, scale = true, min = true",
    "MXFP4": "u4, group = 32, scale = true, scales = bf16,"
             " table = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]",
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_encoded_parameter(probe, checkpoint, name):
    path, tensors = checkpoint
    type = f"tensor<24x64xf32, #heddle.enc<{ENCODINGS[name]}>>"
    module = f"""
        func.func @f() -> {type} {{
          %w = heddle.param "{name}" : {type}
          return %w : {type}
        }}"""
    assert np.array_equal(probe(module, call("f"), model=path)[0][0], tensors[name])


@pytest.mark.parametrize("heads", (1, 2, 3, 12))
@pytest.mark.parametrize("name, type", (("blk.0.q.weight", "tensor<24x64xf32, #heddle.enc<f32>>"),
                                        ("blk.0.q.bias", "tensor<24xf32>")))
def test_permuted_parameter(probe, checkpoint, name, type, heads):
    """What a converter to GGUF does to the rows of each head, undone."""
    path, tensors = checkpoint
    module = f"""
        module attributes {{heddle.unpermute = {{q.weight = {heads} : i64, q.bias = {heads} : i64}}}} {{
          func.func @f() -> {type} {{
            %w = heddle.param "{name}" : {type}
            return %w : {type}
          }}
        }}"""
    found = probe(module, call("f"), model=path)[0][0]
    # llama.cpp: w.reshape(heads, 2, dim / 2, …).swapaxes(1, 2).reshape(w.shape)
    stored = found.reshape(heads, 2, 24 // heads // 2, -1).swapaxes(1, 2).reshape(found.shape)
    assert np.array_equal(stored, tensors[name])


def test_parameter_errors(probe, checkpoint):
    def module(name, type, attributes=""):
        return f"""
            module {attributes} {{
              func.func @f() -> {type} {{
                %w = heddle.param "{name}" : {type}
                return %w : {type}
              }}
            }}"""
    path, _ = checkpoint
    vector = "tensor<24xf32>"
    assert probe(module("w", vector), call("f"))[0] == (2, "the reference was given no tensor w")
    assert probe(module("w", vector), call("f"), model=path)[0] == (2, "the reference was given no tensor w")
    assert probe(module("blk.0.q.bias", "tensor<25xf32>"), call("f"), model=path)[0][0] == 3
    for heads in (5, 24, (1 << 63) - 1):
        error = probe(module("blk.0.q.bias", vector, f"attributes {{heddle.unpermute = {{q.bias = {heads} : i64}}}}"),
                      call("f"), model=path)[0]
        assert error == (3, f"heddle.unpermute of blk.0.q.bias = {heads}, limit a divisor of half its 24 rows")


def test_forward(heddle, probe, tmp_path, rng):
    """In one step or several the same logits; caches last until a reset."""
    model = Tiny(seed=3)
    path = write(tmp_path / "tiny.gguf", model)
    heddle("import", path, "-o", tmp_path / "graph.mlir")
    tokens = rng.integers(0, model.vocab, 6).tolist()
    whole, reset, early, *steps = probe(
        (tmp_path / "graph.mlir").read_text(), {"forward": [tokens, list(range(6)), [1, 5]]}, {"reset": True},
        {"forward": [tokens[3:4], [3], [0]]}, {"forward": [tokens[:2], [0, 1], [1]]},
        {"forward": [tokens[2:], [2, 3, 4, 5], [3]]}, {"forward": [[model.vocab], [6], [0]]},
        {"forward": [[1], [6, 7], [0]]}, {"forward": [[1], [6], [1]]}, model=path)
    assert whole.size == 2 * model.vocab
    assert early[0] == 2
    assert np.array_equal(np.concatenate(steps[:2]), whole)
    assert [step[0] for step in steps[2:]] == [5, 2, 5]


#
# Registration
#


def test_register(probe, rng):
    x = rng.standard_normal((2, 4))
    module = function(f'"test.twice"(%a) : ({ROW}) -> {ROW}', (ROW,), ROW)
    missing, registered, found = probe(module, call("f", x), {"register": "test.twice"}, call("f", x))
    assert missing == (4, "the reference has no semantics for the op test.twice") and registered is None
    assert np.array_equal(found[0], 2 * x)
    # An op that has a meaning gets another.
    module = function(f"arith.addf %a, %b : {ROW}", (ROW, ROW), ROW)
    before, _, after = probe(module, call("f", x, x + 1), {"register": "arith.addf"}, call("f", x, x + 1))
    assert np.array_equal(before[0], x + (x + 1)) and np.array_equal(after[0], 2 * x)
