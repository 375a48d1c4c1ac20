"""Multi-head latent attention: DeepSeek-V2 and -V3 in the absorbed form, against transformers."""

import json
import shutil

import numpy as np
import pytest
import torch
from transformers import DeepseekV2Config, DeepseekV3Config, Qwen2Config

import oracle
from bounds import assert_bitwise, assert_neighbours, assert_same_bits
from prompts import ids
from tiny_gguf import export
from tiny_hf import change_config, make

LATENT = dict(layers=3, kv_heads=4, kv_lora_rank=32, qk_nope_head_dim=24, qk_rope_head_dim=16, v_head_dim=20,
              n_routed_experts=8, num_experts_per_tok=3, moe_intermediate_size=40, first_k_dense_replace=1)
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "mscale": 0.707,
        "mscale_all_dim": 0.707}
MODELS = {
    "v2-lite": (DeepseekV2Config, dict(q_lora_rank=None, n_shared_experts=2, rope=YARN)),
    "v2-groups": (DeepseekV2Config, dict(q_lora_rank=48, n_shared_experts=1, topk_method="group_limited_greedy",
                                         n_group=4, topk_group=2, routed_scaling_factor=16.0)),
    "v3": (DeepseekV3Config, dict(q_lora_rank=48, n_shared_experts=1, n_group=4, topk_group=2,
                                  routed_scaling_factor=2.5, rope=YARN | {"mscale": 1.0, "mscale_all_dim": 1.0})),
    "v3-one-group": (DeepseekV3Config, dict(q_lora_rank=None, n_shared_experts=1, n_group=1, topk_group=1,
                                            rope_interleave=False, v_head_dim=32, qk_nope_head_dim=32)),
}


def build(name):
    kind, more = MODELS[name]
    model = make(kind, 40, **(LATENT | more))
    for key, bias in model.named_buffers():
        if key.endswith("e_score_correction_bias"):
            bias.copy_(0.2 * torch.randn_like(bias))
    return model


@pytest.mark.parametrize("name", MODELS)
def test_transformers(heddle, score, tmp_path, name):
    model = build(name)
    path = tmp_path / "model"
    model.save_pretrained(path)
    heddle("compile", path, "-o", tmp_path / "program", "--numeric=f32", "--quiet")
    tokens = np.random.default_rng(40).integers(0, 331, 37).tolist()
    f32 = oracle.hf_logits(model, tokens)
    limit = 2e-5 * np.abs(f32).max()  # transformers' own rounding among it, of weights and frequencies in f32
    reference = score(None, tokens, command=("reference", path))
    assert np.abs(reference - f32).max() <= limit
    found = assert_bitwise(score, tmp_path / "program", tokens)
    assert np.abs(found - f32).max() <= limit
    assert np.abs(found - reference).max() <= limit
    out = heddle.run(tmp_path / "program", "generate", ids(tokens[:8]), "-n", 24, "--print=tokens", "--ignore-eos",
                     "--temperature=0").stdout
    assert [int(t) for t in out.strip().split(",")] == oracle.hf_greedy(model, tokens[:8], 24)


def test_kimi_k2(score, tmp_path):
    """A configuration of deepseek_v3 by another name, which transformers runs by code of the checkpoint."""
    build("v3-one-group").save_pretrained(tmp_path)
    tokens = list(range(5, 15))
    logits = score(None, tokens, command=("reference", tmp_path))
    change_config(model_type="kimi_k2")(tmp_path)
    assert_same_bits(score(None, tokens, command=("reference", tmp_path)), logits)


@pytest.mark.parametrize("name, split", [("v2-lite", True), ("v2-lite", False), ("v2-groups", True), ("v3", True),
                                         ("v3", False)])
