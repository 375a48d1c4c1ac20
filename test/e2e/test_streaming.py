"""Experts that stay in the file (docs/streaming.md), and profiles of their uses: always the same bits."""

import json
import os
import shutil
import signal
import subprocess

import numpy as np
import pytest
from transformers import Qwen3MoeConfig

from bounds import assert_same_bits
from prompts import ids
from tiny_gguf import export
from tiny_hf import make, make_deepseek

LENGTH, EXPERTS, LAYERS = 45, 24, 4
TOKENS = np.random.default_rng(60).integers(0, 331, LENGTH).tolist()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model whose experts are most of it."""
    made = make(Qwen3MoeConfig, 60, head_dim=16, num_experts=EXPERTS, num_experts_per_tok=3,
                moe_intermediate_size=256, norm_topk_prob=True, layers=LAYERS)
    return export(made, tmp_path_factory.mktemp("streaming") / "model.gguf")


@pytest.fixture(scope="module")
def program(heddle, model):
    path = model.parent / "program"
    heddle("compile", model, "-o", path, "--numeric=f32", "--quiet")
    return path


@pytest.fixture(scope="module")
def resident(score, program):
    return score(program, TOKENS)


def trailer(program):
    """Where the weights and the manifest begin, and the bytes of the latter."""
    end = program.read_bytes()[-96:]
    return tuple(int.from_bytes(end[at:at + 8], "little") for at in (56, 8, 16))


def groups(program):
    """The layers' experts, as the manifest has them."""
    _, begin, size = trailer(program)
    return json.loads(program.read_bytes()[begin:begin + size])["experts"]["groups"]


def stride(program):
    size, = {group["stride"] for group in groups(program)}
    return size


def info(heddle, program, *flags):
    return json.loads(heddle.run(program, "info", "--json", "-t", 1, *flags).stdout)["memory"]


def least(heddle, program, slots):
    """The least limit with which a run has `slots` experts in memory at a time."""
    full = info(heddle, program, "-c", 64)
    low, high = full["total"] - full["weights"], full["total"] - 1
    while low < high:
        middle = (low + high) // 2
        found = subprocess.run([program, "info", "--json", "-t", "1", "-c", "64", f"--mem-limit={middle}"],
                               capture_output=True, text=True)
        enough = found.returncode == 0 and json.loads(found.stdout)["memory"]["expert_slots"] >= slots
        low, high = (low, middle) if enough else (middle + 1, high)
    memory = info(heddle, program, "-c", 64, f"--mem-limit={low}")
    assert memory["expert_slots"] == slots and memory["total"] <= low
    return low


def limit(heddle, program, slots, threads=1):
    """The same with what a command holds, which is less than an expert, and its threads."""
    return f"--mem-limit={least(heddle, program, slots) + (120 << 10) + (threads - 1) * (256 << 10)}"


def test_same_bits(heddle, score, program, resident):
    """With room for one layer's experts, for most of them, and without the ring of the system."""
    for slots, threads, chunk in ((EXPERTS, 1, 1), (EXPERTS, 2, 7), (EXPERTS + 5, 3, 45), (80, 2, 16)):
        flags = (limit(heddle, program, slots, threads), "-c", 64, "-t", threads, f"--chunk={chunk}")
        assert_same_bits(score(program, TOKENS, *flags), resident, f"{slots} slots, {threads} threads, chunk {chunk}")


def test_without_ring(heddle, score, program, resident, tmp_path):
    """Where the system has no io_uring, threads read: a limit on locked memory or descriptors is no reason
    to fail, and neither is a filter of system calls."""
    filter = tmp_path / "filter.c"
    filter.write_text(r"""
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int argc, char **argv) {
  (void)argc;
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  struct sock_fprog program = {4, code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
    return 1;
  if (syscall(SYS_io_uring_setup, 1, 0) != -1 || errno != ENOSYS)
    return 1;
  execv(argv[1], argv + 1);
  return 1;
}
""")
    subprocess.run(["cc", "-O1", filter, "-o", tmp_path / "without-ring"], check=True)
    for threads, chunk in ((1, 1), (3, 9)):
        out = tmp_path / "logits.npy"
        heddle.run(tmp_path / "without-ring", program, "score", ids(TOKENS), f"--out={out}", "-c", 64, "-t", threads,
                   f"--chunk={chunk}", limit(heddle, program, EXPERTS, threads))
        assert_same_bits(np.load(out), resident, f"{threads} threads, chunk {chunk}")


def test_first_line_and_bench(heddle, program):
    flags = (limit(heddle, program, 40), "-c", 64, "-t", 1)
    said = heddle.run(program, "generate", "--tokens=1,2,3", "-n", 4, "--print=tokens", *flags)
    assert f"40 of {EXPERTS * LAYERS} experts in memory at a time" in said.stderr.splitlines()[0]
    # With as much more as the probe of memory's speed takes, which is the bench's own.
    more = int(flags[0].split("=")[1]) + (256 << 20)
    bench = json.loads(heddle.run(program, "bench", "--prompt=4", "--gen=8", "--repeat=2", "--json", "-c", 64, "-t", 1,
                                  f"--mem-limit={more}").stdout)
    counts = bench["decode"][0]["experts"]
    assert counts["slots"] == 40 and counts["hits"] + counts["misses"] == 2 * 8 * LAYERS * 3
    assert counts["misses"] > 0 and counts["bytes_read"] == counts["misses"] * stride(program)
    assert len(counts["disk_gb_s"]) == 2 and min(counts["disk_gb_s"]) > 0


