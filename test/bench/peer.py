"""llama.cpp's half of a comparison (peer_common.py), run by the Python of build/peer. Only
llama_decode and llama_synchronize are timed, so Python is not.
"""

import ctypes
import sys
import time

import llama_cpp.llama_cpp as api

import peer_common

BATCH = 512


@api.llama_log_callback
def log(level, text, _):
    if level == 4:  # GGML_LOG_LEVEL_ERROR
        sys.stderr.write(text.decode(errors="replace"))


class Peer:
    def __init__(self, model, threads, context):
        api.llama_log_set(log, None)
        api.llama_backend_init()
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
        self.memory = api.llama_get_memory(self.context)
        vocab = api.llama_vocab_n_tokens(api.llama_model_get_vocab(self.model))
        self.ids = (api.llama_token * context)(*peer_common.token_ids(context, vocab))

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

    def prefill(self, count):
        self.rewind(0)
        return self.feed(0, count, BATCH)

    def fill(self, depth):
        self.rewind(0)
        self.feed(0, depth, BATCH)

    def decode(self, depth, count):
        self.rewind(depth)
        return self.feed(depth, count, 1)

    def system(self):
        return api.llama_print_system_info().decode()


if __name__ == "__main__":
    peer_common.run(Peer)
