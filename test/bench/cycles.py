#!/usr/bin/env python3
"""Cycles that llvm-mca gives the innermost loops of a model's kernels:

    test/bench/cycles.py MODEL.gguf [--mnemonic=vpmaddubsw] [--cpu=znver3] [heddle compile's flags]

A model of a processor, not a clock: good to rank schedules (`-p set-schedules.token-tile=4`) on a
noisy machine. Printed are loops with four or more of the mnemonic: how many, and
instructions and cycles for each.
"""

import argparse
import os
import re
import subprocess
import tempfile
from pathlib import Path

HEDDLE = Path(os.environ.get("HEDDLE_BIN", Path(__file__).resolve().parents[2] / "build/bin/heddle"))
MCA = "/usr/lib/llvm-22/bin/llvm-mca"
LEAST = 4


def innermost(lines):
    """(function, lines) of each loop of the assembly that holds no other."""
    name, labels = None, {}
    for at, line in enumerate(lines):
        if match := re.match(r'^"?([^\s."][^"]*?)"?:', line):
            name, labels = match[1], {}
        elif match := re.match(r"^(\.L\w+):", line):
            labels[match[1]] = at
        elif (match := re.match(r"^\s+j\w+\s+(\.L\w+)", line)) and match[1] in labels:
            start = labels[match[1]]
            jumps = (re.match(r"^\s+j\w+\s+(\.L\w+)", x) for x in lines[start:at])
            if not any(jump and labels.get(jump[1], -1) > start for jump in jumps):
                yield name, lines[start:at + 1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--mnemonic", default="vpmaddubsw")
    parser.add_argument("--cpu", default="znver3")
    options, flags = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([HEDDLE, "compile", options.model, "-o", directory, "--emit=asm", "--quiet", *flags], check=True)
        rows = set()
        for file in Path(directory).glob("*.s"):
            for name, loop in innermost(file.read_text().splitlines()):
                count = sum(options.mnemonic in line for line in loop)
                if count < LEAST:
                    continue
                body = Path(directory, "loop.s")
                body.write_text("\n".join(loop) + "\n")
                text = subprocess.run([MCA, f"-mcpu={options.cpu}", "-iterations=100", body], capture_output=True,
                                      text=True, check=True).stdout
                instructions, cycles = (int(re.search(rf"{what}:\s+(\d+)", text)[1]) / 100 / count
                                        for what in ("Instructions", "Total Cycles"))
                rows.add((name, count, round(instructions, 2), round(cycles, 2)))
    print(f"{'kernel':64}{'count':>6}{'instr':>8}{'cycles':>8}")
    for name, count, instructions, cycles in sorted(rows):
        print(f"{name[:62]:64}{count:6}{instructions:8.2f}{cycles:8.2f}")


main()
