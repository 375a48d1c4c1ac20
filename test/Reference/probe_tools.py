"""What goes into reference-probe and what comes out."""

import numpy as np


def decode(result):
    if isinstance(result, dict):
        return (result["code"], result["error"]) if "error" in result else np.array(result["floats"])
    if result is None:
        return None
    return [np.array(d.get("floats", d.get("ints"))).reshape(d["shape"]) for d in result]


def call(name, *args):
    data = []
    for arg in map(np.asarray, args):
        kind = "floats" if arg.dtype == np.float64 else "ints"
        data.append({"shape": list(arg.shape), kind: arg.ravel().tolist()})
    return {"call": name, "args": data}


def function(op, inputs, result):
    """A module of one function @f: its arguments are %a, %b, %c…, and OP makes %r."""
    arguments = ", ".join(f"%{name}: {type}" for name, type in zip("abcdefghi", inputs))
    return f"func.func @f({arguments}) -> {result} {{\n  %r = {op}\n  return %r : {result}\n}}\n"


CACHE = "!heddle.cache<full_kv, layers = 2, heads = 2, dim = 5, elem = f32>"


def attention_module(name="f", heads=6, window=None, sinks=False):
    return f"""
func.func @{name}(%c: {CACHE}, %slot: index, %q: tensor<?x{heads * 5}xf32>, %k: tensor<?x10xf32>,
    %v: tensor<?x10xf32>, %pos: tensor<?xi32>{f', %s: tensor<{heads}xf32>' if sinks else ''}) -> (tensor<?x{heads * 5}xf32>, {CACHE}) {{
  %d = heddle.cache_append %c[%slot], %k, %v at %pos : {CACHE}, tensor<?x10xf32>, tensor<?xi32>
  %o = heddle.attention %q, %d[%slot] at %pos {'sinks %s' if sinks else ''} {{heads = {heads} : i64, scale = 0.3 : f64
    {f', window = {window} : i64' if window else ''}}} : tensor<?x{heads * 5}xf32>, {CACHE}, tensor<?xi32>{f', tensor<{heads}xf32>' if sinks else ''}
  return %o, %d : tensor<?x{heads * 5}xf32>, {CACHE}
}}
"""
