"""A layer with experts that is written as a loop over all of them is the program of `route` and `experts`."""

import pathlib
import re

import numpy as np

import test_moe
from bounds import assert_same_bits
from tiny_hf import make

LIT = pathlib.Path(__file__).parents[1] / "passes/Conversion/recognise-experts.mlir"
NAMES = "model.layers.{}.mlp.experts.{}.{}_proj.weight"


def decomposed(text, experts, used, width, hidden):
    """An imported module's experts in the form of the pass's own test, with a parameter an expert."""
    lit = LIT.read_text()
    maps = "".join(line + "\n" for line in lit.splitlines() if re.match("#.* = affine", line))
    routing = re.search(r"(?ms)^  %zero = .*?(?=^  %gate0 = )", lit)[0].replace("constant 2 :", f"constant {used} :")
    unit = re.search(r"(?ms)^  %g0 = .*?(?=^  %gate1 = )", lit)[0]
    route = re.search(r"    %ids, %weights = heddle\.route (%\w+) .*\n", text)
    call = re.search(r"    (%\w+) = heddle\.experts (%\w+), .*\n", text)
    up, down = f"tensor<{width}x{hidden}xf32, #heddle.enc<f32>>", f"tensor<{hidden}x{width}xf32, #heddle.enc<f32>>"
    body = re.sub(r"%z\b", route[1], routing)
    for e in range(experts):
        body += re.sub(r"%(g|u|h|d|m|col|gate|up|down)0\b", rf"%\g<1>{e}", unit).replace("[0, 0]", f"[0, {e}]")
    body = re.sub(r"%x\b", call[2], body) + "  %y0 = arith.addf %m0, %m1 : !x\n"
    for e in range(2, experts):
        body += f"  %y{e - 1} = arith.addf %y{e - 2}, %m{e} : !x\n"
    for alias, type in {"x": f"tensor<?x{hidden}xf32>", "e": f"tensor<?x{experts}xf32>", "n": f"tensor<?x{experts}xi32>",
                        "h": f"tensor<?x{width}xf32>", "up": up, "down": down}.items():
        body = re.sub(rf"!{alias}\b", type, body)
    text = text.replace(route[0], "").replace(call[0], body)
    text = re.sub(rf"{call[1]}\b(?=, |\n| :)", f"%y{experts - 2}", text)
    parts = [(part, e) for part in ("gate", "up", "down") for e in range(experts)]
    given = "".join(f", %{part}{e}: {down if part == 'down' else up}" for part, e in parts)
    text = re.sub(r"(func\.func private @\w+\(.*)(\) -> \()", rf"\1{given}\2", text)
    rows = iter(range(100))

    def longer(row):
        layer = next(rows)
        names = "".join(f', "{NAMES.format(layer, e, part)}"' for part, e in parts)
        return f"[{row[1]}{names}]"

    text = re.sub(r'\[("model\.layers[^\]]*)\]', longer, text)
    return maps + text


def test_same_program(heddle, score, tmp_path):
    kind, more = test_moe.KINDS["qwen3moe"]
    model = make(kind, 32, **(more | dict(num_experts=6, num_experts_per_tok=3, moe_intermediate_size=40)))
    path, graph = tmp_path / "model", tmp_path / "loop.mlir"
    model.save_pretrained(path)
    heddle("import", path, "-o", tmp_path / "imported.mlir")
    text = decomposed((tmp_path / "imported.mlir").read_text(), 6, 3, 40, 64)
    assert "heddle.experts" not in text and "heddle.route" not in text
    graph.write_text(text)
    heddle("compile", path, "-o", tmp_path / "program", "--numeric=f32", "--quiet")
    heddle("compile", graph, f"--weights-from={path}", "-o", tmp_path / "recognised", "--numeric=f32", "--quiet")
    tokens = np.random.default_rng(32).integers(0, 331, 37).tolist()
    for chunk in (1, 5, 37):
        assert_same_bits(*(score(tmp_path / name, tokens, f"--chunk={chunk}") for name in ("recognised", "program")))