def test_too_little(heddle, program):
    """Not even one layer's experts: a line with what is needed, and nothing read."""
    below = least(heddle, program, EXPERTS) - 1
    done = heddle.run(program, "info", "-c", 64, "-t", 1, f"--mem-limit={below}", code=5)
    assert f"and {EXPERTS} experts, limit --mem-limit = {below}" in done.stderr
    assert done.stderr.count("heddle: error") == 1


@pytest.fixture(scope="module")
def profile(heddle, program):
    path = program.parent / "profile.json"
    heddle.run(program, "profile", ids(TOKENS), f"--out={path}", "-t", 2)
    return path


def test_profile(heddle, program, profile, model, score, resident, tmp_path):
    found = json.loads(profile.read_text())
    assert [layer["name"] for layer in found["layers"]] == [f"blk.{i}.ffn_gate_exps.weight" for i in range(LAYERS)]
    # Every token goes to three experts of every layer, however it was computed.
    assert all(sum(layer["uses"]) == LENGTH * 3 for layer in found["layers"])
    for flags in (("-t", 1), (limit(heddle, program, EXPERTS), "-c", 64, "-t", 1)):
        heddle.run(program, "profile", ids(TOKENS), f"--out={tmp_path / 'again.json'}", *flags)
        assert (tmp_path / "again.json").read_bytes() == profile.read_bytes()
    # A text longer than the context is several.
    heddle.run(program, "profile", ids(TOKENS), f"--out={tmp_path / 'again.json'}", "-c", 16)
    assert all(sum(layer["uses"]) == LENGTH * 3 for layer in json.loads((tmp_path / "again.json").read_text())["layers"])
    # The same bits with it; what is used most lies first.
    heddle("compile", model, "-o", tmp_path / "placed", "--numeric=f32", "--quiet", f"--profile={profile}")
    assert_same_bits(score(tmp_path / "placed", TOKENS), resident)
    flags = (limit(heddle, tmp_path / "placed", 40), "-c", 64, "-t", 1, "--chunk=1")
    assert_same_bits(score(tmp_path / "placed", TOKENS, *flags), resident)
    for layer, group in zip(found["layers"], groups(tmp_path / "placed"), strict=True):
        assert group["uses"] == layer["uses"] and [layer["uses"][e] for e in group["order"]] == sorted(
            layer["uses"], reverse=True)
    assert heddle("compile", model, "-o", tmp_path / "again", "--numeric=f32", "--quiet", f"--profile={profile}",
                  f"--dump-ir={tmp_path / 'ir'}") and (
        (tmp_path / "again").read_bytes() == (tmp_path / "placed").read_bytes())
    dump, = (tmp_path / "ir").glob("*-layout.mlir")
    heddle("compile", dump, f"--weights-from={model}", "-o", tmp_path / "from-dump", "--quiet")
    assert (tmp_path / "from-dump").read_bytes() == (tmp_path / "placed").read_bytes()


