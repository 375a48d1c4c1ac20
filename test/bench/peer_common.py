"""What the peers' halves of a comparison share: arguments, token ids, the runs.

    PEER.py MODEL --threads=N --prompt=512 --gen=64 --depth=0,4096 --batch=1 --repeat=5

A peer is a class of (model, threads, context, sequences): `prefill(count)` and
`decode(depth, count, batch)` give the seconds of one run from an empty cache, and of `count`
steps after `depth` positions, each of one token of each of `batch` sequences;
`fill(depth, batch)` is called once before the runs of a depth, and `system()` says what ran. Printed is one JSON object of the form of `PROG bench --json`.
"""

import argparse
import json
import resource
import statistics
import time

UNSUPPORTED = 4  # the exit status of a peer that does not take the model


def numbers(text):
    return [int(number) for number in text.split(",")]


def token_ids(count, vocab):
    """The ids that our half feeds; that they are the same does not matter."""
    state, ids = 1, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        ids.append((state >> 33) % vocab)
    return ids


def speeds(count, runs, **more):
    return {"tok_s": count / statistics.median(runs), "runs": [count / s for s in runs], **more}


def run(peer_class):
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, required=True)
    for name in ("prompt", "gen", "depth"):
        parser.add_argument(f"--{name}", type=numbers, required=True)
    parser.add_argument("--batch", type=numbers, default=[1])
    parser.add_argument("--repeat", type=int, required=True)
    options = parser.parse_args()
    longest = max(options.prompt + [d + g for d in options.depth for g in options.gen] + [16])
    start = time.perf_counter()
    peer = peer_class(options.model, options.threads, longest, max(options.batch))
    out = {"prefill": [], "decode": [], "threads": options.threads, "load_s": time.perf_counter() - start}
    peer.prefill(16)  # untimed: reads the weights, as our half does
    for prompt in options.prompt:
        out["prefill"].append(speeds(prompt, [peer.prefill(prompt) for _ in range(options.repeat)],
                                     tokens=prompt))
    for depth in options.depth:
        peer.fill(depth, max(options.batch))
        for batch in options.batch:
            for gen in options.gen:
                runs = [peer.decode(depth, gen, batch) for _ in range(options.repeat)]
                out["decode"].append(speeds(gen * batch, runs, gen=gen, depth=depth, batch=batch))
    out["peak_rss"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    out["system"] = peer.system()
    print(json.dumps(out))
