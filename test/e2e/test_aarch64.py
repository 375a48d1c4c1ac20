"""The same model cross-compiled for AArch64 and run by qemu."""

import os
import shutil

import pytest

from prompts import ids

pytestmark = pytest.mark.skipif(
    shutil.which("qemu-aarch64") is None and os.uname().machine != "aarch64",
    reason="no qemu-aarch64")
COUNT = 8


def test_greedy(heddle, smollm_gguf, golden, tmp_path):
    program = tmp_path / "smollm-aarch64"
    heddle("compile", smollm_gguf, "--target=aarch64", "--numeric=f32", "-o", program)
    runner = [] if os.uname().machine == "aarch64" else ["qemu-aarch64"]
    out = heddle.run(*runner, program, "generate", ids(golden.prompts[0]), "-n", COUNT,
                     "-t", 1, "--temperature=0", "--print=tokens", "--ignore-eos").stdout
    assert [int(token) for token in out.strip().split(",")] == golden.greedy[0][:COUNT]
