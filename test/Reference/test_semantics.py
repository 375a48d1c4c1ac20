"""Each op of the reference interpreter against its formula, written again in numpy."""

import numpy as np
import pytest

from probe_tools import attention_module, call, function

ULPS = 64 * np.finfo(np.float64).eps  # sums of under a hundred terms, and exp or sin


def assert_near(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=ULPS, atol=ULPS * np.abs(expected).max())


#
# Rows
#


def test_embedding(probe, rng):
    module = function("heddle.embedding %a, %b : tensor<?xi32>, tensor<7x5xf32>",
                      ("tensor<?xi32>", "tensor<7x5xf32>"), "tensor<?x5xf32>")
    table = rng.standard_normal((7, 5))
    ids = np.array([6, 0, 3, 3])
    found, low, high = probe(module, call("f", ids, table), call("f", np.array([-1]), table),
                             call("f", np.array([0, 7]), table))
    assert np.array_equal(found[0], np.stack([table[6], table[0], table[3], table[3]]))
    assert low == (5, "heddle.embedding: token = -1, limit 0 to 6")
    assert high == (5, "heddle.embedding: token = 7, limit 0 to 6")


def test_select_rows(probe, rng):
    module = function("heddle.select_rows %a, %b : tensor<?x5xf32>, tensor<?xi32>",
                      ("tensor<?x5xf32>", "tensor<?xi32>"), "tensor<?x5xf32>")
    x = rng.standard_normal((4, 5))
    found, none, high = probe(module, call("f", x, np.array([3, 1, 3])), call("f", x, np.zeros(0, np.int64)),
                              call("f", x, np.array([4])))
    assert np.array_equal(found[0], np.stack([x[3], x[1], x[3]]))
    assert none[0].shape == (0, 5)
    assert high == (5, "heddle.select_rows: row = 4, limit 0 to 3")


@pytest.mark.parametrize("unit_offset", (False, True))
@pytest.mark.parametrize("groups", (1, 3, 12))
def test_rms_norm(probe, rng, groups, unit_offset):
    part = 12 // groups
    module = function(f"heddle.rms_norm %a, %b {{epsilon = 0.25 : f64, groups = {groups} : i64"
                      f"{', unit_offset' if unit_offset else ''}}} : tensor<?x12xf32>, tensor<{part}xf32>",
                      ("tensor<?x12xf32>", f"tensor<{part}xf32>"), "tensor<?x12xf32>")
    x, weight = rng.standard_normal((3, 12)), rng.standard_normal(part)
    expected = np.empty_like(x)
    for t in range(3):
        for g in range(groups):
            row = x[t, g * part:(g + 1) * part]
            root = np.sqrt(sum(v * v for v in row) / part + 0.25)
            expected[t, g * part:(g + 1) * part] = row / root * (weight + (1 if unit_offset else 0))
    assert_near(probe(module, call("f", x, weight))[0][0], expected)


def test_glu(probe, rng):
    module = function("heddle.glu %a, %b {activation = #heddle.activation<silu>} : tensor<?x9xf32>",
                      ("tensor<?x9xf32>", "tensor<?x9xf32>"), "tensor<?x9xf32>")
    gate, up = 8 * rng.standard_normal((3, 9)), rng.standard_normal((3, 9))
    found, uneven = probe(module, call("f", gate, up), call("f", gate, up[:2]))
    assert_near(found[0], gate * 0.5 * (1 + np.tanh(gate / 2)) * up)  # the logistic, otherwise
    assert uneven[0] == 2


@pytest.mark.parametrize("limit, alpha, numbers", [
    (7, 1.702, ""), (6.5, 1.25, ", limit = 6.5 : f64, alpha = 1.25 : f64")])
def test_clamped_glu(probe, limit, alpha, numbers):
    """gpt-oss's: no gate above the limit, no up beyond it either way, which counts from -1."""
    module = function(f"heddle.glu %a, %b {{activation = #heddle.activation<oai{numbers}>}} : tensor<?x9xf32>",
                      ("tensor<?x9xf32>", "tensor<?x9xf32>"), "tensor<?x9xf32>")
    gate = np.array([[-30, -7.5, -1, 0, 1, 6.9, 7, 7.1, 40]])
    up = np.array([[7.5, -1, 0, 3, -7.5, 6.5, -6.5, 30, -30]])
    least = np.minimum(gate, limit)
    expected = least * 0.5 * (1 + np.tanh(alpha / 2 * least)) * (np.clip(up, -limit, limit) + 1)
    assert_near(probe(module, call("f", gate, up))[0][0], expected)


