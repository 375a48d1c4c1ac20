"""Small random models of transformers, and what their rotary positions are in float64."""

import json
import math

import gguf
import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, DeepseekV2Config, LlamaConfig
from transformers.integrations.mxfp4 import convert_moe_packed_tensors
from transformers.models.deepseek_v2.modeling_deepseek_v2 import DeepseekV2Moe


def randomize(model, seed):
    """Weights under which every tensor matters: transformers starts biases at 0
    and gains at 1."""
    torch.manual_seed(seed)
    for name, p in model.named_parameters():
        if p.ndim >= 2:
            p.data = torch.randn_like(p) / p.shape[-1] ** 0.5
        else:
            p.data = 0.3 * torch.randn_like(p) + (0 if name.endswith("bias") else 1)


def make(kind, seed, hidden=64, heads=4, kv_heads=2, ff=96, tied=False, rope=None, context=256, **more):
    """A model of two layers in float32. `rope`: rope_parameters beside a theta of 1e4."""
    config = kind(vocab_size=331, hidden_size=hidden, intermediate_size=ff,
                  num_hidden_layers=more.pop("layers", 2), num_attention_heads=heads, num_key_value_heads=kv_heads,
                  tie_word_embeddings=tied, max_position_embeddings=context, rms_norm_eps=1e-6,
                  rope_parameters={"rope_type": "default", "rope_theta": 1e4, **(rope or {})}, **more)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    randomize(model, seed)
    return model


class Nothing(torch.nn.Module):
    def forward(self, x):
        return torch.zeros_like(x)


def make_deepseek(seed, experts=6, used=3, width=40, shared=2, dense=1, **more):
    """A DeepSeek-MoE (v1), which transformers has no class of: its llama, with the units of
    all but the first `dense` layers those of its DeepSeek-V2."""
    model = make(LlamaConfig, seed, **more)
    # Without shared experts: modules that give nothing.
    units = DeepseekV2Config(hidden_size=model.config.hidden_size, moe_intermediate_size=width, n_routed_experts=experts,
                             num_experts_per_tok=used, n_shared_experts=shared or 1, n_group=1, topk_group=1,
                             topk_method="greedy", routed_scaling_factor=1.0, norm_topk_prob=False)
    for layer in model.model.layers[dense:]:
        layer.mlp = DeepseekV2Moe(units).eval()
        if not shared:
            layer.mlp.shared_experts = Nothing()
    randomize(model, seed)
    model.config.model_type = "deepseek"
    for key, value in dict(n_routed_experts=experts, num_experts_per_tok=used, moe_intermediate_size=width,
                           n_shared_experts=shared, first_k_dense_replace=dense, moe_layer_freq=1,
                           scoring_func="softmax", norm_topk_prob=False).items():
        setattr(model.config, key, value)
    return model


def save_deepseek(model, path):
    """The directory that DeepSeek published it as: a tensor an expert, code of its own."""
    stored = {}
    for name, p in model.state_dict().items():
        stem, found, part = name.partition(".experts.")
        if not found:
            stored[name] = p.contiguous()
            continue
        for e, rows in enumerate(p):
            parts = zip(("gate", "up"), rows.chunk(2)) if part == "gate_up_proj" else [("down", rows)]
            stored |= {f"{stem}.experts.{e}.{which}_proj.weight": r.contiguous() for which, r in parts}
    path.mkdir()
    save_file(stored, path / "model.safetensors", {"format": "pt"})
    config = model.config.to_dict() | {"architectures": ["DeepseekForCausalLM"], "model_type": "deepseek",
                                       "auto_map": {"AutoModelForCausalLM": "modeling_deepseek.DeepseekForCausalLM"}}
    (path / "config.json").write_text(json.dumps(config))
    return path


def to_blocks(values):
    """Rows in MXFP4 (gguf quantizes them) as gpt-oss stores them: codes whose neighbours share
    a byte, and scales."""
    stored = gguf.quants.quantize(values.reshape(-1, values.shape[-1]).numpy(), gguf.GGMLQuantizationType.MXFP4)
    stored = stored.reshape(*values.shape[:-1], -1, 17)
    codes = np.concatenate((stored[..., 1:] & 15, stored[..., 1:] >> 4), -1)
    return (torch.from_numpy(codes[..., ::2] | codes[..., 1::2] << 4),
            torch.from_numpy(np.ascontiguousarray(stored[..., 0])))


def save_gpt_oss(model, path):
    """The directory that OpenAI published it as, with experts in MXFP4. Gives the model their
    values, by transformers."""
    stored = {}
    for name, p in model.state_dict().items():
        if not name.endswith(("gate_up_proj", "down_proj")):
            stored[name] = p.contiguous()
            continue
        blocks, scales = to_blocks(p.transpose(1, 2))
        p.copy_(convert_moe_packed_tensors(blocks, scales, dtype=torch.float32))
        stored |= {f"{name}_blocks": blocks, f"{name}_scales": scales}
    model.save_pretrained(path)
    save_file(stored, path / "model.safetensors", {"format": "pt"})
    change_config(quantization_config={"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn"]},
                  initial_context_length=64, experts_per_token=model.config.num_experts_per_tok)(path)
    return path


