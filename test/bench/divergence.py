#!/usr/bin/env python3
"""How far the numeric modes are from f32, beside llama.cpp, on one model file:

    test/bench/divergence.py MODEL.gguf [--modes=a8] [--windows=4] [--json]

Texts are two files that Debian 12 always has (a licence, a Python module), cut into windows
of 512 tokens that each start afresh. Printed is the mean over positions of the
Kullback-Leibler divergence of next-token distributions from our f32 program's, in nats, the
share of positions with the same most likely token, and the divergence of negative
log-likelihoods. llama.cpp (test/bench/build_peer.sh) computes the same tokens with its f16
cache and with an f32 cache, which is the type of ours.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from compare import PEERS, compiled

TEXTS = ("/usr/share/common-licenses/GPL-3", "/usr/lib/python3.11/argparse.py")
WINDOW = 512


def windows(program, count):
    """Lists of token ids, as many from each text."""
    found = []
    for text in TEXTS:
        done = subprocess.run([program, "tokenize", f"--file={text}"], check=True, capture_output=True, text=True)
        ids = [int(i) for i in done.stdout.split(",")]
        found += [ids[i * WINDOW:(i + 1) * WINDOW] for i in range(count // len(TEXTS))]
    return found


def score(program, ids):
    with tempfile.TemporaryDirectory() as directory:
        tokens, out = Path(directory, "tokens.npy"), Path(directory, "logits.npy")
        np.save(tokens, np.array(ids, np.int32))
        subprocess.run([program, "score", f"--tokens-file={tokens}", f"--out={out}"], check=True, capture_output=True)
        return np.load(out)


def peer_score(model, ids, cache):
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory, "logits.npy")
        subprocess.run([PEERS["llama.cpp"].python, Path(__file__).with_name("peer_logits.py"), model, ",".join(map(str, ids)), cache, out],
                       check=True, capture_output=True)
        return np.load(out)


def log_softmax(logits):
    x = logits.astype(np.float64)
    x -= x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=lambda text: Path(text).resolve())
    parser.add_argument("--modes", type=lambda text: text.split(","), default=["a8"])
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    f32 = compiled(options.model, "f32")
    sources = {mode: (lambda ids, mode=mode: score(compiled(options.model, mode), ids)) for mode in options.modes}
    if PEERS["llama.cpp"].built():
        for cache in ("f32", "f16"):
            sources[f"llama.cpp, {cache} cache"] = lambda ids, cache=cache: peer_score(options.model, ids, cache)
    sums = {name: [] for name in sources}
    for ids in windows(f32, options.windows):
        exact = log_softmax(score(f32, ids))
        for name, source in sources.items():
            found = log_softmax(source(ids))
            divergence = (np.exp(exact) * (exact - found)).sum(axis=1)
            top = exact.argmax(axis=1) == found.argmax(axis=1)
            after = np.arange(len(ids) - 1), np.array(ids[1:])
            sums[name].append((divergence.mean(), top.mean(), (exact[:-1][after] - found[:-1][after]).mean()))
    rows = {name: dict(zip(("kl", "same_top", "nll_change"), map(float, np.mean(s, axis=0)))) for name, s in sums.items()}
    if options.json:
        print(json.dumps({"command": shlex.join(sys.argv), "rows": rows}))
        return
    print(f"{shlex.join(sys.argv)}\n{'':24}{'mean KL':>12}{'same top':>10}{'NLL':>10}")
    for name, row in rows.items():
        print(f"{name:24}{row['kl']:12.6f}{row['same_top']:10.2%}{row['nll_change']:+10.4f}")


main()
