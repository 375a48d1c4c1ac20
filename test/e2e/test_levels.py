"""Programs that hold several feature levels: which one runs, what it computes, and what
instructions it is made of."""

import json
import re
import shutil
from os import uname
from pathlib import Path

import numpy as np
import pytest

from bounds import assert_same_bits
from prompts import ids
from tiny_gguf import Tiny, write

X86 = uname().machine == "x86_64"
pytestmark = pytest.mark.skipif(not X86, reason="runs x86-64 levels")
MODEL = Tiny(hidden=128, head_dim=32, ff=160, encoding="Q8_0", seed=6,
             other={"blk.0.attn_q": "MXFP4", "blk.0.attn_v": "IQ4_NL"})  # codes that choose from a table
TOKENS = np.random.default_rng(7).integers(0, MODEL.vocab, 37).tolist()
LEVELS = "x86-64-v4+vnni,x86-64-v2,x86-64-v3"
LLVM = Path("/usr/lib/llvm-22/bin")


def has(feature):
    return feature in Path("/proc/cpuinfo").read_text().split()


def emulator(name):
    return pytest.mark.skipif(not shutil.which(name), reason=f"no {name}")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write(tmp_path_factory.mktemp("levels") / "model.gguf", MODEL)


@pytest.fixture(scope="module")
def programs(heddle, tiny):
    """programs(target, numeric="a8"): the model compiled for it, once."""
    made = {}

    def compiled(target, numeric="a8", *flags):
        if (target, numeric) not in made:
            program = tiny.with_name(f"{len(made)}")
            heddle("compile", tiny, "-o", program, f"--target={target}", f"--numeric={numeric}",
                   "--quiet", *flags)
            made[target, numeric] = program
        return made[target, numeric]
    return compiled


@pytest.fixture(scope="module")
def several(programs, tiny):
    return programs(LEVELS, "a8", f"--dump-ir={tiny.with_name('dump')}")


def test_info(heddle, several):
    info = json.loads(heddle.run(several, "info", "--json").stdout)
    names = ["x86-64-v4+vnni", "x86-64-v3", "x86-64-v2"]  # the best first
    assert [level["name"] for level in info["levels"]] == info["targets"] == names
    usable = [level["name"] for level in info["levels"] if not level["missing"]]
    assert info["level"] == usable[0]
    assert f"level: {usable[0]} (chosen)" in heddle.run(several, "info").stdout


def test_forced(heddle, several):
    flags = "--tokens=1", "-n", 1, "--print=tokens"
    done = heddle.run(several, *flags, "--isa=x86-64-v2")
    assert "x86-64-v2" in done.stderr
    done = heddle.run(several, *flags, "--isa=x86-64-v4", code=2)
    assert "limit one of x86-64-v4+vnni, x86-64-v3, x86-64-v2" in done.stderr
    if not has("avx512f"):
        done = heddle.run(several, *flags, "--isa=x86-64-v4+vnni", code=8)
        assert re.search(r"this CPU lacks .*avx512f.*avx512vnni, which level x86-64-v4\+vnni needs", done.stderr)


@emulator("qemu-x86_64")
def test_dispatch(heddle, several, programs):
    flags = "--tokens=1", "-n", 1, "--print=tokens"
    for cpu, level in (("Nehalem", "x86-64-v2"), ("Haswell", "x86-64-v3"), ("max", "x86-64-v3")):
        done = heddle.run("qemu-x86_64", "-cpu", cpu, several, *flags)
        assert f"cpu, {level}," in done.stderr, (cpu, done.stderr)
    done = heddle.run("qemu-x86_64", "-cpu", "Conroe", several, *flags, code=8)
    assert "lacks cx16, popcnt, sse4.1, sse4.2, which level x86-64-v2 needs" in done.stderr
    done = heddle.run("qemu-x86_64", "-cpu", "Nehalem", several, *flags, "--isa=x86-64-v3", code=8)
    assert re.search("lacks .*avx2.*, which level x86-64-v3 needs", done.stderr)


@pytest.mark.skipif(not has("avx2"), reason="no AVX2")
def test_bits(several, programs, score):
    """A level computes what a program of it alone does, whatever the threads and chunks."""
    for level in ("x86-64-v2", "x86-64-v3"):
        expected = score(programs(level), TOKENS, "-t", 1)
        for flags in (("-t", 1), ("-t", 2, "--chunk=1"), ("-t", 3, "--chunk=5")):
            assert_same_bits(score(several, TOKENS, f"--isa={level}", *flags), expected, f"{level} {flags}")