def test_gguf(heddle, score, tmp_path, name, split):
    """With kv_b as one tensor and as two, what the directory is."""
    model = build(name)
    model.save_pretrained(tmp_path / "model")
    tokens, logits = np.random.default_rng(41).integers(0, 331, 20).tolist(), []
    for path in (tmp_path / "model", export(model, tmp_path / "model.gguf", split=split)):
        logits.append(score(None, tokens, command=("reference", path)))
    # Some numbers of a GGUF are f32, as the logarithm's factor of YaRN.
    assert np.abs(logits[0] - logits[1]).max() <= 1e-6 * np.abs(logits[0]).max()


@pytest.mark.parametrize("split, numeric", [(True, "a8"), (False, "a16")])
def test_integers(heddle, score, tmp_path, split, numeric):
    """Products of heads keep their codes; the keys of an undivided kv_b become f32."""
    model = make(DeepseekV3Config, 42, **(LATENT | dict(
        kv_lora_rank=64, q_lora_rank=64, qk_nope_head_dim=32, v_head_dim=32, moe_intermediate_size=64,
        n_shared_experts=1, n_group=4, topk_group=2, layers=2)))
    path = export(model, tmp_path / "model.gguf", "Q8_0", split=split)
    heddle("compile", path, "-o", tmp_path / "program", f"--numeric={numeric}", f"--dump-ir={tmp_path / 'ir'}", "--quiet")
    tokens = np.random.default_rng(42).integers(0, 331, 37).tolist()
    found = score(tmp_path / "program", tokens, "-t", 1)
    for threads, chunk in ((1, 1), (2, 5), (2, 17)):
        assert_same_bits(score(tmp_path / "program", tokens, "-t", threads, f"--chunk={chunk}"), found)
    module, = (tmp_path / "ir").glob("*-quantize.mlir")
    keys = "#heddle.enc<i8, group = 32, scale = true>" if split else "#heddle.enc<f32>"
    assert f"tensor<4x64x32xf32, {keys}>" in module.read_text()
    same = score(None, tokens, command=("reference", module, f"--weights-from={path}"))
    worst = np.abs(found - same).max(axis=1) / np.abs(same).max()
    assert np.median(worst) <= 3 / 127, worst