def tensors(model):
    """(name in a GGUF, parameter or a view of one) of a model, its experts as GGUF
    stacks them."""
    arch = {"qwen2_moe": gguf.MODEL_ARCH.QWEN2MOE, "qwen3_moe": gguf.MODEL_ARCH.QWEN3MOE,
            "deepseek": gguf.MODEL_ARCH.DEEPSEEK, "deepseek_v2": gguf.MODEL_ARCH.DEEPSEEK2,
            "deepseek_v3": gguf.MODEL_ARCH.DEEPSEEK2, "olmoe": gguf.MODEL_ARCH.OLMOE,
            "gpt_oss": gguf.MODEL_ARCH.GPT_OSS, "mixtral": gguf.MODEL_ARCH.LLAMA}.get(
                model.config.model_type, gguf.MODEL_ARCH.QWEN3)
    names = gguf.get_tensor_name_map(arch, model.config.num_hidden_layers)
    # A tied head is not named; a router's bias is a buffer.
    biases = [(name, p) for name, p in model.named_buffers() if name.endswith("e_score_correction_bias")]
    for name, p in [*model.named_parameters(), *biases]:
        p = p.detach()
        if name.endswith("e_score_correction_bias"):
            yield f"blk.{name.split('.')[2]}.exp_probs_b.bias", p
            continue
        if name.endswith("sinks"):
            yield f"blk.{name.split('.')[2]}.attn_sinks.weight", p
            continue
        if ".experts." not in name:
            # A router is called as the gate of a unit in some of gguf's tables.
            # The unit of a dense layer is in none of some models with experts.
            unit = {f".mlp.{long}.weight": short for long, short in (
                ("gate", "ffn_gate_inp"), ("gate_proj", "ffn_gate"), ("up_proj", "ffn_up"), ("down_proj", "ffn_down"))}
            found = next((short for long, short in unit.items() if name.endswith(long)), None)
            yield (f"blk.{name.split('.')[2]}.{found}.weight" if found else
                   names.get_name(name, try_suffixes=(".weight", ".bias"))), p
            continue
        prefix = f"blk.{name.split('.')[2]}.ffn"
        kind = "bias" if name.endswith("_bias") else "weight"
        both = "gate_up_proj" in name
        if model.config.model_type == "gpt_oss":  # gates and ups in turn, matrices transposed
            p = p.transpose(1, 2) if kind == "weight" else p
            parts = dict(gate=p[:, ::2], up=p[:, 1::2]) if both else {"down": p}
        else:
            parts = dict(zip(("gate", "up"), p.chunk(2, 1))) if both else {"down": p}
        for part, view in parts.items():
            yield f"{prefix}_{part}_exps.{kind}", view


def rope64(config, beyond=False):
    """(inverse frequencies, what cosines and sines are multiplied by) in float64, by the
    papers. `beyond`: those of a context that is longer than the original."""
    p = config.rope_parameters
    kind, theta, factor = p["rope_type"], p["rope_theta"], p.get("factor")
    dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    original = p.get("original_max_position_embeddings", config.max_position_embeddings)
    i = np.arange(dim // 2)
    f = theta ** (-2.0 * i / dim)
    if kind == "default":
        return f, 1.0
    if kind == "linear":
        return f / factor, 1.0
    if kind == "dynamic":  # for factor times the original length
        stretched = theta * (factor * factor - (factor - 1)) ** (dim / (dim - 2))
        return (stretched ** (-2.0 * i / dim) if beyond else f), 1.0
    if kind == "llama3":
        wave = 2 * math.pi / f
        t = (original / wave - p["low_freq_factor"]) / (p["high_freq_factor"] - p["low_freq_factor"])
        middle = (1 - t) * f / factor + t * f
        return np.where(wave > original / p["low_freq_factor"], f / factor,
                        np.where(wave < original / p["high_freq_factor"], f, middle)), 1.0
    if kind == "yarn":
        pair = lambda turns: dim * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(theta))  # noqa: E731
        low, high = pair(p.get("beta_fast") or 32), pair(p.get("beta_slow") or 1)
        if p.get("truncate", True):
            low, high = math.floor(low), math.ceil(high)
        low, high = max(low, 0), min(high, dim - 1)
        ramp = np.clip((i - low) / max(high - low, 0.001), 0, 1)
        amplitude = p.get("attention_factor") or 0.1 * math.log(factor) + 1
        return f / factor * ramp + f * (1 - ramp), amplitude
    assert kind == "longrope"
    stretch = factor or config.max_position_embeddings / original
    return (f / np.array(p["long_factor" if beyond else "short_factor"]),
            p.get("attention_factor") or math.sqrt(1 + math.log(stretch) / math.log(original)))


def change_config(**changes):
    """What gives the config.json of a directory other values."""
    def change(path):
        file = path / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    return change
