"""Writes a small llama-family GGUF of seeded random weights.

The file is the truth: its q and k rows are in GGUF's order (rotary pairs are
neighbours) and no other form of the weights exists. For other families
`export` writes a small model of transformers. As a program:

    python tiny_gguf.py OUT [SEED]
"""

import sys
from dataclasses import dataclass, field

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

_FILE_TYPE = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9,
              "Q4_K": 15, "Q5_K": 17, "Q6_K": 18, "IQ4_NL": 25, "BF16": 32, "MXFP4": 38}


@dataclass(frozen=True)
class Tiny:
    layers: int = 2
    hidden: int = 64
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 16
    ff: int = 96
    vocab: int = 320
    encoding: str = "F32"
    other: dict = field(default_factory=dict)  # the encoding of matrices by name
    tied: bool = True
    rope_freqs: bool = False
    context: int = 256
    seed: int = 0


def random_blocks(rng, kind, rows, columns):
    """Blocks of a K format or IQ4_NL, which gguf does not quantise: bits of every kind, with f16
    scales that make the values about as large as those of `matrix`."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (rows, columns // elements, size), np.uint8)
    # Deviation of scale * code with d = 1, and the mean that the minimum takes off.
    # And where d is.
    deviation, mean, at = {Type.Q4_K: (257, 7.5, 0), Type.Q5_K: (530, 15.5, 0),
                           Type.Q6_K: (1370, None, 208), Type.IQ4_NL: (70, None, 0)}[kind]
    d = rng.uniform(0.5, 1.5, blocks.shape[:2]) / (deviation * np.sqrt(columns))

    def put(values, at):
        blocks[:, :, at:at + 2] = values.astype("<f2")[..., None].view(np.uint8)

    put(d, at)
    if mean:
        put(mean * d, 2)
    return blocks.reshape(rows, -1)


def write(path, model, vocab_from=None):
    """Writes `model` to `path`. `vocab_from`: a GGUF whose byte-level BPE
    tokenizer is cut to the vocabulary; without it the file has no tokenizer."""
    rng = np.random.default_rng(model.seed)
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name(f"tiny-{model.encoding.lower()}")
    writer.add_block_count(model.layers)
    writer.add_context_length(model.context)
    writer.add_embedding_length(model.hidden)
    writer.add_feed_forward_length(model.ff)
    writer.add_head_count(model.heads)
    writer.add_head_count_kv(model.kv_heads)
    writer.add_key_length(model.head_dim)
    writer.add_value_length(model.head_dim)
    writer.add_rope_dimension_count(model.head_dim)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(model.vocab)
    writer.add_file_type(_FILE_TYPE[model.encoding])
    if vocab_from is not None:
        _cut_tokenizer(writer, vocab_from, model.vocab)

    def matrix(name, rows, columns):
        # Deviation 1/sqrt(columns): activations neither vanish nor explode.
        values = rng.standard_normal((rows, columns), dtype=np.float32) / np.sqrt(columns)
        values = values.astype(np.float32)
        kind = Type[model.other.get(name.removesuffix(".weight"), model.encoding)]
        # A row that is no whole number of blocks is F16, as quantizers do it.
        if columns % gguf.GGML_QUANT_SIZES[kind][0]:
            kind = Type.F16
        if kind in (Type.F32, Type.F16):
            writer.add_tensor(name, values.astype(np.float16 if kind == Type.F16 else np.float32))
        elif kind in (Type.Q4_K, Type.Q5_K, Type.Q6_K, Type.IQ4_NL):
            writer.add_tensor(name, random_blocks(rng, kind, rows, columns), raw_dtype=kind)
        else:
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)

    def gain(name):
        values = 1 + 0.1 * rng.standard_normal(model.hidden, dtype=np.float32)
        writer.add_tensor(name, values.astype(np.float32))

    matrix("token_embd.weight", model.vocab, model.hidden)
    if model.rope_freqs:
        writer.add_tensor("rope_freqs.weight",
                          np.linspace(1, 8, model.head_dim // 2, dtype=np.float32))
    for i in range(model.layers):
        gain(f"blk.{i}.attn_norm.weight")
        matrix(f"blk.{i}.attn_q.weight", model.heads * model.head_dim, model.hidden)
        matrix(f"blk.{i}.attn_k.weight", model.kv_heads * model.head_dim, model.hidden)
        matrix(f"blk.{i}.attn_v.weight", model.kv_heads * model.head_dim, model.hidden)
        matrix(f"blk.{i}.attn_output.weight", model.hidden, model.heads * model.head_dim)
        gain(f"blk.{i}.ffn_norm.weight")
        matrix(f"blk.{i}.ffn_gate.weight", model.ff, model.hidden)
        matrix(f"blk.{i}.ffn_up.weight", model.ff, model.hidden)
        matrix(f"blk.{i}.ffn_down.weight", model.hidden, model.ff)
    gain("output_norm.weight")
    if not model.tied:
        matrix("output.weight", model.vocab, model.hidden)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def export(model, path, encoding="F32", leave_out=(), split=True, others=None, **more):
    """Writes a transformers model in the conventions of llama.cpp's converter, less
    the tensors `leave_out`, and gives the model the values that the file has in
    `encoding`, or in `others` what is not of experts. `split`: keys and values of latent attention are two tensors. `more`: metadata under the architecture, dots as `__`."""
    config, arch = model.config, model.config.model_type
    is_llama = arch in ("llama", "mistral", "mixtral")
    permuted = is_llama or arch == "deepseek"
    latent = arch in ("deepseek_v2", "deepseek_v3")
    arch = "deepseek2" if latent else "llama" if is_llama else arch.replace("_moe", "moe").replace("gpt_oss", "gpt-oss")
    writer = gguf.GGUFWriter(str(path), arch)
    writer.add_name(f"tiny-{arch}")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(1 if latent and split else config.num_key_value_heads)
    if latent:
        _add_latent(writer, config, split)
    elif getattr(config, "head_dim", None):
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    _add_scaling(writer, config)
    if getattr(config, "sliding_window", None):
        writer.add_sliding_window(config.sliding_window)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_file_type(_FILE_TYPE[encoding])
    if hasattr(config, "num_experts_per_tok"):
        writer.add_expert_count(config.n_routed_experts if arch.startswith("deepseek") else config.num_experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
    if arch in ("qwen2moe", "qwen3moe", "deepseek", "deepseek2"):
        writer.add_expert_feed_forward_length(config.moe_intermediate_size)
    if arch == "gpt-oss":
        writer.add_expert_feed_forward_length(config.intermediate_size)
    if arch == "deepseek":
        writer.add_expert_shared_count(config.n_shared_experts)
        writer.add_expert_weights_scale(1.0)
        writer.add_leading_dense_block_count(config.first_k_dense_replace)
        writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    if arch == "qwen2moe":
        writer.add_expert_shared_feed_forward_length(config.shared_expert_intermediate_size)
    for key, value in more.items():
        add = writer.add_uint32 if isinstance(value, int) else writer.add_string
        add(f"{arch}.{key.replace('__', '.')}", value)
    from tiny_hf import tensors
    for name, parameter in (part for n, p in tensors(model) for part in _parts(model, config, n, p, split)):
        if name.endswith("ffn_gate_inp_shexp.weight"):
            parameter = parameter.flatten()
        values = np.ascontiguousarray(parameter.numpy())
        plain = values.ndim == 1 or name.endswith(("ffn_gate_inp.weight", ".bias"))
        kind = Type.F32 if plain else Type[encoding if "_exps" in name or not others else others]
        stored = gguf.quants.quantize(values, kind)
        parameter.copy_(type(parameter)(gguf.quants.dequantize(stored, kind)))
        heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(name.split(".")[-2])
        if permuted and heads:  # the halves of each head's rows alternate
            rows = stored.reshape(heads, 2, stored.shape[0] // heads // 2, -1)
            stored = np.ascontiguousarray(rows.swapaxes(1, 2)).reshape(stored.shape)
        if name not in leave_out:
            writer.add_tensor(name, stored, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_latent(writer, config, split):
    rank, rotated, heads = config.kv_lora_rank, config.qk_rope_head_dim, config.qk_nope_head_dim + config.qk_rope_head_dim
    if config.q_lora_rank:
        writer.add_q_lora_rank(config.q_lora_rank)
    writer.add_kv_lora_rank(rank)
    writer.add_key_length(rank + rotated if split else heads)
    writer.add_value_length(rank if split else config.v_head_dim)
    if split:
        writer.add_key_length_mla(heads)
        writer.add_value_length_mla(config.v_head_dim)
    writer.add_rope_dimension_count(rotated)
    writer.add_leading_dense_block_count(config.first_k_dense_replace)
    writer.add_expert_shared_count(config.n_shared_experts)
    writer.add_expert_weights_scale(config.routed_scaling_factor)
    if config.model_type == "deepseek_v3":
        writer.add_expert_weights_norm(config.norm_topk_prob)
        writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
    if config.n_group and config.n_group > 1:
        writer.add_expert_group_count(config.n_group)
        writer.add_expert_group_used_count(config.topk_group)
    if scale := config.rope_parameters.get("mscale_all_dim"):
        writer.add_rope_scaling_yarn_log_mul(0.1 * scale)


def _parts(model, config, name, p, split):
    """kv_b as it is, or its keys as columns and its values."""
    if not split or not name.endswith("attn_kv_b.weight"):
        return [(name, p)]
    heads = p.view(config.num_attention_heads, -1, config.kv_lora_rank)
    plain = config.qk_nope_head_dim
    return [(name.replace("kv_b", "k_b"), heads[:, :plain].transpose(1, 2)),
            (name.replace("kv_b", "v_b"), heads[:, plain:])]


def _add_scaling(writer, config):
    rope = config.rope_parameters
    kind = rope["rope_type"]
    dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if kind in ("linear", "yarn"):
        writer.add_rope_scaling_type(gguf.RopeScalingType(kind))
        writer.add_rope_scaling_factor(rope["factor"])
    if kind == "yarn":
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if kind == "longrope":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        writer.add_rope_scaling_attn_factors(rope["attention_factor"])
        for name in ("short", "long"):
            writer.add_tensor(f"rope_factors_{name}.weight", np.array(rope[f"{name}_factor"], np.float32))
    if kind == "llama3":  # as divisors of each frequency
        from tiny_hf import rope64
        plain = rope["rope_theta"] ** (-2.0 * np.arange(dim // 2) / dim)
        writer.add_tensor("rope_freqs.weight", (plain / rope64(config)[0]).astype(np.float32))


def _cut_tokenizer(writer, source, vocab):
    fields = gguf.GGUFReader(str(source)).fields
    get = lambda key: fields["tokenizer.ggml." + key].contents()  # noqa: E731
    tokens = get("tokens")[:vocab]
    assert len(tokens) == vocab, "the vocabulary to cut is too small"
    known = set(tokens)
    merges = [m for m in get("merges")
              if all(part in known for part in (*m.split(" "), m.replace(" ", "")))]
    writer.add_tokenizer_model(get("model"))
    writer.add_tokenizer_pre(get("pre"))
    writer.add_token_list(tokens)
    writer.add_token_types(get("token_type")[:vocab])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(get("bos_token_id"))
    writer.add_eos_token_id(get("eos_token_id"))


if __name__ == "__main__":
    write(sys.argv[1], Tiny(seed=int(sys.argv[2]) if len(sys.argv) > 2 else 0))
