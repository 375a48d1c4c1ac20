#!/usr/bin/env python3
"""The speed tables of docs/performance.md, with what each row is asked to reach:

    test/bench/table.py dense smollm2=FILE q4_0=FILE q8_0=FILE bf16=FILE [--peer=openvino]
    test/bench/table.py moe olmoe=FILE deepseek=FILE qwen3=FILE
    test/bench/table.py limits q4_0=FILE q8_0=FILE bf16=FILE llama_q4_0=FILE

`dense` and `moe` are runs of compare.py (see there): tokens a second of both programs, taken in
turns, as ours / the peer's. `limits` is what `heddle explain --measure` says of the matrix products:
in decode, all their weights' bytes over their time, as a share of the memory's bandwidth then; in
prefill, the share of the dot product's peak of the slowest and of the fastest kernel. Each row's
figures, its peer's and its limits are of one run; models that are not named are left out. Prints
Markdown. Needs an idle machine.
"""

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from compare import HEDDLE, PEERS, Others, compare, compiled, measure


@dataclass
class Row:
    """One run of both programs, and the least ratio asked of it. `depth`, `batch` (sequences at
    once): decode only."""
    model: str
    threads: int
    prefill: dict  # tokens -> ratio, None: not asked
    decode: float  # None: not asked
    gen: int = 64
    depth: int = 0
    batch: int = 1


DENSE = [
    Row("smollm2", 1, {512: 5}, 1.6), Row("smollm2", 2, {512: 5}, 1.4),
    Row("q4_0", 1, {512: 1.8}, 1.2), Row("q4_0", 2, {512: 1.8}, 1.05),
    Row("q8_0", 1, {512: 2.1}, 1.2), Row("q8_0", 2, {512: 2.1}, 1.15),
    Row("bf16", 1, {512: 1.2}, 1.2), Row("bf16", 2, {512: 1.2}, 1.05),
    Row("q4_0", 2, {}, 1.6, depth=4096),
]
# OpenVINO is asked about where its prefill of four bits is the fastest known; its SmolLM2 does not keep
# Q4_1's minimum.
OPENVINO = [Row("smollm2", threads, {512: None}, None) for threads in (1, 2)] + [
    Row("q4_0", threads, {512: 1}, None) for threads in (1, 2)]
MOE = [Row(model, threads, {128: 2.5, 512: 2.5}, 1, gen=32)
       for model in ("olmoe", "deepseek", "qwen3") for threads in (1, 2)]
MOE += [Row("olmoe", 2, {}, 1.6 if batch == 32 else None, gen=32, batch=batch) for batch in (2, 4, 8, 32)]
MOE.append(Row("deepseek", 2, {}, 2.5, gen=32, depth=4096))
# Of the bandwidth; of an instruction's peak.
DECODE, PREFILL = 0.90, {"vpdpbusd": 0.65, "vdpbf16ps": 0.80}


def run(row, path, options):
    """compare.py's result for one row."""
    shape = SimpleNamespace(model=path, peer=PEERS[options.peer], prompt=list(row.prefill) or [16],
                            gen=[row.gen], depth=[row.depth], batch=[row.batch], repeat=options.repeat, rounds=options.rounds)
    others = Others()
    ours, theirs = measure(compiled(path, options.numeric), shape, row.threads)
    return compare(ours, theirs, row.threads) | {"others": others.cores()}


def cell(found, asked):
    text = f"{found['tok_s']:.4g}"
    if "ratio" in found:
        text += f" / {found['peer_tok_s']:.4g} = {found['ratio']:.2f}"
    if asked is not None:
        text += f" ({asked:g})" + (" **short**" if found.get("ratio", 0) < asked else "")
    return text


