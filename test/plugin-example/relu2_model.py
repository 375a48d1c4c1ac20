"""A small model of the example's family, and what it computes in float64."""

import gguf
import numpy as np

LAYERS, WIDTH, FF, HEADS, VOCAB, CONTEXT = 2, 256, 512, 4, 320, 128
EPSILON, FACTOR = 1e-5, 0.5


def write(path, seed):
    """Writes the GGUF: matrices in TQ2_0, of random numbers. Gives its tensors, float64."""
    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(str(path), "relu2")
    writer.add_name("tiny-relu2")
    for key, value in {"block_count": LAYERS, "embedding_length": WIDTH, "feed_forward_length": FF,
                       "attention.head_count": HEADS, "context_length": CONTEXT,
                       "vocab_size": VOCAB}.items():
        writer.add_uint32(f"relu2.{key}", value)
    writer.add_float32("relu2.attention.layer_norm_rms_epsilon", EPSILON)
    writer.add_float32("relu2.feed_forward_scale", FACTOR)
    kind, tensors = gguf.GGMLQuantizationType.TQ2_0, {}

    def matrix(name, rows, columns):
        numbers = rng.integers(0, 3, (rows, columns // 256, 2, 4, 32), np.uint8)
        numbers <<= np.array([0, 2, 4, 6], np.uint8)[:, None]
        # Numbers of -1, 0 and 1 deviate by about 0.8.
        d = rng.uniform(0.5, 1.5, (rows, columns // 256, 1)) / (0.8 * np.sqrt(columns))
        blocks = np.concatenate((numbers.sum(3, dtype=np.uint8).reshape(rows, -1, 64),
                                 d.astype("<f2").view(np.uint8)), -1).reshape(rows, -1)
        writer.add_tensor(f"{name}.weight", blocks, raw_dtype=kind)
        tensors[name] = gguf.quants.dequantize(blocks, kind).astype(np.float64)

    def gain(name):
        values = (1 + 0.1 * rng.standard_normal(WIDTH)).astype(np.float32)
        writer.add_tensor(f"{name}.weight", values)
        tensors[name] = values.astype(np.float64)

    matrix("token_embd", VOCAB, WIDTH)
    for i in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            matrix(f"blk.{i}.{name}", WIDTH, WIDTH)
        matrix(f"blk.{i}.ffn_up", FF, WIDTH)
        matrix(f"blk.{i}.ffn_down", WIDTH, FF)
        gain(f"blk.{i}.attn_norm")
        gain(f"blk.{i}.ffn_norm")
    gain("output_norm")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors


def logits(tensors, tokens):
    """[T, VOCAB] in float64."""
    count, dim = len(tokens), WIDTH // HEADS
    angle = np.arange(count)[:, None] * 10000.0 ** (-2.0 * np.arange(dim // 2) / dim)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    mask = np.triu(np.full((count, count), -np.inf), 1)

    def norm(x, weight):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPSILON) * weight

    def rope(x):
        a, b = x[..., :dim // 2], x[..., dim // 2:]
        return np.concatenate((a * cos - b * sin, a * sin + b * cos), -1)

    x = tensors["token_embd"][list(tokens)]
    for i in range(LAYERS):
        p = lambda name: tensors[f"blk.{i}.{name}"]  # noqa: B023,E731
        h = norm(x, p("attn_norm"))
        q, k, v = ((h @ p(f"attn_{n}").T).reshape(count, HEADS, dim) for n in "qkv")
        scores = np.einsum("thd,shd->hts", rope(q), rope(k)) / np.sqrt(dim) + mask
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        mixed = np.einsum("hts,shd->thd", shares, v).reshape(count, WIDTH)
        x = x + mixed @ p("attn_output").T
        up = norm(x, p("ffn_norm")) @ p("ffn_up").T
        x = x + FACTOR * np.maximum(up, 0) ** 2 @ p("ffn_down").T
    return norm(x, tensors["output_norm"]) @ tensors["token_embd"].T
