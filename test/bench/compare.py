#!/usr/bin/env python3
"""Times a compiled program and a peer (llama.cpp, OpenVINO) side by side, on one model file:

    test/bench/compare.py MODEL.gguf [--threads=1,2] [--prompt=512] [--gen=64]
                          [--depth=0,4096] [--batch=1] [--numeric=auto] [--repeat=5] [--json]
                          [--peer=llama.cpp|openvino]

Compiles the model with build/bin/heddle into build/bench (again when the model or
Heddle changed), then lets the two take turns, each in a process of its own, so
that a machine that slows down slows both. Every figure is the median of all
repetitions. The peer is what test/bench/build_peer.sh or build_openvino.sh made; without
it only our half runs. A peer that cannot read the file ends the comparison with one line
and status 4. "of DRAM" is the bytes of weights and cache that a token needs, times
tokens a second, over the bandwidth that `PROG bench` measured around it with as many
threads; "of dot" is the time that a prompt's multiplications and additions take at
the peak of their instructions, probed in the same runs, over the time it took. Needs an
idle machine: how many cores other processes took is printed.
"""

import argparse
import json
import os
import resource
import shlex
import statistics
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("HEDDLE_BUILD_DIR", ROOT / "build"))
HEDDLE = Path(os.environ.get("HEDDLE_BIN", BUILD / "bin" / "heddle"))
UNSUPPORTED = 4


class Peer:
    """A program to compare with: the environment it is in, our script for it."""

    def __init__(self, name, folder, script, build):
        self.name, self.build = name, f"test/bench/{build}"
        self.python = BUILD / folder / "bin" / "python"
        self.script = Path(__file__).with_name(script)
        self.stamp = BUILD / folder / ".peer-installed"  # what `build` writes last

    def built(self):
        return self.stamp.exists()


PEERS = {peer.name: peer for peer in (
    Peer("llama.cpp", "peer", "peer.py", "build_peer.sh"),
    Peer("openvino", "openvino", "peer_openvino.py", "build_openvino.sh"))}


def numbers(text):
    return [int(number) for number in text.split(",")]


def run_json(*command):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.stderr.write(done.stderr)
        if done.returncode == UNSUPPORTED:  # by the peer, or by us: said in one line
            sys.exit(UNSUPPORTED)
        sys.exit(f"exit status {done.returncode}: {shlex.join(map(str, command))}")
    return json.loads(done.stdout)


def compiled(model, numeric):
    """The program of `model`, compiled if what it is made from is newer."""
    tag = f"{zlib.crc32(str(model).encode()):08x}"
    program = BUILD / "bench" / f"{model.stem}-{numeric}-{tag}"
    inputs = [model, HEDDLE, *BUILD.glob("lib/libHeddle*.so"),
              *BUILD.glob("lib/heddle/sysroot/*/libheddle_runtime.a")]
    if (not program.exists()
            or program.stat().st_mtime <= max(path.stat().st_mtime for path in inputs)):
        program.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([HEDDLE, "compile", model, "-o", program, f"--numeric={numeric}",
                        "--quiet"], check=True)
    return program


def manifest(program):
    """The manifest of a program file (docs/program-format.md)."""
    with open(program, "rb") as file:
        file.seek(-96, os.SEEK_END)
        magic, offset, size = struct.unpack("<8sQQ", file.read(24))
        assert magic == b"HEDDLEP1", program
        file.seek(offset)
        return json.loads(file.read(size))


def figures(results):
    """(kind, tokens, depth, sequences) -> every repetition's tokens a second."""
    found = {}
    for result in results:
        for x in result["prefill"]:
            found.setdefault(("prefill", x["tokens"], 0, 1), []).extend(x["runs"])
        for x in result["decode"]:
            found.setdefault(("decode", x["gen"], x["depth"], x["batch"]), []).extend(x["runs"])
    return found


def bandwidths(results):
    """The same of decode: GB/s around every repetition."""
    found = {}
    for result in results:
        for x in result["decode"]:
            found.setdefault(("decode", x["gen"], x["depth"], x["batch"]), []).extend(x["dram_gb_s"])
    return found


class Others:
    """How many cores processes beside ours take."""

    def __init__(self):
        self.start = self._now()

    @staticmethod
    def _now():
        user, nice, system = map(int, Path("/proc/stat").read_text().split()[1:4])
        ours = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return (time.monotonic(), (user + nice + system) / os.sysconf("SC_CLK_TCK"),
                sum(use.ru_utime + use.ru_stime for use in ours))

    def cores(self):
        wall, busy, ours = (b - a for a, b in zip(self.start, self._now()))
        return max(0.0, (busy - ours) / wall)


def measure(program, options, threads):
    """Our and the peer's results, taken in turns."""
    shape = [f"--prompt={','.join(map(str, options.prompt))}",
             f"--gen={','.join(map(str, options.gen))}",
             f"--depth={','.join(map(str, options.depth))}",
             f"--batch={','.join(map(str, options.batch))}"]
    longest = max(options.prompt + [d + g for d in options.depth for g in options.gen] + [16])
    ours, theirs = [], []
    rounds = min(options.rounds, options.repeat)
    for turn in range(rounds):
        repeat = f"--repeat={options.repeat * (turn + 1) // rounds - options.repeat * turn // rounds}"
        ours.append(run_json(program, "bench", *shape, repeat, "--json", "-t", threads,
                             "-c", longest))
        if options.peer.built():
            theirs.append(run_json(options.peer.python, options.peer.script, options.model,
                                   *shape, repeat, f"--threads={threads}"))
    return ours, theirs


