"""Levels that this machine's CPU may lack, run on an emulated one that has each and nothing
above it: an instruction that the level does not name ends the program with a signal."""

import io
import json
import subprocess
from os import uname
from pathlib import Path

import numpy as np
import pytest

import emulator
from bounds import assert_same_bits
from prompts import ids
from tiny_gguf import Tiny, write

pytestmark = [pytest.mark.slow, pytest.mark.skipif(
    uname().machine != "x86_64" or "avx2" not in Path("/proc/cpuinfo").read_text().split(),
    reason="compares with x86-64-v3 on this machine")]

V4 = "avx512", "avx512dq", "avx512bw", "avx512cd"
# Bochs's words for what a CPU of the level has over x86-64-v3, which its model has.
LEVELS = {
    "x86-64-v3": (),
    "x86-64-v3+avxvnni": ("avx_vnni",),
    "x86-64-v4": V4,
    "x86-64-v4+vnni": (*V4, "avx512vnni"),
    "x86-64-v4+vnni+bf16": (*V4, "avx512vnni", "avx512bf16"),
}
CODED = Tiny(hidden=128, head_dim=32, ff=160, vocab=333, encoding="Q4_0", seed=21, other={
    "token_embd": "Q8_0", "blk.0.attn_q": "MXFP4", "blk.0.attn_v": "IQ4_NL",
    **{f"blk.{i}.{name}": kind for i in (0, 1) for name, kind in (
        ("attn_output", "Q5_0"), ("ffn_gate", "Q4_1"), ("ffn_up", "Q4_1"), ("ffn_down", "Q5_1"))}})
K_CODED = Tiny(layers=1, hidden=256, heads=8, kv_heads=4, head_dim=32, ff=256, vocab=333, encoding="Q4_K",
               seed=22, other={"token_embd": "Q6_K", "blk.0.attn_output": "Q5_K", "blk.0.ffn_gate": "Q6_K",
                               "blk.0.ffn_up": "Q6_K"})
FLOATS = Tiny(ff=100, vocab=333, tied=False, encoding="F16", seed=23, other={
    "output": "BF16", **{f"blk.{i}.{name}": kind for i in (0, 1) for name, kind in (
        ("attn_output", "F32"), ("ffn_gate", "BF16"), ("ffn_up", "BF16"))}})
PROGRAMS = {
    "floats.f32": (FLOATS, "f32"), "coded.f32": (CODED, "f32"), "k-coded.f32": (K_CODED, "f32"),
    "coded.a8": (CODED, "a8"), "k-coded.a8": (K_CODED, "a8"),
    "coded.a16": (CODED, "a16"), "floats.a16": (FLOATS, "a16"),
}
TOKENS = np.random.default_rng(24).integers(0, 333, 37).tolist()
# Prefill with a tail, decode, and batches of 5; the first is what the others should equal.
RUNS = ("-t", 1), ("-t", 2, "--chunk=1"), ("-t", 3, "--chunk=5")
GREEDY = "generate", ids(TOKENS[:5]), "-n", 8, "--temperature=0", "--ignore-eos", "--print=tokens"


@pytest.fixture(scope="module")
def programs(heddle, tmp_path_factory):
    subprocess.run([Path(__file__).with_name("setup.sh")], check=True)
    directory = tmp_path_factory.mktemp("programs")
    for name, (model, numeric) in PROGRAMS.items():
        path = write(directory / "model.gguf", model)
        heddle("compile", path, "-o", directory / name, f"--target={','.join(LEVELS)}",
               f"--numeric={numeric}", "--quiet")
    return {name: directory / name for name in PROGRAMS}


@pytest.fixture(scope="module")
def expected(heddle, programs, tmp_path_factory):
    """x86-64-v3 on this machine: (logits, greedy tokens) of each program."""
    out = tmp_path_factory.mktemp("expected") / "logits.npy"

    def of(program):
        heddle.run(program, "score", ids(TOKENS), "--isa=x86-64-v3", "-t", 1, f"--out={out}")
        return np.load(out), heddle.run(program, *GREEDY, "--isa=x86-64-v3").stdout
    return {name: of(program) for name, program in programs.items()}


@pytest.mark.parametrize("level", LEVELS)
def test_level(programs, expected, level, tmp_path):
    refused = next(name for name in LEVELS if set(LEVELS[name]) - set(LEVELS[level]))
    each = [("score", ids(TOKENS), "--out=/out", *flags) for flags in RUNS] + [(*GREEDY, f"--isa={level}")]
    first = next(iter(programs))
    commands = [(first, "info", "--json"), (first, *GREEDY, f"--isa={refused}")]
    commands += [(name, *words) for name in programs for words in each]
    info, other, *done = emulator.run(tmp_path, LEVELS[level], programs, commands)

    assert info.returncode == 0 and json.loads(info.stdout)["level"] == level, info
    assert other.returncode == 8 and f"which level {refused} needs" in other.stderr, other
    for at, name in enumerate(programs):
        *scored, greedy = done[at * len(each):(at + 1) * len(each)]
        for run in (*scored, greedy):
            assert run.returncode == 0 and f"cpu, {level}," in run.stderr, (name, run.returncode, run.stderr)
        logits, *same = (np.load(io.BytesIO(run.file)) for run in scored)
        for flags, found in zip(RUNS[1:], same):
            assert_same_bits(found, logits, f"{name} {flags}")
        assert_near(logits, expected[name][0], level, name)
        assert greedy.stdout == expected[name][1], name


def assert_near(found, expected, level, name):
    """The bits of x86-64-v3 where floats are computed alike: so Bochs computes as this machine
    does. Elsewhere sums are in another order. With int8 activations a rounding of a float
    may move one to the next code, 1/127 of its group's largest away, in a few tokens; with
    bf16 to the next of its numbers, 1/256 of it away, and tokens after it read what it left."""
    if level.startswith("x86-64-v3"):
        assert_same_bits(found, expected, name)
        return
    worst = np.abs(found - expected).max(axis=1) / np.abs(expected).max()
    typical = worst[0] if name.endswith("a16") else np.median(worst)
    assert typical <= 1e-5, (name, typical)
    limit = {"f32": 1e-5, "a8": 3 / 127, "a16": 3 / 256}[name.split(".")[1]]
    assert worst.max() <= limit, (name, worst.max())
