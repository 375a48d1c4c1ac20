"""llama.cpp's logits of every position, run by the Python of build/peer:

    peer_logits.py MODEL.gguf IDS f16|f32 OUT.npy      (IDS comma-separated)
"""

import ctypes
import sys

import llama_cpp.llama_cpp as api
import numpy as np


def main(model, ids, cache, out):
    ids = [int(i) for i in ids.split(",")]
    api.llama_backend_init()
    loaded = api.llama_model_load_from_file(model.encode(), api.llama_model_default_params())
    params = api.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = max(len(ids), 32)
    params.type_k = params.type_v = {"f16": 1, "f32": 0}[cache]
    context = api.llama_init_from_model(loaded, params)
    batch = api.llama_batch_init(len(ids), 0, 1)
    batch.n_tokens = len(ids)
    for i, token in enumerate(ids):
        batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, i, 1
        batch.seq_id[i][0], batch.logits[i] = 0, 1
    if status := api.llama_decode(context, batch):
        sys.exit(f"llama_decode failed with {status}")
    vocab = api.llama_vocab_n_tokens(api.llama_model_get_vocab(loaded))
    rows = [np.ctypeslib.as_array(api.llama_get_logits_ith(context, i), (vocab,)).copy() for i in range(len(ids))]
    np.save(out, np.stack(rows))


main(*sys.argv[1:])
