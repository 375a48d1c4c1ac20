"""The ops of Mixture-of-Experts in the reference interpreter against scalar oracles."""

import math

import numpy as np
import pytest

from probe_tools import call, function
from test_semantics import assert_near

E, D, I, N = 8, 5, 6, 4

# As models of docs/moe.md route. name -> (attribute, whether it has a bias)
ROUTERS = {
    "R1": ("k = 2, score = softmax, norm = sum", False),
    "R2": ("k = 3, score = softmax", False),
    "R3": ("k = 3, score = softmax, norm = sum", False),
    "R4": ("k = 3, score = softmax, scale = 16.0 : f64, groups = 4, keep = 2", False),
    "R5": ("k = 3, score = sigmoid, norm = sum, eps = 1.0e-20 : f64, scale = 2.5 : f64, "
           "groups = 4, keep = 2, reduce = sum_top2", True),
    "R6": ("k = 3, score = softmax, norm = clamp_min, eps = 1.0e-12 : f64", True),
    "R7": ("k = 4, post = softmax", False),
    "R8": ("k = 2, score = sqrt_softplus, norm = sum, scale = 1.5 : f64", True),
    "R10": ("k = 1, post = sigmoid", False),
    "zero-fill": ("k = 5, score = sigmoid, groups = 4, keep = 2, fill = zero", True),
    "all-of-them": ("k = 8, score = softmax", False),
}


def settings(text):
    return dict(item.split(" : ")[0].split(" = ") for item in text.split(", "))


def pick(values, count):
    """Numbers of the largest, one after the other; the first of equal ones."""
    left, found = list(range(len(values))), []
    for _ in range(count):
        best = left[0]
        for i in left:
            if values[i] > values[best]:
                best = i
        left.remove(best)
        found.append(best)
    return found