def speed(rows, models, options):
    sizes = sorted({size for row in rows for size in row.prefill})
    heads = ["model, threads", *[f"prefill {size}" for size in sizes], "of dot", "decode", "of DRAM", "peak MiB", "others"]
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for row in rows:
        if row.model not in models:
            continue
        result = run(row, models[row.model], options)
        found = {(r["kind"], r["tokens"]): r for r in result["rows"]}
        prefills = [found.get(("prefill", size)) if size in row.prefill else None for size in sizes]
        decode = found["decode", row.gen]
        dot = [r["of_dot"] for r in prefills if r and "of_dot" in r]
        share = lambda value: f"{value:.0%}" if value is not None else ""  # noqa: E731
        peaks = [result[key] for key in ("peak_rss", "peer_peak_rss") if key in result]
        what = (f" at {row.depth}" if row.depth else "") + (f" x {row.batch}" if row.batch > 1 else "")
        cells = [f"{row.model}{what}, {row.threads}",
                 *[cell(r, row.prefill[size]) if r else "" for r, size in zip(prefills, sizes, strict=True)],
                 share(dot[-1] if dot else None), cell(decode, row.decode), share(decode.get("of_dram")),
                 " / ".join(f"{peak / 2**20:.0f}" for peak in peaks), f"{result['others']:.2f}"]
        print("| " + " | ".join(cells) + " |", flush=True)


@dataclass
class Shares:
    """What one `heddle explain --measure` says of matrix products: decode's share of `dram` GB/s, and
    of prefill's kernels, by index, the share of the peak and the instruction."""
    dram: float
    of_dram: float
    kernels: dict
    names: dict


def measured(program, threads):
    done = subprocess.run([HEDDLE, "explain", program, "--measure", "--json", "-t", str(threads)],
                          check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    told = json.loads(done.stdout)
    products = {i: k for i, k in enumerate(told["kernels"]) if k["weight_bytes"] and "share" in k}
    streams = [k for k in products.values() if k["step"].startswith("decode")]
    size = sum(k["weight_bytes"] * k["times"] for k in streams)
    dram = next(step["dram_gb_s"] for step in told["steps"] if step["step"].startswith("decode"))
    # A head that only the last token needs reads more than it computes.
    prefill = {i: k for i, k in products.items() if k["step"].startswith("prefill") and not k["selected_rows"]
               and k["times"] > 1}
    return Shares(dram, size / sum(k["measured_us"] for k in streams) / 1e3 / dram,
                  {i: k["share"] for i, k in prefill.items()}, {i: k["instruction"] for i, k in prefill.items()})


def limits(models, options):
    heads = ["model, threads", "DRAM, GB/s", "decode, matrix products of DRAM", "prefill, kernels of the peak"]
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for name, path in models.items():
        program = compiled(path, options.numeric)
        for threads in (1, 2):
            runs = [measured(program, threads) for _ in range(options.runs)]
            of_dram = statistics.median(run.of_dram for run in runs)
            text = f"{of_dram:.0%} ({DECODE:.0%})" + (" **short**" if of_dram < DECODE else "")
            parts = []
            for word, asked in PREFILL.items():
                shares = sorted(statistics.median(run.kernels[index] for run in runs)
                                for index, name_ in runs[0].names.items() if word in name_)
                if shares:
                    parts.append(f"{word} {shares[0]:.0%} to {shares[-1]:.0%} ({asked:.0%})"
                                 + (" **short**" if shares[0] < asked else ""))
            dram = " ".join(f"{run.dram:.0f}" for run in runs)
            print(f"| {name}, {threads} | {dram} | {text} | {', '.join(parts)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=("dense", "moe", "limits"))
    parser.add_argument("models", nargs="+", metavar="NAME=FILE")
    parser.add_argument("--numeric", default="auto")
    parser.add_argument("--repeat", type=int, default=4, help="repetitions, over all turns")
    parser.add_argument("--runs", type=int, default=3, help="of `limits`, whose medians are printed")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each program")
    parser.add_argument("--peer", choices=PEERS, default="llama.cpp")
    options = parser.parse_args()
    rows = {"dense": OPENVINO if options.peer == "openvino" else DENSE, "moe": MOE, "limits": None}[options.table]
    known = {row.model for row in rows} if rows else None
    models = {}
    for text in options.models:
        name, _, file = text.partition("=")
        if known and name not in known:
            parser.error(f"model = {name}, the table has {', '.join(sorted(known))}")
        models[name] = Path(file).resolve()
    if not PEERS[options.peer].built() and rows:
        sys.exit(f"{options.peer} is not built: {PEERS[options.peer].build}")
    if rows:
        speed(rows, models, options)
    else:
        limits(models, options)


if __name__ == "__main__":
    main()
