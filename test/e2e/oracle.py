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
    """Logits (T, vocab) in float64 of a llama, qwen2 or qwen3 GGUF."""
    fields, w = _load(str(path))
    arch = fields["general.architecture"]
    get = lambda key, *default: fields.get(f"{arch}.{key}", *default)  # noqa: E731
    layers, hidden = get("block_count"), get("embedding_length")
    heads = get("attention.head_count")
    kv_heads = get("attention.head_count_kv", heads)
    eps = get("attention.layer_norm_rms_epsilon")
    head_dim = get("attention.key_length", hidden // heads)
    rope_dim = get("rope.dimension_count", head_dim)
    base = get("rope.freq_base", 10000.0)

    count = len(tokens)
    inverse = torch.tensor([base ** (-2.0 * i / rope_dim) for i in range(rope_dim // 2)],
                           dtype=torch.float64)
    if "rope_freqs.weight" in w:
        inverse = inverse / w["rope_freqs.weight"]
    angle = torch.arange(count, dtype=torch.float64)[:, None] * inverse
    cos, sin = angle.cos()[:, None, :], angle.sin()[:, None, :]
    mask = torch.full((count, count), -math.inf, dtype=torch.float64).triu(1)

    def norm(x, weight):
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + eps) * weight

    def rope(x):  # (T, heads, head_dim)
        if arch == "llama":  # a GGUF rotates neighbours (2i, 2i+1)
            a, b = x[..., 0:rope_dim:2], x[..., 1:rope_dim:2]
        else:
            a, b = x[..., :rope_dim // 2], x[..., rope_dim // 2:rope_dim]
        turned = (a * cos - b * sin, a * sin + b * cos)
        turned = torch.stack(turned, -1).flatten(-2) if arch == "llama" else torch.cat(turned, -1)
        return torch.cat((turned, x[..., rope_dim:]), -1)

    x = w["token_embd.weight"][list(tokens)]
    for i in range(layers):
        p = lambda name: w[f"blk.{i}.{name}.weight"]  # noqa: B023,E731
        h = norm(x, p("attn_norm"))
        q, k, v = (h @ p(f"attn_{n}").T + w.get(f"blk.{i}.attn_{n}.bias", 0) for n in "qkv")
        q, k, v = (t.view(count, -1, head_dim) for t in (q, k, v))
        if arch == "qwen3":
            q, k = norm(q, p("attn_q_norm")), norm(k, p("attn_k_norm"))
        q, k = rope(q), rope(k)
        k, v = (t.repeat_interleave(heads // kv_heads, 1) for t in (k, v))
        scores = torch.einsum("thd,shd->hts", q, k) / math.sqrt(head_dim) + mask
        mixed = torch.einsum("hts,shd->thd", scores.softmax(-1), v)
        x = x + mixed.reshape(count, heads * head_dim) @ p("attn_output").T
        h = norm(x, p("ffn_norm"))
        gate = torch.nn.functional.silu(h @ p("ffn_gate").T)
        x = x + (gate * (h @ p("ffn_up").T)) @ p("ffn_down").T
    x = norm(x, w["output_norm.weight"])
    return (x @ w.get("output.weight", w["token_embd.weight"]).T).numpy()
