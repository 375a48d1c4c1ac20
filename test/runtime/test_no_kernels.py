"""No arithmetic on tensors in the runtime: vector floating-point code appears
in the sampler's object alone, even where the compiler is free to vectorise."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CXX = os.environ.get("CXX", "clang++-22")
SOURCES = sorted((ROOT / "runtime").rglob("*.cpp"))
# Packed arithmetic of SSE, AVX and AVX-512; moves, shuffles, logic and
# conversions are not arithmetic.
PACKED = re.compile(
    r"\bv?(add|sub|mul|div|sqrt|rcp|rsqrt|max|min|dp|hadd|hsub|addsub|"
    r"rcp14|rsqrt14|scalef|range|reduce|rndscale|round)p[sdh]\b|"
    r"\bvfn?m(add|sub|addsub|subadd)(132|213|231)?p[sdh]\b|\bvdpbf16ps\b|"
    r"\btdp")


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.name)
def test_no_vector_arithmetic(source, tmp_path):
    objdump = shutil.which("objdump")
    if not objdump:
        pytest.skip("objdump is not installed")
    out = tmp_path / "x.o"
    subprocess.run(
        [CXX, "--target=x86_64-linux-gnu", "-std=c++20", "-O3",
         "-march=x86-64-v4", "-ffp-contract=fast", "-D_GNU_SOURCE",
         "-DPCRE2_STATIC", "-DPCRE2_CODE_UNIT_WIDTH=8",
         f"-I{ROOT}/include", f"-I{ROOT}/runtime/app", "-c", source, "-o",
         out], check=True)
    text = subprocess.run([objdump, "-d", "--no-show-raw-insn", out],
                          capture_output=True, text=True, check=True).stdout
    found = [line for line in text.splitlines() if PACKED.search(line)]
    if source.name != "Sampler.cpp":
        assert not found, found[:5]