def compare(ours, theirs, threads):
    """One thread count's rows."""
    dram = statistics.median(r["dram_gb_s"] for r in ours)
    dots = {dot["instruction"]: dot | {"gop_s": max(d["gop_s"] for r in ours for d in r["dot"]
                                                   if d["instruction"] == dot["instruction"])}
            for dot in ours[0]["dot"]}
    # What a run says of itself: the same in every turn.
    facts = {("prefill", x["tokens"], 0, 1): x for x in ours[0]["prefill"]}
    facts |= {("decode", x["gen"], x["depth"], x["batch"]): x for x in ours[0]["decode"]}
    peer, rows, drams = figures(theirs), [], bandwidths(ours)
    for key, runs in figures(ours).items():
        kind, tokens, depth, batch = key
        row = {"kind": kind, "tokens": tokens, "depth": depth, "batch": batch, "threads": threads,
               "tok_s": statistics.median(runs), "runs": runs}
        if key in peer:
            row["peer_tok_s"] = statistics.median(peer[key])
            row["peer_runs"] = peer[key]
            row["ratio"] = row["tok_s"] / row["peer_tok_s"]
        if size := facts[key].get("bytes_per_token"):
            row["bytes_per_token"] = size
            row["of_dram"] = statistics.median(size * run / 1e9 / around for run, around
                                               in zip(runs, drams[key], strict=True))
        if operations := facts[key].get("operations"):
            row["operations"] = operations
            limit = sum(n / dots[name]["gop_s"] / 1e9 for name, n in operations.items())
            row["of_dot"] = limit * row["tok_s"] / tokens
        rows.append(row)
    out = {"rows": rows, "dram_gb_s": dram, "dot": list(dots.values()), "peak_rss": max(r["peak_rss"] for r in ours)}
    if theirs:
        out["peer_peak_rss"] = max(r["peak_rss"] for r in theirs)
        out["peer"] = theirs[0]["system"]
    return out


def table(results, peer):
    lines = [f"{'':26}{'ours':>10}{peer.name:>11}{'ratio':>7}{'of DRAM':>9}{'of dot':>8}"]
    cell = lambda value, form: format(value, form) if value is not None else "-"  # noqa: E731
    for result in results:
        for r in result["rows"]:
            what = f"{r['kind']} {r['tokens']}" + (f" at {r['depth']}" if r["depth"] else "")
            what += f" x {r['batch']}" if r["batch"] > 1 else ""
            lines.append(f"{what + ', ' + str(r['threads']) + 't':26}{r['tok_s']:10.2f}"
                         f"{cell(r.get('peer_tok_s'), '.2f'):>11}{cell(r.get('ratio'), '.2f'):>7}"
                         f"{cell(r.get('of_dram'), '.0%'):>9}{cell(r.get('of_dot'), '.0%'):>8}")
        peaks = ", ".join(f"{dot['type']}: {dot['gop_s']:.0f} GOP/s" for dot in result["dot"])
        mib = lambda n: cell(n and n / 2**20, ".0f")  # noqa: E731
        memory = f"peak MiB, {result['rows'][0]['threads']}t"
        lines.append(f"{memory:26}{mib(result['peak_rss']):>10}"
                     f"{mib(result.get('peer_peak_rss')):>11}   (DRAM read: "
                     f"{result['dram_gb_s']:.1f} GB/s; {peaks}; others: {result['others']:.2f} cores)")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=lambda text: Path(text).resolve())
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--prompt", type=numbers, default=[512])
    parser.add_argument("--gen", type=numbers, default=[64])
    parser.add_argument("--depth", type=numbers, default=[0, 4096])
    parser.add_argument("--batch", type=numbers, default=[1], help="sequences that decode at once")
    parser.add_argument("--numeric", default="auto")
    parser.add_argument("--repeat", type=int, default=5, help="repetitions, over all turns")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each program")
    parser.add_argument("--peer", choices=PEERS, default="llama.cpp")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.peer = PEERS[options.peer]

    program = compiled(options.model, options.numeric)
    info = manifest(program)
    results = []
    for threads in options.threads:
        others = Others()
        ours, theirs = measure(program, options, threads)
        results.append(compare(ours, theirs, threads) | {"others": others.cores()})
    command = shlex.join(sys.argv)
    if options.json:
        print(json.dumps({"peer": options.peer.name, "command": command, "model": str(options.model),
                          "numeric": info["numeric"], "levels": info["levels"],
                          "results": results}))
        return
    print(f"{command}\n{info['name']}, {options.model.stat().st_size / 2**20:.0f} MiB; ours: "
          f"{info['numeric']}, {'/'.join(info['levels'])}; "
          f"medians of {options.repeat}, in {min(options.rounds, options.repeat)} turns; tokens/s")
    print(table(results, options.peer))
    if not options.peer.built():
        print(f"{options.peer.name} is not built: {options.peer.build}", file=sys.stderr)


if __name__ == "__main__":
    main()
