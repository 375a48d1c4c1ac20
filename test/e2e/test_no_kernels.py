"""Every kernel is generated: the runtime does no arithmetic on model tensors.

Its sources are compiled so that a loop over floats would be vectorised, and
fused, wherever the language allows, and then disassembled. No forbidden
instruction may appear outside the sampler, which works on the final logits.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ("-std=c++20", "-O3", "-march=x86-64-v4", "-ffp-contract=fast", "-D_GNU_SOURCE",
         "-DPCRE2_STATIC", "-DPCRE2_CODE_UNIT_WIDTH=8", "-w", "-ferror-limit=1")
LLVM = "/usr/lib/llvm-22/bin/"
EXEMPT = re.compile(r"app/Sampler\.cpp$")

FORBIDDEN = re.compile(r"""\b(?:
    # Packed arithmetic, any width: element-wise loops over tensors.
    v?(?:add|sub|mul|div|sqrt|max|min|addsub|hadd|hsub|dp)(?:p[sdh]|(?:ne)?pbf16|bf16)
  | vf(?:n?m(?:add|sub)|maddsub|msubadd)(?:132|213|231)p[sdh]
  | v?(?:rcp|rsqrt)(?:14|28)?p[sdh] | v?(?:scalef|range|reduce|rndscale|round|getexp|getmant)p[sdh]
    # A strictly ordered sum is not vectorised; its fused step is the sign of a
    # dot product on single-precision data. Host code has no use for one.
  | vfn?m(?:add|sub)(?:132|213|231)s[sh]
    # Dot products of integers and bfloat16.
  | vdpbf16ps | vdpphps | v?pmaddwd | v?pmaddubsw | vpdp(?:bu|wss|ws|wu|bs)\w* | td[pb]\w+
)\b""", re.VERBOSE)

PLANTS = {
    "dot": "float plant(const float *a, const float *b, long n) {"
           "  float s = 0; for (long i = 0; i < n; ++i) s += a[i] * b[i]; return s; }",
    "axpy": "void plant(float *y, const float *x, float a, long n) {"
            "  for (long i = 0; i < n; ++i) y[i] += a * x[i]; }",
    "int8-dot": "int plant(const signed char *a, const signed char *b, long n) {"
                "  int s = 0; for (long i = 0; i < n; ++i) s += a[i] * b[i]; return s; }",
}


def found(run, source, out):
    """The forbidden instructions in SOURCE, as lines `function: instruction`."""
    obj = out / (source.name + ".o")
    run("clang++-22", "--target=x86_64-linux-gnu", *FLAGS, f"-I{ROOT / 'include'}",
        f"-I{ROOT / 'runtime'}", f"-I{ROOT / 'runtime/app'}", "-c", source, "-o", obj)
    listing = run(LLVM + "llvm-objdump", "-d", "-C", "--no-show-raw-insn", obj).stdout
    function, lines = "", []
    for line in listing.splitlines():
        if line.endswith(">:"):
            function = line.split("<", 1)[1][:-2]
        elif "\t" in line and FORBIDDEN.match(line.split("\t", 1)[1]):
            lines.append(f"{source.name}: {function}: {line.strip()}")
    return lines


def sources():
    return sorted(path for path in (ROOT / "runtime").rglob("*")
                  if path.suffix in (".c", ".cpp") and not EXEMPT.search(path.as_posix()))


def test_runtime_has_no_kernel(run, tmp_path):
    assert len(sources()) > 5
    with ThreadPoolExecutor(2) as pool:
        lines = [line for part in pool.map(lambda s: found(run, s, tmp_path), sources())
                 for line in part]
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize("plant", PLANTS)
def test_planted_kernel_is_found(run, tmp_path, plant):
    """The check is alive: a kernel added to a copy of a source is reported."""
    source = ROOT / "runtime" / "Memory.cpp"
    copy = tmp_path / source.name
    copy.write_text(source.read_text() + "\n" + PLANTS[plant] + "\n")
    lines = found(run, copy, tmp_path)
    assert any("plant(" in line for line in lines), lines
