"""Oracles that share no code with Heddle.

`hf_model` is Hugging Face transformers in float32; `logits64` is the dense
families in torch float64, straight from the tensors of a GGUF. The two differ
by float32 rounding alone, and that difference is the unit of our tolerances.
"""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import functools  # noqa: E402
import math  # noqa: E402

import gguf  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from tiny_hf import tensors  # noqa: E402


def hf_model(path):
    from transformers import AutoModelForCausalLM
    return AutoModelForCausalLM.from_pretrained(
        str(path.parent), gguf_file=path.name, dtype=torch.float32).eval()


def hf_tokenizer(path):
    from transformers import AutoTokenizer
    return AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)


@torch.no_grad()
def hf_greedy(model, tokens, count):
    """The `count` tokens after `tokens`: the first of equal maxima, on past EOS."""
    ids, cache, out = list(tokens), None, []
    for _ in range(count):
        step = model(torch.tensor([ids]), past_key_values=cache, use_cache=True)
        cache = step.past_key_values
        ids = [int(np.argmax(step.logits[0, -1].numpy()))]
        out += ids
    return out


@torch.no_grad()
def hf_logits(model, tokens):
    return model(torch.tensor([list(tokens)])).logits[0].numpy()


@functools.lru_cache(maxsize=1)
def _load(path):
    reader = gguf.GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items()
              if not name.startswith("tokenizer.")}
    tensors = {}
    for t in reader.tensors:
        values = gguf.quants.dequantize(t.data, t.tensor_type)
        # GGUF lists dimensions fastest first; numpy wants them last.
        values = np.asarray(values, dtype=np.float64).reshape([int(n) for n in t.shape][::-1])
        tensors[t.name] = torch.from_numpy(values)
    return fields, tensors