@pytest.mark.skipif(not has("avx2"), reason="no AVX2")
@pytest.mark.parametrize("numeric", ("f32", "a8", "a16"))
def test_levels_agree(programs, score, numeric):
    """Integer sums are exact on all; floats differ by roundings, and a few activations by one
    number of bf16 where that decides which is nearest."""
    both = programs("x86-64-v2,x86-64-v3", numeric)
    old, new = (score(both, TOKENS, f"--isa={level}") for level in ("x86-64-v2", "x86-64-v3"))
    limit = 3 / 256 if numeric == "a16" else 1e-5
    assert np.abs(old - new).max() <= limit * np.abs(new).max()
    assert np.abs(old - new)[0].max() <= 1e-5 * np.abs(new)[0].max()
    assert (old.argmax(1) == new.argmax(1)).all()


def test_continues(heddle, several, tiny, tmp_path):
    """From each dump to the same bytes; the order in which levels are named says nothing."""
    again = tmp_path / "again"
    for phase in ("03-specialize", "07-schedule", "09-plan"):
        heddle("compile", tiny.with_name("dump") / f"{phase}.mlir", f"--weights-from={tiny}", "-o", again,
               "--quiet", *([f"--target={LEVELS}"] if phase == "09-plan" else []))
        assert again.read_bytes() == several.read_bytes(), phase
    heddle("compile", tiny.with_name("dump") / "09-plan.mlir", f"--weights-from={tiny}", "-o", again,
           "--target=x86-64-v2", code=2)
    edited = tmp_path / "edited.mlir"
    text = (tiny.with_name("dump") / "03-specialize.mlir").read_text()
    edited.write_text(text.replace('heddle.level = "x86-64-v2"', 'heddle.level = "x86-64-v9"'))
    done = heddle("compile", edited, f"--weights-from={tiny}", "-o", again, code=3)
    assert 'heddle.level of @decode.x86-64-v2 = "x86-64-v9", limit one of heddle.target' in done.stderr


@pytest.mark.parametrize("flags, code, says", [
    (("--target=x86-64-v2,aarch64",), 4, "of x86_64 and aarch64, supported: levels of one architecture"),
    (("--target=x86-64-v2,x86-64-v9",), 4, "target = x86-64-v9, supported: native, x86-64-v2, "),
    (("--target=x86-64-v2,x86-64-v2",), 2, "names x86-64-v2 twice"),
    (("--target=x86-64-v2,",), 4, "target = , supported"),
])
def test_refused(heddle, tiny, tmp_path, flags, code, says):
    done = heddle("compile", tiny, "-o", tmp_path / "out", *flags, code=code)
    assert says in done.stderr
    assert not list(tmp_path.iterdir())


def disassembly(run, path, level=""):
    """Instructions of the functions for `level`, all of them in an object of one. Probes have one
    loop for each type, whatever the kernels take."""
    text = run(LLVM / "llvm-objdump", "-d", "--no-show-raw-insn", path).stdout
    parts = re.split(r"^[0-9a-f]+ <(.*)>:$", text, flags=re.M)[1:]
    code = [body for name, body in zip(parts[::2], parts[1::2]) if name.endswith(level) and not name.startswith("probe.")]
    assert code, (level, parts[::2])
    return re.findall(r"^\s*[0-9a-f]+:\s+(\S.*)$", "\n".join(code), flags=re.M)


@pytest.fixture(scope="module")
def objects(heddle, tiny):
    def compiled(target, numeric="a8"):
        path = tiny.with_name(f"{target}.{numeric}.o")
        if not path.exists():
            heddle("compile", tiny, "-o", path, f"--target={target}", f"--numeric={numeric}",
                   "--emit=object", "--quiet")
        return path
    return compiled


def test_no_library(run, objects):
    """Neither f16 nor fma, exp or cos calls anything on the oldest level."""
    for numeric in ("f32", "a8"):
        assert run(LLVM / "llvm-nm", "-u", objects("x86-64-v2", numeric)).stdout.strip() == ""