def route(z, bias, text):
    a = settings(text)
    sigmoid = lambda v: 1 / (1 + math.exp(-v))  # noqa: E731
    scores = {
        "softmax": lambda: [math.exp(v) / sum(map(math.exp, z)) for v in z],
        "sigmoid": lambda: [sigmoid(v) for v in z],
        "sqrt_softplus": lambda: [math.sqrt(math.log(1 + math.exp(v))) for v in z],
        "none": lambda: list(z)}[a.get("score", "none")]()
    by = [s + (bias[e] if bias is not None else 0) for e, s in enumerate(scores)]
    groups = int(a.get("groups", 1))
    if groups > 1:
        size = len(z) // groups
        members = [sorted(by[g * size:(g + 1) * size], reverse=True) for g in range(groups)]
        kept = pick([sum(m[:2]) if a.get("reduce") == "sum_top2" else m[0] for m in members], int(a["keep"]))
        by = [v if e // size in kept else (0 if a.get("fill") == "zero" else -math.inf) for e, v in enumerate(by)]
    ids = pick(by, int(a["k"]))
    w = [scores[e] for e in ids]
    if a.get("post") == "softmax":
        w = [math.exp(v) / sum(map(math.exp, w)) for v in w]
    if a.get("post") == "sigmoid":
        w = [sigmoid(v) for v in w]
    eps, total = float(a.get("eps", 0)), sum(w)
    if a.get("norm") == "sum":
        w = [v / (total + eps) for v in w]
    if a.get("norm") == "clamp_min":
        w = [v / max(total, eps) for v in w]
    return ids, [v * float(a.get("scale", 1)) for v in w]


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
    z = 3 * rng.standard_normal((6, E))
    z[1] = 0.5                          # every one the same
    z[2] = np.repeat(z[2, ::2], 2)      # in pairs
    z[3, 1:7] = z[3].max() + 1          # across groups
    bias = np.round(rng.standard_normal(E), 1) if biased else None
    if biased:
        bias[4:] = bias[:4]             # groups that differ in nothing but their logits
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


def experts(x, ids, weights, gate, up, down):
    """A loop over tokens, slots and elements."""
    out = np.zeros((len(x), N))
    for t, row in enumerate(x):
        for s, e in enumerate(ids[t]):
            h = [silu(sum(row * gate[e, i])) * sum(row * up[e, i]) for i in range(I)]
            for n in range(N):
                out[t, n] += weights[t, s] * sum(h[i] * down[e, n, i] for i in range(I))
    return out


TYPES = (f"tensor<?x{D}xf32>", "tensor<?x2xi32>", "tensor<?x2xf32>", f"tensor<{E}x{I}x{D}xf32>",
         f"tensor<{E}x{I}x{D}xf32>", f"tensor<{E}x{N}x{I}xf32>")
RESULT = f"tensor<?x{N}xf32>"
EXPERTS = function("heddle.experts %a, %b, %c, %d, %e, %f {activation = #heddle.activation<silu>} : "
                   + ", ".join(TYPES), TYPES, RESULT)
ARGUMENTS = ", ".join(f"%{n}: {t}" for n, t in zip("abcdef", TYPES))
GROUPED = f"""func.func @f({ARGUMENTS}) -> {RESULT} {{
  %o, %p, %n = heddle.plan %b {{experts = {E} : i64}} : tensor<?x2xi32>
  %xs = heddle.dispatch %a, %o : tensor<?x{D}xf32>, tensor<?x2xi32>
  %g = heddle.grouped_matmul %xs, %d, %n : tensor<?x{2 * D}xf32>, {TYPES[3]}, tensor<{E + 1}xi32>
  %u = heddle.grouped_matmul %xs, %e, %n : tensor<?x{2 * D}xf32>, {TYPES[4]}, tensor<{E + 1}xi32>
  %h = heddle.glu %g, %u {{activation = #heddle.activation<silu>}} : tensor<?x{2 * I}xf32>
  %ys = heddle.grouped_matmul %h, %f, %n : tensor<?x{2 * I}xf32>, {TYPES[5]}, tensor<{E + 1}xi32>
  %r = heddle.combine %ys, %c, %p : tensor<?x{2 * N}xf32>, tensor<?x2xf32>, tensor<?x2xi32>
  return %r : {RESULT}
}}
"""
ROUTED = f"""func.func @f({ARGUMENTS}) -> {RESULT} {{
  %g = heddle.routed_matmul %a, %d, %b : {TYPES[0]}, {TYPES[3]}, {TYPES[1]}
  %u = heddle.routed_matmul %a, %e, %b : {TYPES[0]}, {TYPES[4]}, {TYPES[1]}
  %h = heddle.glu %g, %u {{activation = #heddle.activation<silu>}} : tensor<?x{2 * I}xf32>
  %ys = heddle.routed_matmul %h, %f, %b : tensor<?x{2 * I}xf32>, {TYPES[5]}, {TYPES[1]}
  %r = heddle.combine %ys, %c : tensor<?x{2 * N}xf32>, tensor<?x2xf32>
  return %r : {RESULT}
}}
"""


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("form", (EXPERTS, GROUPED, ROUTED), ids=("experts", "grouped", "routed"))
def test_experts(probe, rng, form, name):
    ids = IDS[name]
    arrays = [rng.standard_normal((len(ids), D)), ids, rng.random(ids.shape)]
    arrays += [rng.standard_normal(shape) for shape in ((E, I, D), (E, I, D), (E, N, I))]
    found, bad = probe(form, call("f", *arrays), call("f", arrays[0], ids + E, *arrays[2:]))
    assert_near(found[0], experts(*arrays))
    assert bad[0] == 5 and "expert = " in bad[1]


def test_gate_rows(probe, rng):
    module = function("heddle.gate_rows %a, %b, %c : tensor<?x9xf32>, tensor<?x5xf32>, tensor<5xf32>",
                      ("tensor<?x9xf32>", "tensor<?x5xf32>", "tensor<5xf32>"), "tensor<?x9xf32>")
    x, by, weight = rng.standard_normal((3, 9)), rng.standard_normal((3, 5)), rng.standard_normal(5)
    gate = np.array([1 / (1 + math.exp(-sum(row * weight))) for row in by])
    assert_near(probe(module, call("f", x, by, weight))[0][0], x * gate[:, None])
