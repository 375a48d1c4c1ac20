"""The ops of Mixture-of-Experts in the reference interpreter against scalar oracles."""

import math

import numpy as np
import pytest

from moe_oracle import E, ROUTERS, route, settings, tied_logits
from probe_tools import call, function
from test_semantics import assert_near

D, I, N = 5, 6, 4


@pytest.mark.parametrize("name", ROUTERS)
def test_route(probe, rng, name):
    text, biased = ROUTERS[name]
    k = settings(text)["k"]
    types = (f"tensor<?x{E}xf32>",) + ((f"tensor<{E}xf32>",) if biased else ())
    op = f"heddle.route %a{', %b' if biased else ''} {{router = #heddle.router<{text}>}} : {', '.join(types)}"
    results = f"(tensor<?x{k}xi32>, tensor<?x{k}xf32>)"
    arguments = ", ".join(f"%{n}: {t}" for n, t in zip("ab", types))
    module = (f"func.func @f({arguments}) -> {results} {{\n  %r:2 = {op}\n"
              f"  return %r#0, %r#1 : {results[1:-1]}\n}}\n")
    z, bias = tied_logits(rng)
    bias = bias if biased else None
    one, many = probe(module, call("f", z[:1], *([bias] if biased else [])),
                      call("f", z, *([bias] if biased else [])))
    for found, rows in ((one, z[:1]), (many, z)):
        expected = [route(row, bias, text) for row in rows]
        assert found[0].tolist() == [ids for ids, _ in expected]
        assert_near(found[1], np.array([w for _, w in expected]))


IDS = {
    "one-token": np.array([[5, 0]]),
    "all-on-one": np.full((4, 2), 3),
    "empty-experts": np.array([[7, 1], [1, 7], [7, 7], [1, 2]]),
}


@pytest.mark.parametrize("name", IDS)
def test_plan(probe, name):
    ids = IDS[name]
    module = (f"func.func @f(%a: tensor<?x2xi32>) -> (tensor<?x2xi32>, tensor<?x2xi32>, tensor<{E + 1}xi32>) {{\n"
              f"  %r:3 = heddle.plan %a {{experts = {E} : i64}} : tensor<?x2xi32>\n"
              f"  return %r#0, %r#1, %r#2 : tensor<?x2xi32>, tensor<?x2xi32>, tensor<{E + 1}xi32>\n}}\n")
    found, bad = probe(module, call("f", ids), call("f", np.full((1, 2), E)))
    order, flat = [], ids.ravel().tolist()
    for e in range(E):
        order += [r for r, id in enumerate(flat) if id == e]
    assert found[0].ravel().tolist() == order
    assert [order[p] for p in found[1].ravel()] == list(range(len(flat)))
    assert found[2].tolist() == [sum(id < e for id in flat) for e in range(E + 1)]
    assert bad == (5, "heddle.plan: expert = 8, limit 0 to 7")


def silu(v):
    return v / (1 + math.exp(-v))


def experts(x, ids, weights, gate, up, down, gate_bias, up_bias, down_bias):
    """A loop over tokens, slots and elements."""
    out = np.zeros((len(x), N))
    for t, row in enumerate(x):
        for s, e in enumerate(ids[t]):
            h = [silu(sum(row * gate[e, i]) + gate_bias[e, i]) * (sum(row * up[e, i]) + up_bias[e, i])
                 for i in range(I)]
            for n in range(N):
                out[t, n] += weights[t, s] * (sum(h[i] * down[e, n, i] for i in range(I)) + down_bias[e, n])
    return out


TYPES = (f"tensor<?x{D}xf32>", "tensor<?x2xi32>", "tensor<?x2xf32>", f"tensor<{E}x{I}x{D}xf32>",
         f"tensor<{E}x{I}x{D}xf32>", f"tensor<{E}x{N}x{I}xf32>", f"tensor<{E}x{I}xf32>", f"tensor<{E}x{I}xf32>",
         f"tensor<{E}x{N}xf32>")