def test_addf(probe, rng):
    module = function("arith.addf %a, %b : tensor<?x9xf32>", ("tensor<?x9xf32>",) * 2, "tensor<?x9xf32>")
    a, b = rng.standard_normal((2, 3, 9))
    assert np.array_equal(probe(module, call("f", a, b))[0][0], a + b)


#
# Products
#


@pytest.mark.parametrize("width", (1, 8, 13, 64))
@pytest.mark.parametrize("bias", (False, True))
def test_linear(probe, rng, width, bias):
    module = function(
        f"heddle.linear %a, %b{', %c' if bias else ''} : tensor<?x{width}xf32>, tensor<6x{width}xf32>"
        f"{', tensor<6xf32>' if bias else ''}",
        (f"tensor<?x{width}xf32>", f"tensor<6x{width}xf32>", "tensor<6xf32>"), "tensor<?x6xf32>")
    x, weight, b = rng.standard_normal((3, width)), rng.standard_normal((6, width)), rng.standard_normal(6)
    expected = np.einsum("tk,nk->tn", x, weight) + (b if bias else 0)
    assert_near(probe(module, call("f", x, weight, b))[0][0], expected)


#
# Positions
#


@pytest.mark.parametrize("divisors", (False, True))
@pytest.mark.parametrize("scale", (1.0, 8.0))
@pytest.mark.parametrize("dim", (2, 10))
def test_rope_angles(probe, rng, dim, scale, divisors):
    half = dim // 2
    module = function(
        f"heddle.rope_angles %a{', %b' if divisors else ''} {{dim = {dim} : i64, theta = 500.0 : f64, "
        f"scale = {scale} : f64}} : tensor<?xi32>{f', tensor<{half}xf32>' if divisors else ''}",
        ("tensor<?xi32>", f"tensor<{half}xf32>"), f"tensor<?x{dim}xf32>")
    positions, by = np.array([0, 1, 5, 300]), rng.uniform(1, 8, half)
    found = probe(module, call("f", positions, by))[0][0]
    for t, position in enumerate(positions):
        for i in range(half):
            frequency = 1 / (500.0 ** (2 * i / dim) * scale * (by[i] if divisors else 1))
            turn = np.exp(1j * position * frequency)
            # An angle of up to 300 rad is known to 300 ulps.
            assert abs(found[t, i] + 1j * found[t, half + i] - turn) < 600 * np.finfo(np.float64).eps


def test_rope_angles_by_frequencies(probe):
    """Given frequencies and a factor; those of a longer context are for a pass."""
    module = function(
        "heddle.rope_angles %a {dim = 4 : i64, theta = 500.0 : f64, amplitude = 1.25 : f64, frequencies = "
        "array<f64: 0.75, 0.125>, beyond = array<f64: 0.5, 0.1>, original = 4 : i64} : tensor<?xi32>",
        ("tensor<?xi32>",), "tensor<?x4xf32>")
    found = probe(module, call("f", np.array([0, 1, 50])))[0][0]
    turn = 1.25 * np.exp(1j * np.outer([0, 1, 50], [0.75, 0.125]))
    assert np.abs(found[:, :2] + 1j * found[:, 2:] - turn).max() < 200 * np.finfo(np.float64).eps