HOSTILE = {
    "no-rank": (dict(kv_lora_rank=0), 3, "kv_lora_rank = 0"),
    "other-rank": (dict(kv_lora_rank=31), 3, "self_attn.kv_a_proj_with_mqa.weight' = [48, 64], limit [47, 64]"),
    "other-query-rank": (dict(q_lora_rank=47), 3, "self_attn.q_a_proj.weight' = [48, 64], limit [47, 64]"),
    "odd-rotation": (dict(qk_rope_head_dim=15), 3, "qk_rope_head_dim = 15, limit even"),
    "other-values": (dict(v_head_dim=19), 3, "self_attn.kv_b_proj.weight' = [176, 32], limit [172, 32]"),
    "groups-that-do-not-divide": (dict(n_group=3), 3, "n_group = 3, limit a divisor of n_routed_experts = 8"),
    "groups-of-one": (dict(n_group=8, topk_group=8), 3, "n_group = 8, limit half of n_routed_experts = 8"),
    "more-groups-kept": (dict(topk_group=5), 3, "topk_group = 5, limit n_group = 4"),
    "too-few-kept": (dict(topk_group=1), 3, "num_experts_per_tok = 3, limit 2, the experts of topk_group = 1"),
    "other-method": (dict(topk_method="greedy"), 4, "topk_method = 'greedy'"),
    "biases": (dict(attention_bias=True), 4, "attention_bias = true with latent attention"),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "model"
    build("v3").save_pretrained(path)
    return path


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(refuses, plain, tmp_path, name):
    changes, code, words = HOSTILE[name]
    path = shutil.copytree(plain, tmp_path / "model")
    change_config(**changes)(path)
    refuses(path, code, words)


def cache_bytes(heddle, program):
    """What 64 positions add to a decode step."""
    out = heddle.run(program, "bench", "--prompt=4", "--gen=2", "--depth=0,64", "--repeat=1", "--json").stdout
    first, second = (entry["bytes_per_token"] for entry in json.loads(out)["decode"])
    return second - first


def test_naive_prefill(heddle, score, tmp_path):
    """Keys and values of heads in prompts of more than a few tokens: what the absorbed form computes, but for
    roundings; few tokens and one are in the absorbed form, bit for bit."""
    build("v3").save_pretrained(tmp_path / "model")
    absorbed, naive = tmp_path / "absorbed", tmp_path / "naive"
    heddle("compile", tmp_path / "model", "-o", absorbed, "--numeric=f32", "--quiet")
    heddle("compile", tmp_path / "model", "-o", naive, "--numeric=f32", "--quiet", "-p", "expand-latent.prefill=true")
    # Two segments of keys, and 16 tokens at most of a small step.
    tokens = np.random.default_rng(43).integers(0, 331, 200).tolist()
    expected = score(absorbed, tokens)
    for chunk in (1, 7, 16):
        assert_same_bits(score(naive, tokens, f"--chunk={chunk}"), expected, f"chunk {chunk}")
    found = score(naive, tokens, "-t", 1)
    assert not np.array_equal(found, expected)
    limit = 2e-5 * np.abs(expected).max()
    assert np.abs(found - expected).max() <= limit
    assert np.abs(found - score(None, tokens, command=("reference", tmp_path / "model"))).max() <= limit
    # Each token by itself: no bit depends on threads, or on where a cut is among steps of this form.
    for flags in (("-t", 2), ("-t", 3, "--chunk=100"), ("--chunk=25",)):
        assert_same_bits(score(naive, tokens, *flags), found, str(flags))
    # Decode reads no more of the caches than the absorbed program does.
    assert cache_bytes(heddle, naive) == cache_bytes(heddle, absorbed)
    # Sequences side by side expand what is theirs.
    other = tokens[::-1][:90]
    assert_neighbours(score, naive, [(0, tokens), (40, other)], [found, score(naive, other)], "-t", 2)


@pytest.mark.parametrize("split", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_naive_prefill_of_codes(heddle, score, tmp_path, split):
    """W_UK of a GGUF has codes along the other side, and becomes floats; products of W_UV take integers."""
    model = make(DeepseekV2Config, 44, **(LATENT | dict(q_lora_rank=None, n_shared_experts=1, qk_nope_head_dim=32,
                                                        v_head_dim=32, moe_intermediate_size=64, layers=2,
                                                        first_k_dense_replace=0)))
    path = export(model, tmp_path / "model.gguf", encoding="Q8_0", split=split)
    absorbed, naive = tmp_path / "absorbed", tmp_path / "naive"
    heddle("compile", path, "-o", absorbed, "--numeric=a8", "--quiet")
    heddle("compile", path, "-o", naive, "--numeric=a8", "--quiet", "-p", "expand-latent.prefill=true")
    tokens = np.random.default_rng(44).integers(0, 331, 200).tolist()
    expected, found = score(absorbed, tokens), score(naive, tokens)
    # Roundings send some tokens to other experts; both forms are as far from what is exact.
    exact = score(None, tokens, command=("reference", path))
    distance = [np.sqrt(np.square(logits - exact).mean()) for logits in (expected, found)]
    assert 0 < distance[1] <= 1.3 * distance[0], distance
    assert not np.array_equal(found, expected)
    assert_same_bits(score(naive, tokens, "-t", 2, "--chunk=50"), found, "chunks of 50")


def test_naive_prefill_of_others(heddle, tmp_path):
    """Attention over keys of its own has no other form."""
    make(Qwen2Config, 45).save_pretrained(tmp_path / "model")
    result = heddle("compile", tmp_path / "model", "-o", tmp_path / "program", "--quiet", "-p",
                    "expand-latent.prefill=true", code=2)
    assert "no @prefill has attention over latents" in result.stderr and len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "program").exists()