RESULT = f"tensor<?x{N}xf32>"
def forms(biased):
    """The op, and the two forms that it is lowered to."""
    types = TYPES if biased else TYPES[:6]
    op = (f"heddle.experts %a, %b, %c, %d, %e, %f{' biases(%g, %h, %i)' if biased else ''} "
          f"{{activation = #heddle.activation<silu>}} : {', '.join(types[:6])}"
          + (f" biases({', '.join(types[6:])})" if biased else ""))
    arguments = ", ".join(f"%{n}: {t}" for n, t in zip("abcdefghi", types))

    def product(kind, x, width, weight, last, last_type):
        bias = "abcdef".index(weight) + 3
        end = (f" bias %{'abcdefghi'[bias]}", f", {TYPES[bias]}") if biased else ("", "")
        return (f"heddle.{kind}_matmul {x}, %{weight}, {last}{end[0]} : tensor<?x{width}xf32>, "
                f"{TYPES[bias - 3]}, {last_type}{end[1]}")

    grouped = lambda *a: product("grouped", *a, "%n", f"tensor<{E + 1}xi32>")  # noqa: E731
    routed = lambda *a: product("routed", *a, "%b", TYPES[1])  # noqa: E731
    glu = f"heddle.glu %x, %y {{activation = #heddle.activation<silu>}} : tensor<?x{2 * I}xf32>"
    return (function(op, types, RESULT), f"""func.func @f({arguments}) -> {RESULT} {{
  %o, %p, %n = heddle.plan %b {{experts = {E} : i64}} : tensor<?x2xi32>
  %xs = heddle.dispatch %a, %o : tensor<?x{D}xf32>, tensor<?x2xi32>
  %x = {grouped("%xs", 2 * D, "d")}
  %y = {grouped("%xs", 2 * D, "e")}
  %z = {glu}
  %ys = {grouped("%z", 2 * I, "f")}
  %r = heddle.combine %ys, %c, %p : tensor<?x{2 * N}xf32>, tensor<?x2xf32>, tensor<?x2xi32>
  return %r : {RESULT}
}}
""", f"""func.func @f({arguments}) -> {RESULT} {{
  %x = {routed("%a", D, "d")}
  %y = {routed("%a", D, "e")}
  %z = {glu}
  %ys = {routed("%z", 2 * I, "f")}
  %r = heddle.combine %ys, %c : tensor<?x{2 * N}xf32>, tensor<?x2xf32>
  return %r : {RESULT}
}}
""")


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("biased", (False, True), ids=("plain", "biased"))
@pytest.mark.parametrize("form", range(3), ids=("experts", "grouped", "routed"))
def test_experts(probe, rng, form, biased, name):
    ids, module = IDS[name], forms(biased)[form]
    arrays = [rng.standard_normal((len(ids), D)), ids, rng.random(ids.shape)]
    arrays += [rng.standard_normal(shape) for shape in ((E, I, D), (E, I, D), (E, N, I))]
    biases = [biased * rng.standard_normal(shape) for shape in ((E, I), (E, I), (E, N))]
    given = arrays + biases if biased else arrays
    found, bad = probe(module, call("f", *given), call("f", given[0], ids + E, *given[2:]))
    assert_near(found[0], experts(*arrays, *biases))
    assert bad[0] == 5 and "expert = " in bad[1]


def test_gate_rows(probe, rng):
    module = function("heddle.gate_rows %a, %b, %c : tensor<?x9xf32>, tensor<?x5xf32>, tensor<5xf32>",
                      ("tensor<?x9xf32>", "tensor<?x5xf32>", "tensor<5xf32>"), "tensor<?x9xf32>")
    x, by, weight = rng.standard_normal((3, 9)), rng.standard_normal((3, 5)), rng.standard_normal(5)
    gate = np.array([1 / (1 + math.exp(-sum(row * weight))) for row in by])
    assert_near(probe(module, call("f", x, by, weight))[0][0], x * gate[:, None])
