"""Directories of Hugging Face: small random models of each family and variant, made and
judged by transformers, and the same weights in other files."""

import json

import numpy as np
import pytest
import torch
from transformers import (AutoModelForCausalLM, GptOssConfig, LlamaConfig, MistralConfig, MixtralConfig, OlmoeConfig,
                          Qwen2Config, Qwen2MoeConfig, Qwen3Config, Qwen3MoeConfig)

import oracle
from bounds import assert_bitwise, assert_close, assert_same_bits
from prompts import ids
from tiny_gguf import export
from tiny_hf import make, rope64

LENGTH = 37  # two tiles of 16 and a tail
GREEDY = 64
FACTORS = [1 + 0.25 * i for i in range(8)]

# name -> (config, what `make` takes beside, saved as, how far each layer sees)
MODELS = {
    "llama-gqa": (LlamaConfig, {}, "float32", None),
    "llama-tied-linear": (LlamaConfig, dict(tied=True, rope={"rope_type": "linear", "factor": 4.0}), "float32", None),
    "llama-biases-llama3": (LlamaConfig, dict(
        kv_heads=4, attention_bias=True, mlp_bias=True,
        rope={"rope_type": "llama3", "rope_theta": 100.0, "factor": 8.0, "low_freq_factor": 1.0,
              "high_freq_factor": 4.0, "original_max_position_embeddings": 64}), "float32", None),
    "llama-wide-heads-yarn": (LlamaConfig, dict(
        heads=2, kv_heads=1, head_dim=48, rope={"rope_type": "yarn", "factor": 4.0,
                                                "original_max_position_embeddings": 64}), "bfloat16", None),
    "llama-dynamic": (LlamaConfig, dict(context=128, rope={"rope_type": "dynamic", "factor": 2.0}), "float32", None),
    "llama-longrope": (LlamaConfig, dict(rope={
        "rope_type": "longrope", "short_factor": FACTORS, "long_factor": [3 * f for f in FACTORS],
        "original_max_position_embeddings": 128, "attention_factor": 1.25}), "float16", None),
    "mistral-window": (MistralConfig, dict(sliding_window=9, head_dim=24), "float32", [9, 9]),
    "qwen2-some-windows": (Qwen2Config, dict(tied=True, use_sliding_window=True, sliding_window=7,
                                             max_window_layers=1), "float32", [0, 7]),
    "qwen3-biases": (Qwen3Config, dict(head_dim=32, attention_bias=True), "float32", None),
    # Widths that are no whole panels; more experts than tokens choose; every expert chosen.
    "mixtral": (MixtralConfig, dict(num_local_experts=5, num_experts_per_tok=2), "float32", None),
    "qwen2-moe": (Qwen2MoeConfig, dict(num_experts=6, num_experts_per_tok=3, moe_intermediate_size=32,
                                       shared_expert_intermediate_size=56), "float32", None),
    "qwen3-moe": (Qwen3MoeConfig, dict(head_dim=32, num_experts=40, num_experts_per_tok=3, moe_intermediate_size=40,
                                       norm_topk_prob=True), "bfloat16", None),
    "qwen2-moe-some-windows": (Qwen2MoeConfig, dict(
        num_experts=6, num_experts_per_tok=2, moe_intermediate_size=32, shared_expert_intermediate_size=32,
        use_sliding_window=True, sliding_window=7, max_window_layers=2), "float32", [7, 0]),
    "qwen3-moe-window": (Qwen3MoeConfig, dict(
        num_experts=6, num_experts_per_tok=2, moe_intermediate_size=32, norm_topk_prob=True, use_sliding_window=True,
        sliding_window=7, max_window_layers=1), "float32", [7, 7]),
    "gpt-oss": (GptOssConfig, dict(
        head_dim=24, num_local_experts=5, num_experts_per_tok=2, sliding_window=7, swiglu_limit=0.75, rope={
            "rope_type": "yarn", "factor": 4.0, "truncate": False, "original_max_position_embeddings": 64}),
        "bfloat16", [7, 0]),
    "olmoe": (OlmoeConfig, dict(num_experts=4, num_experts_per_tok=4, eos_token_id=None), "float32", None),
}


class Case:
    def __init__(self, name, heddle, directory):
        kind, more, dtype, self.windows = MODELS[name]
        seed = list(MODELS).index(name)
        make(kind, seed, **more).to(getattr(torch, dtype)).save_pretrained(directory / "model")
        # What the file holds is what both sides compute with; frequencies stay in float32.
        self.model = AutoModelForCausalLM.from_pretrained(directory / "model", dtype=torch.float32,
                                                          attn_implementation="eager").eval()
        self.path, self.program = directory / "model", directory / "program"
        heddle("compile", self.path, "-o", self.program, "--numeric=f32", "--quiet")
        self.tokens = np.random.default_rng(seed).integers(0, 331, 80).tolist()
        # transformers rounds its frequencies to float32; they are the same ones.
        self.rope = rope64(self.model.config)
        rotary = self.model.model.rotary_emb
        np.testing.assert_allclose(rotary.inv_freq.numpy(), self.rope[0], rtol=1e-6)
        assert rotary.attention_scaling == pytest.approx(self.rope[1])

    def logits64(self, tokens):
        return oracle.hf_logits64(self.model, tokens, *self.rope, self.windows)