def test_functions_keep_to_their_level(run, objects):
    path = objects(LEVELS)
    old, new = disassembly(run, path, ".x86-64-v2"), disassembly(run, path, ".x86-64-v3")
    assert not [i for i in old if i.startswith("v") or "ymm" in i or "zmm" in i]
    assert any(i.startswith("pmaddubsw") for i in old)
    assert any(i.startswith("vpmaddubsw") and "ymm" in i for i in new)
    assert any(i.startswith("vfmadd") for i in new) and not [i for i in new if "zmm" in i]
    best = disassembly(run, path, ".x86-64-v4+vnni")
    assert any(i.startswith("vpdpbusd") and "zmm" in i for i in best)


@pytest.mark.parametrize("target, numeric, needs, never", [
    ("x86-64-v3+avxvnni", "a8", r"(\{vex\}\s+)?vpdpbusd.*ymm", r"zmm|%k[0-7]|[xy]mm(1[6-9]|2\d|3[01])"),
    ("x86-64-v4", "a8", "vpmaddubsw.*zmm", "vpdpbusd"),
    ("x86-64-v4+vnni+bf16", "a8", "vpdpbusd.*zmm", "vpmaddubsw"),
    ("x86-64-v4+vnni+bf16", "a16", "vdpbf16ps.*zmm", "vpdpbusd"),
])
def test_instructions(run, objects, target, numeric, needs, never):
    code = disassembly(run, objects(target, numeric))
    assert any(re.match(needs, i) for i in code)
    assert not [i for i in code if re.search(never, i)]
    if "avxvnni" in target:  # the VEX form, not EVEX
        raw = run(LLVM / "llvm-objdump", "-d", objects(target, numeric)).stdout
        found = re.findall(r":\s+((?:[0-9a-f]{2} )+)\s*\S*\s*vpdpbusd", raw)
        assert found and all(encoding.startswith("c4 ") for encoding in found)


@emulator("qemu-aarch64")
def test_aarch64(heddle, programs, score, tmp_path):
    """sdot and what stands for it give the same bits; each CPU gets what it has."""
    program = programs("aarch64,aarch64+dotprod,aarch64+dotprod+i8mm")
    logits = []
    for cpu, level in (("cortex-a72", "aarch64"), ("max", "aarch64+dotprod"), ("max", "aarch64+dotprod+i8mm")):
        out = tmp_path / "out.npy"
        forced = [f"--isa={level}"] if level == "aarch64+dotprod" else []
        done = heddle.run("qemu-aarch64", "-cpu", cpu, program, "score", ids(TOKENS), f"--out={out}", *forced)
        assert f"cpu, {level}," in done.stderr
        logits.append(np.load(out))
    assert_same_bits(logits[1], logits[0], "dotprod")
    assert_same_bits(logits[2], logits[0], "i8mm")
    expected = score(programs("x86-64-v2"), TOKENS)
    assert np.abs(logits[0] - expected).max() <= 1e-5 * np.abs(expected).max()
    done = heddle.run("qemu-aarch64", "-cpu", "cortex-a72", program, "--tokens=1", "--print=tokens",
                      "--isa=aarch64+dotprod", code=8)
    assert "this CPU lacks dotprod, which level aarch64+dotprod needs" in done.stderr
    only = programs("aarch64+dotprod+i8mm")
    done = heddle.run("qemu-aarch64", "-cpu", "cortex-a72", only, "--tokens=1", "--print=tokens", code=8)
    assert "this CPU lacks dotprod, i8mm" in done.stderr


@emulator("qemu-x86_64")
@pytest.mark.slow
def test_greedy(heddle, smollm_gguf, golden, tmp_path):
    """SmolLM2 in float32: both levels say what transformers says."""
    program = tmp_path / "smollm"
    heddle("compile", smollm_gguf, "-o", program, "--target=x86-64-v2,x86-64-v3", "--numeric=f32", "--quiet")
    for cpu in ("Nehalem", "Haswell"):
        out = heddle.run("qemu-x86_64", "-cpu", cpu, program, "generate", ids(golden.prompts[0]), "-n", 8, "-t", 1,
                         "--temperature=0", "--print=tokens", "--ignore-eos").stdout
        assert [int(token) for token in out.strip().split(",")] == golden.greedy[0][:8]
