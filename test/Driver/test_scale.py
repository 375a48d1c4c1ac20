"""A compile does not grow with the model: layers are compiled once, weights are streamed."""

import re

from tiny_gguf import Tiny, write


def instructions(heddle, run, directory, layers):
    model = write(directory / f"{layers}.gguf", Tiny(layers=layers))
    out = directory / f"{layers}.o"
    heddle("compile", model, "-o", out, "--quiet", "--emit=object")
    text = run("llvm-objdump", "-d", "--no-show-raw-insn", out).stdout
    return len(re.findall(r"^\s+[0-9a-f]+:\s", text, re.M))


def test_instructions(heddle, run, tmp_path):
    # Two layers LLVM would unroll.
    few = instructions(heddle, run, tmp_path, 4)
    assert few > 1000
    assert instructions(heddle, run, tmp_path, 9) == few


def test_memory(heddle, smollm_gguf, tmp_path):
    """Anonymous memory stays below the weights' size: none is held."""
    peak = heddle.peak("RssAnon", "compile", smollm_gguf, "-o", tmp_path / "out", "--quiet")  # KiB
    assert 8 << 10 < peak < 90 << 10, f"{peak} KiB"