@torch.no_grad()
def logits64(path, tokens):
    """Logits (T, vocab) in float64 of a llama, qwen2 or qwen3 GGUF, or one with experts."""
    fields, w = _load(str(path))
    arch = fields["general.architecture"]
    get = lambda key, *default: fields.get(f"{arch}.{key}", *default)  # noqa: E731
    heads = get("attention.head_count")
    head_dim = get("attention.key_length", get("embedding_length") // heads)
    base = get("rope.freq_base", 10000.0)
    inverse = torch.tensor([base ** (-2.0 * i / head_dim) for i in range(head_dim // 2)],
                           dtype=torch.float64)
    experts = (get("expert_used_count"), arch in ("llama", "qwen3moe")) if get("expert_count") else None
    assert get("expert_weights_scale", 1.0) == 1
    if "rope_freqs.weight" in w:
        inverse = inverse / w["rope_freqs.weight"]
    return _decoder64(w, tokens, layers=get("block_count"), heads=heads,
                      kv_heads=get("attention.head_count_kv", heads), head_dim=head_dim,
                      eps=get("attention.layer_norm_rms_epsilon"), inverse=inverse,
                      experts=experts, neighbours=arch in ("llama", "deepseek"))  # whose GGUF rotates (2i, 2i+1)


@torch.no_grad()
def hf_logits64(model, tokens, inverse, amplitude=1.0, windows=None):
    """The same of a transformers model, whose rotary positions turn by `inverse`
    and are multiplied by `amplitude`. `windows`: how far each layer sees; 0: all."""
    config = model.config
    # gpt-oss's GGUF calls the norm before the experts as its checkpoint does.
    w = {name.replace("post_attention_norm", "ffn_norm"): p.double() for name, p in tensors(model)}
    experts = None
    if hasattr(config, "num_experts_per_tok"):
        experts = (config.num_experts_per_tok, getattr(config, "norm_topk_prob", True))
    if config.model_type == "gpt_oss":
        experts = (config.num_experts_per_tok, config.swiglu_limit, config.swiglu_alpha)
    return _decoder64(w, tokens, layers=config.num_hidden_layers, heads=config.num_attention_heads,
                      kv_heads=config.num_key_value_heads,
                      head_dim=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
                      eps=config.rms_norm_eps, inverse=torch.from_numpy(inverse), neighbours=False,
                      amplitude=amplitude, windows=windows, experts=experts)


def _experts64(h, p, used, normed):
    """A loop over tokens and their experts; of equal scores the first expert's counts."""
    silu = torch.nn.functional.silu
    unit = lambda x, gate, up, down: (silu(x @ gate.T) * (x @ up.T)) @ down.T  # noqa: E731
    scores = (h @ p("ffn_gate_inp").T).softmax(-1)
    out = torch.zeros_like(h)
    for t, row in enumerate(h):
        ids = scores[t].argsort(descending=True, stable=True)[:used]
        weights = scores[t, ids]
        for e, weight in zip(ids, weights / weights.sum() if normed else weights):
            out[t] += weight * unit(row, *(p(f"ffn_{n}_exps")[e] for n in ("gate", "up", "down")))
    if p("ffn_gate_shexp") is not None:
        shared = unit(h, *(p(f"ffn_{n}_shexp") for n in ("gate", "up", "down")))
        gate = p("ffn_gate_inp_shexp")
        out += shared if gate is None else (h @ gate.flatten()).sigmoid()[:, None] * shared
    return out


def _clamped_experts64(h, p, used, limit, alpha):
    """The same of gpt-oss: biases, a softmax of the chosen logits, the clamped activation."""
    linear = lambda x, name, e: x @ p(f"ffn_{name}_exps")[e].T + p(f"ffn_{name}_exps", "bias")[e]  # noqa: E731
    scores = h @ p("ffn_gate_inp").T + p("ffn_gate_inp", "bias")
    out = torch.zeros_like(h)
    for t, row in enumerate(h):
        ids = scores[t].argsort(descending=True, stable=True)[:used]
        for e, weight in zip(ids, scores[t, ids].softmax(-1)):
            gate = linear(row, "gate", e).clamp(max=limit)
            up = linear(row, "up", e).clamp(-limit, limit)
            out[t] += weight * linear(gate * (alpha * gate).sigmoid() * (up + 1), "down", e)
    return out


def _decoder64(w, tokens, layers, heads, kv_heads, head_dim, eps, inverse, neighbours, amplitude=1.0,
               windows=None, experts=None):
    count = len(tokens)
    at = torch.arange(count, dtype=torch.float64)
    angle = at[:, None] * inverse
    cos, sin = amplitude * angle.cos()[:, None, :], amplitude * angle.sin()[:, None, :]
    causal = torch.full((count, count), -math.inf, dtype=torch.float64).triu(1)

    def norm(x, weight):
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + eps) * weight

    def rope(x):  # (T, heads, head_dim)
        a, b = (x[..., 0::2], x[..., 1::2]) if neighbours else x.chunk(2, -1)
        turned = (a * cos - b * sin, a * sin + b * cos)
        return torch.stack(turned, -1).flatten(-2) if neighbours else torch.cat(turned, -1)

    x = w["token_embd.weight"][list(tokens)]
    for i in range(layers):
        p = lambda name: w[f"blk.{i}.{name}.weight"]  # noqa: B023,E731
        linear = lambda x, name: x @ p(name).T + w.get(f"blk.{i}.{name}.bias", 0)  # noqa: B023,E731
        mask = causal
        if windows and windows[i]:
            mask = mask.masked_fill(at[:, None] - at >= windows[i], -math.inf)
        h = norm(x, p("attn_norm"))
        q, k, v = (linear(h, f"attn_{n}") for n in "qkv")
        normed = f"blk.{i}.attn_q_norm.weight" in w
        if whole := normed and len(p("attn_q_norm")) != head_dim:  # over all heads at once
            q, k = norm(q, p("attn_q_norm")), norm(k, p("attn_k_norm"))
        q, k, v = (t.view(count, -1, head_dim) for t in (q, k, v))
        if normed and not whole:
            q, k = norm(q, p("attn_q_norm")), norm(k, p("attn_k_norm"))
        q, k = rope(q), rope(k)
        k, v = (t.repeat_interleave(heads // kv_heads, 1) for t in (k, v))
        scores = torch.einsum("thd,shd->hts", q, k) / math.sqrt(head_dim) + mask
        if sinks := w.get(f"blk.{i}.attn_sinks.weight") is not None:  # a logit that no key stands behind
            sink = w[f"blk.{i}.attn_sinks.weight"][:, None, None].expand(heads, count, 1)
            scores = torch.cat((scores, sink), -1)
        weights = scores.softmax(-1)
        mixed = torch.einsum("hts,shd->thd", weights[..., :-1] if sinks else weights, v)
        x = x + linear(mixed.reshape(count, heads * head_dim), "attn_output")
        h = norm(x, p("ffn_norm"))
        if experts and f"blk.{i}.ffn_gate_inp.weight" in w:  # else a dense layer among them
            of = lambda name, kind="weight": w.get(f"blk.{i}.{name}.{kind}")  # noqa: B023,E731
            x = x + (_experts64 if len(experts) == 2 else _clamped_experts64)(h, of, *experts)
            continue
        gate = torch.nn.functional.silu(linear(h, "ffn_gate"))
        x = x + linear(gate * linear(h, "ffn_up"), "ffn_down")
    x = norm(x, w["output_norm.weight"])
    return (x @ w.get("output.weight", w["token_embd.weight"]).T).numpy()