HOSTILE = {
    "another-model": (lambda p: p.update(source_hash="00" * 32), "source_hash = 00"),
    "no-layers": (lambda p: p.pop("layers"), "layers = absent"),
    "other-name": (lambda p: p["layers"][0].update(name="blk.9.ffn_gate_exps.weight"), "blk.9.ffn_gate_exps.weight"),
    "dense-name": (lambda p: p["layers"][0].update(name="blk.0.attn_q.weight"), "layers.name = blk.0.attn_q.weight"),
    "twice": (lambda p: p["layers"].append(p["layers"][0]), "each once"),
    "fewer": (lambda p: p["layers"][1]["uses"].pop(), f"= {EXPERTS - 1}, limit {EXPERTS}"),
    "negative": (lambda p: p["layers"][1].update(uses=[-1] * EXPERTS), "= -1, limit numbers"),
    "huge": (lambda p: p["layers"][1].update(uses=[1e30] * EXPERTS), "limit numbers"),
    "newer": (lambda p: p.update(version=2), "version = 2, limit 1"),
    "other-format": (lambda p: p.update(format="else"), "format"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_profile_hostile(heddle, model, profile, tmp_path, name):
    change, words = HOSTILE[name]
    found = json.loads(profile.read_text())
    change(found)
    (tmp_path / "profile.json").write_text(json.dumps(found))
    done = heddle("compile", model, "-o", tmp_path / "program", "--quiet", f"--profile={tmp_path / 'profile.json'}",
                  code=3)
    assert words in done.stderr and done.stderr.count("heddle: error") == 1, done.stderr
    assert not (tmp_path / "program").exists()


def test_no_profile(heddle, program, model, smollm_program, tmp_path):
    for text, code in (("{", 3), ("[" * 100000, 3), (None, 6)):
        path = tmp_path / "profile.json"
        path.unlink(missing_ok=True)
        if text:
            path.write_text(text)
        done = heddle("compile", model, "-o", tmp_path / "program", "--quiet", f"--profile={path}", code=code)
        assert str(path) in done.stderr
    done = heddle.run(smollm_program, "profile", "--tokens=1,2", f"--out={tmp_path / 'p.json'}", code=4)
    assert "experts = 0" in done.stderr
    heddle.run(program, "profile", "--tokens=1,2", code=2)
    assert not (tmp_path / "p.json").exists()


def corrupt(program, group, expert):
    """Changes a byte of one expert."""
    with open(program, "r+b") as file:
        file.seek(trailer(program)[0] + group["offset"] + group["order"].index(expert) * group["stride"] + 100)
        old = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([old[0] ^ 0x55]))


def test_slots_begin_full(heddle, program, profile, model, tmp_path):
    """What the profile has most of is in memory before the first token: an expert that no token of this run goes to
    is read, and found changed, by the program that has a profile alone."""
    token = TOKENS[0]
    heddle.run(program, "profile", ids([token]), f"--out={tmp_path / 'one.json'}")
    layer, expert = next(
        (i, e) for i, (all_, one) in enumerate(zip(*(json.loads(path.read_text())["layers"]
                                                     for path in (profile, tmp_path / "one.json")), strict=True))
        for e in range(EXPERTS) if all_["uses"][e] > 2 and not one["uses"][e])
    heddle("compile", model, "-o", tmp_path / "placed", "--numeric=f32", "--quiet", f"--profile={profile}")
    shutil.copy(program, tmp_path / "plain")
    for path, code in ((tmp_path / "plain", 0), (tmp_path / "placed", 7)):
        flags = (limit(heddle, path, 80), "-c", 64, "-t", 1, f"--out={tmp_path / 'logits.npy'}")
        heddle.run(path, "score", ids([token]), *flags)
        corrupt(path, groups(path)[layer], expert)
        heddle.run(path, "score", ids([token]), *flags, code=code)


def test_changed(heddle, program, tmp_path):
    """Experts that were changed are found when they are chosen."""
    flags = (limit(heddle, program, EXPERTS), "-c", 64, "-t", 1)
    copy = tmp_path / "copy"
    shutil.copy(program, copy)
    for group in groups(program):
        for expert in range(EXPERTS):
            corrupt(copy, group, expert)
    out = tmp_path / "logits.npy"
    done = heddle.run(copy, "score", ids(TOKENS), f"--out={out}", *flags, code=7)
    assert "weights hash of an expert = different" in done.stderr and done.stderr.count("heddle: error") == 1
    assert not out.exists()


@pytest.mark.parametrize("how", ["cut", "changed"])
def test_while_running(heddle, model, tmp_path, how):
    """The same of a file that is cut or changed after the first token."""
    program = tmp_path / "program"
    heddle("compile", model, "-o", program, "--numeric=f32", "--quiet", "--weights=external")
    weights = tmp_path / "program.weights"
    flags = [limit(heddle, program, EXPERTS), "-c", "64", "-t", "1"]
    with subprocess.Popen([program, "generate", "--tokens=1,2,3", "-n", "60", "--ignore-eos", "--print=tokens", *flags],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.read(1)
        process.send_signal(signal.SIGSTOP)
        first = groups(program)[0]["offset"]
        if how == "cut":
            os.truncate(weights, first)
        else:
            size = weights.stat().st_size
            with open(weights, "r+b") as file:
                file.seek(first)
                file.write(b"\x55" * (size - first))
        process.send_signal(signal.SIGCONT)
        said = process.stderr.read().decode()
        assert process.wait(60) == 7, said
    assert said.count("heddle: error") == 1, said
    assert ("end = before an expert" if how == "cut" else "hash of an expert = different") in said


@pytest.mark.parametrize("kind", ["deepseek"])
def test_other_families(heddle, score, tmp_path, kind):
    """A dense layer first, and shared experts, which are always in memory."""
    path = export(make_deepseek(61, layers=3, kv_heads=4), tmp_path / "model.gguf")
    heddle("compile", path, "-o", tmp_path / "program", "--numeric=f32", "--quiet", "--weights=external")
    found = score(tmp_path / "program", TOKENS)
    memory = info(heddle, tmp_path / "program")
    assert memory["experts"] == 12 and memory["expert_slots"] == 0
    heddle.run(tmp_path / "program", "profile", ids(TOKENS), f"--out={tmp_path / 'profile.json'}")
    heddle("compile", path, "-o", tmp_path / "placed", "--numeric=f32", "--quiet",
           f"--profile={tmp_path / 'profile.json'}")
    assert_same_bits(score(tmp_path / "placed", TOKENS), found)
