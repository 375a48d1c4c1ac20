"""How tokens choose experts, element by element."""

import math

import numpy as np

E = 8

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


def tied_logits(rng):
    """Logits of six tokens, some of them equal, and a bias."""
    z = 3 * rng.standard_normal((6, E))
    z[1] = 0.5                          # every one the same
    z[2] = np.repeat(z[2, ::2], 2)      # in pairs
    z[3, 1:7] = z[3].max() + 1          # across groups
    bias = np.round(rng.standard_normal(E), 1)
    bias[4:] = bias[:4]                 # groups that differ in nothing but their logits
    return z, bias
