"""llama.cpp's half of a comparison (peer_common.py), run by the Python of build/peer. Only
llama_decode and llama_synchronize are timed, so Python is not.
"""

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
    def __init__(self, model, threads, context, sequences):
        api.llama_log_set(log, None)
        api.llama_backend_init()
        self.model = api.llama_model_load_from_file(model.encode(),
                                                    api.llama_model_default_params())
        if not self.model:
            sys.exit(f"llama.cpp cannot load {model}")
        # Its defaults, but for these: an f16 cache, flash attention where it helps.
        params = api.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = context * sequences, BATCH, BATCH
        params.n_seq_max = sequences
        params.n_threads = params.n_threads_batch = threads
        self.context = api.llama_init_from_model(self.model, params)
        if not self.context:
            sys.exit(f"llama.cpp has no context of {context} for {model}")
        self.memory = api.llama_get_memory(self.context)
        vocab = api.llama_vocab_n_tokens(api.llama_model_get_vocab(self.model))
        self.ids = peer_common.token_ids(context + sequences, vocab)
        self.batch = api.llama_batch_init(max(BATCH, sequences), 0, 1)

    def rewind(self, position, sequence=0):
        api.llama_memory_seq_rm(self.memory, sequence, position, -1)

    def step(self, tokens):
        """Decodes (position, sequence, whether its logits are wanted) of some tokens at once; gives the seconds."""
        batch = self.batch
        batch.n_tokens = len(tokens)
        for i, (position, sequence, wanted) in enumerate(tokens):
            batch.token[i], batch.pos[i] = self.ids[position + sequence], position
            batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = 1, sequence, wanted
        start = time.perf_counter()
        status = api.llama_decode(self.context, batch)
        api.llama_synchronize(self.context)
        seconds = time.perf_counter() - start
        if status:
            sys.exit(f"llama_decode failed with {status}")
        return seconds

    def prompt(self, count, sequence=0):
        self.rewind(0, sequence)
        return sum(self.step([(i, sequence, i == count - 1) for i in range(at, min(at + BATCH, count))])
                   for at in range(0, count, BATCH))

    def prefill(self, count):
        return self.prompt(count)

    def fill(self, depth, batch):
        for sequence in range(batch):
            self.prompt(depth, sequence)

    def decode(self, depth, count, batch):
        for sequence in range(batch):
            self.rewind(depth, sequence)
        return sum(self.step([(position, sequence, True) for sequence in range(batch)])
                   for position in range(depth, depth + count))

    def system(self):
        return api.llama_print_system_info().decode()


if __name__ == "__main__":
    peer_common.run(Peer)