@pytest.fixture(scope="module", params=MODELS)
def case(request, heddle, tmp_path_factory):
    return Case(request.param, heddle, tmp_path_factory.mktemp(request.param))


def test_close_to_transformers(case, score):
    tokens = case.tokens[:LENGTH]
    f32, f64 = oracle.hf_logits(case.model, tokens), case.logits64(tokens)
    # The two oracles are one model.
    assert np.abs(f32 - f64).max() <= 1e-4 * np.abs(f64).max()
    reference = score(None, tokens, command=("reference", case.path))
    assert np.abs(reference - f64).max() <= 4 * np.finfo(np.float32).eps * np.abs(f64).max()
    assert_close(score(case.program, tokens), f32, f64)
    assert_close(score(case.program, tokens, "--chunk=1"), f32, f64)


def test_greedy(case, heddle):
    expected = oracle.hf_greedy(case.model, case.tokens[:8], GREEDY)
    out = heddle.run(case.program, "generate", ids(case.tokens[:8]), "-n", GREEDY, "--print=tokens", "--ignore-eos",
                     "--temperature=0").stdout
    assert [int(token) for token in out.strip().split(",")] == expected


@pytest.mark.slow
def test_other_files(case, heddle, score, tmp_path):
    """Bitwise relations; shards and, where GGUF has the variant, a GGUF are the same model."""
    expected = assert_bitwise(score, case.program, case.tokens[:LENGTH])
    case.model.save_pretrained(tmp_path / "sharded", max_shard_size="40KB")
    assert len(list((tmp_path / "sharded").glob("*.safetensors"))) > 2
    others = [tmp_path / "sharded"]
    rope = case.model.config.rope_parameters["rope_type"]
    # GGUF knows no dynamic NTK, no window by layer, and gives frequencies of llama3 in f32.
    if rope not in ("dynamic", "llama3") and case.windows in (None, [9, 9]):
        others.append(export(case.model, tmp_path / "model.gguf"))
    for other in others:
        heddle("compile", other, "-o", tmp_path / "other", "--numeric=f32", "--quiet")
        found = score(tmp_path / "other", case.tokens[:LENGTH])
        assert_same_bits(found, expected, other.name)


@pytest.fixture(scope="module")
def longer(heddle, tmp_path_factory):
    """longer(name, context) -> a model compiled for more than its original context."""
    def compile(name, context):
        case = Case(name, heddle, tmp_path_factory.mktemp(name))
        heddle("compile", case.path, "-o", case.program, "--numeric=f32", "--quiet", f"--context={context}")
        case.rope = rope64(case.model.config, beyond=True)
        return case
    return compile


@pytest.mark.parametrize("name", ("llama-longrope", "llama-dynamic"))
def test_beyond_the_original_context(heddle, longer, score, name):
    case = longer(name, 256)
    tokens = (case.tokens * 2)[:140]  # more than 128
    f64 = case.logits64(tokens)
    if name == "llama-longrope":
        # transformers takes its long factors for a prompt of this length.
        assert np.abs(oracle.hf_logits(case.model, tokens) - f64).max() <= 1e-4 * np.abs(f64).max()
    assert np.abs(score(case.program, tokens) - f64).max() <= 1e-4 * np.abs(f64).max()


def rewrite(path, **changes):
    """Changes fields of config.json; None drops one."""
    file = path / "config.json"
    config = {k: v for k, v in (json.loads(file.read_text()) | changes).items() if v is not None}
    file.write_text(json.dumps(config))


def test_old_spelling(heddle, score, tmp_path):
    """`rope_scaling` and `rope_theta` are what `rope_parameters` says since version 5."""
    rope = {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 128}
    model = make(LlamaConfig, 3, rope=rope | {"rope_theta": 5e4})
    tokens = list(range(20))
    logits = []
    for name in ("new", "old"):
        model.save_pretrained(tmp_path / name)
        if name == "old":
            rewrite(tmp_path / name, rope_parameters=None, rope_theta=50000,
                    rope_scaling={"type": "yarn", "factor": 2, "original_max_position_embeddings": 128})
        logits.append(score(None, tokens, command=("reference", tmp_path / name)))
    assert np.array_equal(*logits)


def test_internlm3(heddle, score, tmp_path):
    """A llama whose biases are called otherwise; its code is never run."""
    model = make(LlamaConfig, 4, attention_bias=True, mlp_bias=True)
    model.save_pretrained(tmp_path)
    rewrite(tmp_path, architectures=["InternLM3ForCausalLM"], model_type="internlm3", attention_bias=None,
            mlp_bias=None, qkv_bias=True, bias=True, auto_map={"AutoModelForCausalLM": "modeling_internlm3.X"})
    tokens = list(range(20))
    f64 = oracle.hf_logits64(model, tokens, *rope64(model.config))
    found = score(None, tokens, command=("reference", tmp_path))
    assert np.abs(found - f64).max() <= 4 * np.finfo(np.float32).eps * np.abs(f64).max()


def test_text_needs_a_tokenizer(heddle, tmp_path):
    make(LlamaConfig, 5).save_pretrained(tmp_path / "model")
    heddle("compile", tmp_path / "model", "-o", tmp_path / "program", "--numeric=f32", "--quiet")
    heddle.run(tmp_path / "program", "some text", code=4)
