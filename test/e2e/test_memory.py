"""A real model's memory: printed before loading, held, and not much more than the model."""

import json
import re
import subprocess
import sys

import pytest

from prompts import ids

# Code, heap, stacks and the tokenizer.
PROCESS = 16 << 20
PEAK = ("import resource,subprocess,sys;"
        "subprocess.run(sys.argv[1:],check=True,stdout=2);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("load", ["copy", "map"])
def test_peak_is_printed_and_held(heddle, smollm_program, load, threads):
    flags = ["--context=512", f"--load={load}", "-t", threads]
    plan = json.loads(heddle.run(smollm_program, "info", "--json", *flags).stdout)["memory"]
    tokens = ids([(i * 7919) % 49152 for i in range(512)])
    result = subprocess.run([sys.executable, "-c", PEAK, smollm_program, "score", tokens, "--nll",
                             "--chunk=1", *flags], capture_output=True, check=True, text=True)
    peak = 1024 * int(result.stdout)
    printed = float(re.search(r"memory ([\d.]+) MiB", result.stderr)[1])
    assert printed == pytest.approx(plan["total"] / 2**20, abs=1)
    assert peak <= plan["total"], (peak, plan)
    model = plan["weights"] + plan["caches"] + plan["arena"]
    assert peak <= 1.1 * model + PROCESS, (peak, plan)
