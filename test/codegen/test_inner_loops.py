"""Instructions a weight costs in the innermost loops, counted from the disassembly: what makes
a kernel slower shows on any machine, and without a clock."""

import re

import pytest

from tiny_gguf import Tiny, write

LINE = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)$")


def functions(text):
    """name -> [(address, mnemonic, operands)]"""
    found = {}
    for line in text.splitlines():
        if match := re.match(r"^[0-9a-f]+ <(.*)>:$", line):
            body = found.setdefault(match[1], [])
        elif match := LINE.match(line):
            body.append((int(match[1], 16), match[2], match[3]))
    return found


def innermost_loops(body):
    """Instruction lists between a backward jump and its target that hold no other such jump."""
    loops = []
    for at, (address, mnemonic, operands) in enumerate(body):
        target = re.match(r"0x([0-9a-f]+)", operands)
        if not mnemonic.startswith("j") or not target or int(target[1], 16) >= address:
            continue
        start = next((i for i, x in enumerate(body) if x[0] == int(target[1], 16)), None)
        if start is not None:
            loops.append((start, at))
    return [body[a:b + 1] for a, b in loops
            if not any((c, d) != (a, b) and a <= c and d <= b for c, d in loops)]


def cost(heddle, run, directory, encoding, numeric, dot, kernel, weights_per_dot):
    """Least instructions for a weight and a token, in a loop of `kernel` that multiplies."""
    model = write(directory / "m.gguf", Tiny(hidden=256, ff=256, heads=4, head_dim=64, kv_heads=4, encoding=encoding, tied=False))
    out = directory / "m.o"
    heddle("compile", model, "-o", out, "--quiet", "--emit=object", f"--numeric={numeric}", "--target=x86-64-v3")
    found = []
    for name, body in functions(run("llvm-objdump", "-d", "--no-show-raw-insn", out).stdout).items():
        if not re.fullmatch(kernel, name):
            continue
        for loop in innermost_loops(body):
            # Attention and norms multiply too, but not that much.
            if (dots := sum(mnemonic.startswith(dot) for _, mnemonic, _ in loop)) >= 4:
                found.append(len(loop) / (dots * weights_per_dot))
    assert found, "no such loop"
    return min(found)


# Functions of decode, where kernels are inlined, and kernels of several tokens.
DECODE, PREFILL = r"decode|.*[.]decode|k\d+\.(select|rms).*linear.*", r"k\d+\.linear.*"


@pytest.mark.parametrize("encoding, numeric, dot, kernel, weights, most", (
    ("Q4_0", "a8", "vpmaddubsw", DECODE, 32, 0.2),
    ("Q4_1", "a8", "vpmaddubsw", DECODE, 32, 0.205),
    ("Q8_0", "a8", "vpmaddubsw", DECODE, 32, 0.242),
    ("Q4_0", "a8", "vpmaddubsw", PREFILL, 32, 0.13),
    ("Q4_1", "a8", "vpmaddubsw", PREFILL, 32, 0.13),
    ("Q8_0", "a8", "vpmaddubsw", PREFILL, 32, 0.22),
    ("Q5_0", "a8", "vpmaddubsw", DECODE, 32, 0.31),
    ("Q4_K", "a8", "vpmaddubsw", DECODE, 32, 0.215),
    ("Q6_K", "a8", "vpmaddubsw", DECODE, 32, 0.345),
    ("Q5_0", "a8", "vpmaddubsw", PREFILL, 32, 0.15),
    ("Q4_K", "a8", "vpmaddubsw", PREFILL, 32, 0.14),
    ("Q6_K", "a8", "vpmaddubsw", PREFILL, 32, 0.20),
    ("F32", "f32", "vfmadd", DECODE, 8, 0.30),
    ("F32", "f32", "vfmadd", PREFILL, 8, 0.25),
    ("BF16", "f32", "vfmadd", PREFILL, 8, 0.28),
))
def test_cost(heddle, run, tmp_path, encoding, numeric, dot, kernel, weights, most):
    found = cost(heddle, run, tmp_path, encoding, numeric, dot, kernel, weights)
    print(f"{encoding} {numeric} {found:.4f}")
    assert found <= most
