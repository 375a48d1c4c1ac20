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


def loops_of(body):
    """(first, last) index of the instructions between each backward jump and its target."""
    loops = []
    for at, (address, mnemonic, operands) in enumerate(body):
        target = re.match(r"0x([0-9a-f]+)", operands)
        if not mnemonic.startswith("j") or not target or int(target[1], 16) >= address:
            continue
        start = next((i for i, x in enumerate(body) if x[0] == int(target[1], 16)), None)
        if start is not None:
            loops.append((start, at))
    return loops


def inside(a, b):
    return a != b and b[0] <= a[0] and a[1] <= b[1]


# Elements along k of a product, and what makes a group's sums numbers, one for each.
STEPS = {"vpmaddubsw": (4, "vpmaddwd"), "vpdpbusd": (4, "vcvtdq2ps"), "vdpbf16ps": (2, "vfmadd")}


def cost_of(body, loops, loop, dot):
    """Instructions for each `dot` of an innermost loop, and of the loop over groups of 32 around it
    where that makes its sums numbers. None if there are too few: attention and norms multiply too,
    but not that much."""
    def count(loop, name):
        return sum(mnemonic.startswith(name) for _, mnemonic, _ in body[loop[0]:loop[1] + 1])

    def size(loop):
        return loop[1] - loop[0] + 1

    dots = count(loop, dot)
    if dots < 4:
        return None
    around = min((x for x in loops if inside(loop, x)), key=size, default=None)
    step, ends = STEPS.get(dot, (1, None))
    if not ends or not around or count(loop, "vcvtdq2ps") or not count(around, "vmulps" if dot == "vpdpbusd" else ends):
        return size(loop) / dots
    # Each sum is widened once a turn or once a group.
    sums, steps = count(loop, ends) or count(around, ends), 32 // step
    assert sums and dots % sums == 0 and steps % (dots // sums) == 0, (dots, sums)
    trips = steps // (dots // sums)
    return (size(loop) * trips + size(around) - size(loop)) / (dots * trips)


def cost(heddle, run, directory, encoding, numeric, dot, kernel, weights_per_dot, target):
    """Least instructions for a weight and a token, in a loop of `kernel` that multiplies."""
    model = write(directory / "m.gguf", Tiny(hidden=256, ff=256, heads=4, head_dim=64, kv_heads=4, encoding=encoding, tied=False))
    out = directory / "m.o"
    heddle("compile", model, "-o", out, "--quiet", "--emit=object", f"--numeric={numeric}", f"--target={target}")
    found = []
    for name, body in functions(run("llvm-objdump", "-d", "--no-show-raw-insn", out).stdout).items():
        if not re.fullmatch(kernel, name):
            continue
        loops = loops_of(body)
        costs = (cost_of(body, loops, loop, dot) for loop in loops if not any(inside(x, loop) for x in loops))
        found += [each / weights_per_dot for each in costs if each]
    assert found, "no such loop"
    return min(found)


# Functions of decode, where kernels are inlined, and kernels of several tokens.
DECODE, PREFILL = r"decode|.*[.]decode|k\d+\.(select|rms).*linear.*", r"k\d+\.linear.*"


# Of several tokens, tiles of four with two vectors of rows take more instructions than larger
# tiles that load the activations anew for each of their rows, and less time: two loads a cycle
# were the limit there (docs/performance.md).
@pytest.mark.parametrize("encoding, numeric, dot, kernel, weights, most", (
    ("Q4_0", "a8", "vpmaddubsw", DECODE, 32, 0.185),
    ("Q4_1", "a8", "vpmaddubsw", DECODE, 32, 0.185),
    ("Q8_0", "a8", "vpmaddubsw", DECODE, 32, 0.245),
    ("Q4_0", "a8", "vpmaddubsw", PREFILL, 32, 0.152),
    ("Q4_1", "a8", "vpmaddubsw", PREFILL, 32, 0.15),
    ("Q8_0", "a8", "vpmaddubsw", PREFILL, 32, 0.225),
    ("Q5_0", "a8", "vpmaddubsw", DECODE, 32, 0.31),
    ("Q4_K", "a8", "vpmaddubsw", DECODE, 32, 0.19),
    ("Q6_K", "a8", "vpmaddubsw", DECODE, 32, 0.345),
    ("Q5_0", "a8", "vpmaddubsw", PREFILL, 32, 0.165),
    ("Q4_K", "a8", "vpmaddubsw", PREFILL, 32, 0.152),
    ("Q6_K", "a8", "vpmaddubsw", PREFILL, 32, 0.205),
    ("F32", "f32", "vfmadd", DECODE, 8, 0.30),
    ("F32", "f32", "vfmadd", PREFILL, 8, 0.25),
    ("BF16", "f32", "vfmadd", PREFILL, 8, 0.28),
    ("Q4_0", "a8", "vpdpbusd", DECODE, 64, 0.076),
    ("Q4_0", "a8", "vpdpbusd", PREFILL, 64, 0.049),
    ("Q4_1", "a8", "vpdpbusd", PREFILL, 64, 0.0465),
    ("Q8_0", "a8", "vpdpbusd", PREFILL, 64, 0.049),
    ("Q4_0", "a16", "vdpbf16ps", PREFILL, 32, 0.0485),
    ("BF16", "a16", "vdpbf16ps", PREFILL, 32, 0.055),
))
def test_cost(heddle, run, tmp_path, encoding, numeric, dot, kernel, weights, most):
    target = "x86-64-v4+vnni+bf16" if dot in ("vpdpbusd", "vdpbf16ps") else "x86-64-v3"
    found = cost(heddle, run, tmp_path, encoding, numeric, dot, kernel, weights, target)
    print(f"{encoding} {numeric} {found:.4f}")
    assert found <= most


def test_probes(heddle, run, tmp_path):
    """The loop that measures a peak is the instruction and nothing else: no load, no spill."""
    model, out = write(tmp_path / "m.gguf", Tiny()), tmp_path / "m.o"
    levels = {"x86-64-v3": (12, {"int8": ("vpmaddubsw", "vpaddw"), "f32": ("vfmadd",)}),
              "x86-64-v4+vnni": (24, {"int8": ("vpdpbusd",), "f32": ("vfmadd",)})}
    heddle("compile", model, "-o", out, "--quiet", "--emit=object", f"--target={','.join(levels)}")
    found = functions(run("llvm-objdump", "-d", "--no-show-raw-insn", out).stdout)
    for level, (sums, types) in levels.items():
        for type_, names in types.items():
            body = found[f"probe.{type_}.{level}"]
            (start, end), = loops_of(body)
            loop = body[start:end + 1]
            for name in names:  # the back end may unroll
                count = sum(mnemonic.startswith(name) for _, mnemonic, _ in loop)
                assert count and count % sums == 0, (level, loop)
            # Copies of sums that an instruction would overwrite, and the loop's own three.
            rest = [x for x in loop if not x[1].startswith(names)]
            assert len([x for x in rest if not x[1].startswith("vmov")]) <= 3, (level, rest)
            assert not any("(" in operands.split("#")[0] for _, _, operands in loop), (level, loop)
