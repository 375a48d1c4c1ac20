"""What the routers of a model choose: read out of Heddle by a graph that returns it, and out of
transformers by hooks."""

import re

import numpy as np
import torch


def rows(width):
    return f"tensor<?x{width}xf32>"


def returned(text):
    """The imported module TEXT, whose first logits of a token are what its routers chose: of each layer, in
    order, the k weights and then the k experts. Layers carry these beside what they carried, and each pushes
    its own in at the end; one without experts what it takes out at the front. Gives the text, of each layer
    whether it has experts, and k."""
    k, = set(map(int, re.findall(r"#heddle\.router<k = (\d+)", text)))
    order = map(int, re.search(r" order \[([\d, ]*)\]", text)[1].split(","))
    kinds = re.search(r" kinds \[([^\]]*)\]", text)[1].replace("@", "").split(", ")
    functions = {m[1]: m[0] for m in re.finditer(r"(?ms)^  func\.func (?:private )?@(\w+)\(.*?^  }\n", text)}
    sparse = ["heddle.route " in functions[kinds[kind]] for kind in order]
    count = len(sparse)
    for name, body in functions.items():
        changed = with_head(body, 2 * k * count) if name == "forward" else with_push(body, k, count)
        text = text.replace(body, changed)
    return text, sparse, k


def with_head(body, width):
    """@forward, with what starts the routes (any numbers) and what puts them before the logits."""
    vocab = int(re.search(r"-> \(tensor<\?x(\d+)xf32>", body)[1])
    table, hidden = re.search(r"(%\w+) = heddle\.embedding .*", body), re.search(r"layers\(.* : \((\S+),", body)[1]
    stack = re.search(r"(%\w+):2 = heddle\.layers", body)[1]
    body = body.replace(table[0], f"""{table[0]}
    %none = heddle.slice_heads {table[1]} {{first = 0 : i64, heads = 1 : i64, size = {width} : i64}} : {hidden}""")
    body = re.sub(r":2 = heddle\.layers(\([^)]*)(\).* : \([^)]*)(\), .* -> \([^)]*)\)",
                  rf":3 = heddle.layers\1, %none\2, {rows(width)}\3, {rows(width)})", body)
    return re.sub(r"    return (%\w+),", rf"""\
    %routes = heddle.select_rows {stack}#2, %arg2 : {rows(width)}, tensor<?xi32>
    %left = heddle.slice_heads \1 {{first = {width} : i64, heads = 1 : i64, size = {vocab - width} : i64}} : {rows(vocab)}
    %all = heddle.concat_heads %routes, %left {{heads = 1 : i64}} : {rows(width)}, {rows(vocab - width)}
    return %all,""".lstrip("\\\n"), body)


def with_push(body, k, count):
    """A layer's function, with its routes."""
    own, left, whole = rows(2 * k), rows(2 * k * (count - 1)), rows(2 * k * count)
    part = "heddle.slice_heads %routes {{first = {} : i64, heads = 1 : i64, size = {} : i64}} : " + whole
    lines = f"    %own = {part.format(0, 2 * k)}\n"
    if route := re.search(r"(%\w+), (%\w+) = heddle\.route ", body):
        lines = (f"    %chosen = arith.sitofp {route[1]} : tensor<?x{k}xi32> to {rows(k)}\n"
                 f"    %own = heddle.concat_heads {route[2]}, %chosen {{heads = 1 : i64}} : {rows(k)}, {rows(k)}\n")
    lines += (f"    %before = {part.format(2 * k, 2 * k * (count - 1))}\n"
              f"    %pushed = heddle.concat_heads %before, %own {{heads = 1 : i64}} : {left}, {own}\n")
    # What is carried comes first among arguments: rows and a cache.
    body = re.sub(r"(%arg1: [^>]*>)(.* -> \([^)]*)\)", rf"\1, %routes: {whole}\2, {whole})", body, count=1)
    return re.sub(r"    return (.*) : (.*)", rf"{lines}    return \1, %pushed : \2, {whole}", body)


def split(logits, sparse, k):
    """[(ids, weights)] of each layer with experts, [T, k], of the logits of such a graph."""
    found = logits[:, :2 * k * len(sparse)].reshape(len(logits), len(sparse), 2, k)
    return [(found[:, layer, 1].astype(int), found[:, layer, 0]) for layer in np.flatnonzero(sparse)]


@torch.no_grad()
def of_transformers(model, tokens):
    """The same as its gates give them, in some order of a token's slots."""
    found, hooks = [], []
    for layer in model.model.layers:
        if gate := getattr(layer.mlp, "gate", None):
            hooks.append(gate.register_forward_hook(
                lambda _, __, out: found.append((out[2].numpy(), out[1].numpy()))))
    model(torch.tensor([tokens]))
    for hook in hooks:
        hook.remove()
    return found