@pytest.mark.parametrize("interleaved", (False, True))
@pytest.mark.parametrize("dim", (2, 6, 8))  # of a head of 8
def test_rope(probe, rng, dim, interleaved):
    module = function(
        f"heddle.rope %a, %b {{heads = 3 : i64{', interleaved' if interleaved else ''}}} : "
        f"tensor<?x24xf32>, tensor<?x{dim}xf32>",
        ("tensor<?x24xf32>", f"tensor<?x{dim}xf32>"), "tensor<?x24xf32>")
    x, angle = rng.standard_normal((4, 24)), rng.uniform(-9, 9, (4, dim // 2))
    expected = x.reshape(4, 3, 8).copy()
    for i in range(dim // 2):
        a, b = (2 * i, 2 * i + 1) if interleaved else (i, i + dim // 2)
        turned = (expected[..., a] + 1j * expected[..., b]) * np.exp(1j * angle[:, i, None])
        expected[..., a], expected[..., b] = turned.real, turned.imag
    angles = np.concatenate((np.cos(angle), np.sin(angle)), 1)
    assert_near(probe(module, call("f", x, angles))[0][0], expected.reshape(4, 24))


#
# Cache and attention
#

def attention(q, k, v, heads, window, positions, sinks=None):
    """Softmax over keys [position, 2, 5] for the queries at `positions`."""
    out = np.empty((len(positions), heads, 5))
    for t, position in enumerate(positions):
        keys = [j for j in range(position + 1) if window is None or position - j < window]
        for h in range(heads):
            kv = h * 2 // heads
            scores = np.array([0.3 * sum(q[t, h] * k[j, kv]) for j in keys])
            total = np.exp(scores).sum() + (0 if sinks is None else np.exp(sinks[h]))
            weights = np.exp(scores) / total
            out[t, h] = sum(w * v[j, kv] for w, j in zip(weights, keys))
    return out.reshape(len(positions), heads * 5)


@pytest.mark.parametrize("window", (None, 1, 4, 100))
@pytest.mark.parametrize("heads", (2, 6))
@pytest.mark.parametrize("with_sinks", (False, True))
def test_attention(probe, rng, heads, window, with_sinks):
    """In steps of 4, 1, 3 and 2 tokens, two slots apart; the last step again,
    with other keys, which take the place of the first."""
    q, (k, v) = rng.standard_normal((2, 10, heads, 5)), rng.standard_normal((2, 2, 10, 2, 5))
    steps, expected = [], []
    # One sink below all scores, others among them or far above.
    sinks = np.array([-50, 0, 1, 3, 20, 700])[:heads] / 1.0 if with_sinks else None

    def step(slot, positions, keys, values):
        steps.append(call("f", slot, q[slot, positions].reshape(len(positions), -1),
                          keys[positions].reshape(len(positions), -1),
                          values[positions].reshape(len(positions), -1), np.array(positions), *([sinks] if with_sinks else [])))
        expected.append(attention(q[slot, positions], keys, values, heads, window, positions, sinks))

    for positions in ([0, 1, 2, 3], [4], [5, 6, 7], [8, 9]):
        for slot in (0, 1):
            step(slot, positions, k[slot], v[slot])
    k[0, 8:], v[0, 8:] = rng.standard_normal((2, 2, 2, 5))
    step(0, [8, 9], k[0], v[0])
    for found, want in zip(probe(attention_module("f", heads, window, with_sinks), *steps), expected):
        assert_near(found[0], want)


def test_attention_order(probe, rng):
    """The tokens of a step may come in any order: all are appended first."""
    q, k, v = rng.standard_normal((6, 2, 5)), *rng.standard_normal((2, 6, 2, 5))
    order = [3, 0, 5, 1, 4, 2]
    found = probe(attention_module(heads=2),
                  call("f", 0, q[order].reshape(6, 10), k[order].reshape(6, 10), v[order].reshape(6, 10),
                       np.array(order)))[0]
    assert_near(found[0], attention(q[order], k, v, 2, None, order))


def test_cache_errors(probe):
    def at(slot, *positions):
        rows = np.zeros((len(positions), 10))
        return call("f", slot, rows, rows, rows, np.array(positions))
    results = probe(attention_module(heads=2), at(2, 0), at(-1, 0), at(0, -1), at(0, 1 << 24), at(0, 1))
    assert [result[0] for result in results] == [5, 5, 5, 5, 2]
    assert results[0][1] == "heddle.cache_append: slot = 2, limit 0 to 1"
    assert results[4][1] == "heddle.attention: position 1 needs position 0, which was never written"
    # With a window that does not reach it, it is not needed.
    assert np.array_equal(probe(attention_module(heads=2, window=1), at(0, 1))[0][0], np.zeros((1, 10)))
