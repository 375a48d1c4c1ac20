"""llama.cpp's half of a comparison, run by the Python of build/peer:

    peer.py MODEL.gguf --threads=N --prompt=512 --gen=64 --depth=0,4096 --repeat=5

Prints one JSON object of the form of `PROG bench --json`. Only llama_decode and
llama_synchronize are timed, so Python is not.
"""

import argparse
import ctypes
import json
import resource
import statistics
import sys
import time

import llama_cpp.llama_cpp as api

BATCH = 512


def numbers(text):
    return [int(number) for number in text.split(",")]


@api.llama_log_callback
def log(level, text, _):
    if level == 4:  # GGML_LOG_LEVEL_ERROR
        sys.stderr.write(text.decode(errors="replace"))


class Peer:
    def __init__(self, model, threads, context):
        api.llama_log_set(log, None)
        api.llama_backend_init()
        start = time.perf_counter()
        self.model = api.llama_model_load_from_file(model.encode(),
                                                    api.llama_model_default_params())
        if not self.model:
            sys.exit(f"llama.cpp cannot load {model}")
        # Its defaults, but for these: an f16 cache, flash attention where it helps.
        params = api.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = context, BATCH, BATCH
        params.n_threads = params.n_threads_batch = threads
        self.context = api.llama_init_from_model(self.model, params)
        if not self.context:
            sys.exit(f"llama.cpp has no context of {context} for {model}")
        self.load = time.perf_counter() - start
        self.memory = api.llama_get_memory(self.context)
        vocab = api.llama_vocab_n_tokens(api.llama_model_get_vocab(self.model))
        # The ids that our half feeds; that they are the same does not matter.
        state, self.ids = 1, (api.llama_token * context)()
        for i in range(context):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            self.ids[i] = (state >> 33) % vocab

    def rewind(self, position):
        api.llama_memory_seq_rm(self.memory, 0, position, -1)

    def feed(self, first, count, step):
        """Decodes ids [first, first + count), `step` a call; gives the seconds."""
        seconds = 0.0
        for at in range(first, first + count, step):
            size = min(step, first + count - at)
            ids = ctypes.cast(ctypes.byref(self.ids, at * ctypes.sizeof(api.llama_token)),
                              ctypes.POINTER(api.llama_token))
            batch = api.llama_batch_get_one(ids, size)
            start = time.perf_counter()
            status = api.llama_decode(self.context, batch)
            api.llama_synchronize(self.context)
            seconds += time.perf_counter() - start
            if status:
                sys.exit(f"llama_decode failed with {status}")
        return seconds


def speeds(count, runs, **more):
    return {"tok_s": count / statistics.median(runs), "runs": [count / s for s in runs], **more}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, required=True)
    for name in ("prompt", "gen", "depth"):
        parser.add_argument(f"--{name}", type=numbers, required=True)
    parser.add_argument("--repeat", type=int, required=True)
    options = parser.parse_args()
    longest = max(options.prompt + [d + g for d in options.depth for g in options.gen] + [16])
    peer = Peer(options.model, options.threads, longest)
    out = {"prefill": [], "decode": [], "threads": options.threads, "load_s": peer.load}
    peer.feed(0, 16, BATCH)  # untimed: reads the weights, as our half does
    for prompt in options.prompt:
        runs = []
        for _ in range(options.repeat):
            peer.rewind(0)
            runs.append(peer.feed(0, prompt, BATCH))
        out["prefill"].append(speeds(prompt, runs, tokens=prompt))
    for depth in options.depth:
        peer.rewind(0)
        peer.feed(0, depth, BATCH)
        for gen in options.gen:
            runs = []
            for _ in range(options.repeat):
                peer.rewind(depth)
                runs.append(peer.feed(depth, gen, 1))
            out["decode"].append(speeds(gen, runs, gen=gen, depth=depth, batch=1))
    out["peak_rss"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    out["system"] = api.llama_print_system_info().decode()
    print(json.dumps(out))


if __name__ == "__main__":
    main()
