"""Writes directories of safetensors, right ones and broken ones."""

import json
import struct

SIZES = {"F32": 4, "F16": 2, "BF16": 2, "I32": 4, "F64": 8}

# A llama of one layer and 24 tokens.
CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 24, "hidden_size": 8,
    "intermediate_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
    "head_dim": 4, "hidden_act": "silu", "max_position_embeddings": 64, "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0, "tie_word_embeddings": False, "attention_bias": False, "bos_token_id": 1,
    "eos_token_id": 2, "initializer_range": 0.02, "attention_dropout": 0.0,
}
_LAYER = {"input_layernorm": [8], "self_attn.q_proj": [8, 8], "self_attn.k_proj": [8, 8],
          "self_attn.v_proj": [8, 8], "self_attn.o_proj": [8, 8], "post_attention_layernorm": [8],
          "mlp.gate_proj": [12, 8], "mlp.up_proj": [12, 8], "mlp.down_proj": [8, 12]}
SHAPES = {"model.embed_tokens.weight": [24, 8], "model.norm.weight": [8], "lm_head.weight": [24, 8],
          **{f"model.layers.0.{stem}.weight": shape for stem, shape in _LAYER.items()}}


def entries(shapes, dtype="F32"):
    """The header's members of tensors that lie one behind the other, and their bytes."""
    at, members = 0, {}
    for name, shape in shapes.items():
        size = SIZES[dtype]
        for n in shape:
            size *= n
        members[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    return members, bytes(i * 37 % 251 % 64 for i in range(at))


def safetensors(header, data, length=None):
    """A file; `header`: members, or text as bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def model(path, config=None, files=None, **changes):
    """A directory: CONFIG with `changes`, or `config` as bytes; `files` beside or instead."""
    path.mkdir(exist_ok=True)
    files = dict(files or {})
    if "model.safetensors" not in files and "model.safetensors.index.json" not in files:
        files["model.safetensors"] = safetensors(*entries(SHAPES))
    files["config.json"] = config if config is not None else json.dumps(CONFIG | changes).encode()
    for name, content in files.items():
        if content is not None:
            (path / name).write_bytes(content)
    return path
