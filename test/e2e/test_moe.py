"""Mixture-of-Experts from other files than test_huggingface.py's, in integers, and
checkpoints whose experts do not fit together."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import MixtralConfig, Qwen2MoeConfig, Qwen3MoeConfig

import oracle
from bounds import assert_bitwise, assert_close, assert_close64, assert_same_bits
from prompts import ids
from tiny_gguf import export
from tiny_hf import change_config, make, make_deepseek, rope64, save_deepseek

LENGTH = 37
KINDS = {
    "mixtral": (MixtralConfig, dict(num_local_experts=5, num_experts_per_tok=2, hidden=128)),
    "qwen2moe": (Qwen2MoeConfig, dict(num_experts=6, num_experts_per_tok=3, moe_intermediate_size=96,
                                      shared_expert_intermediate_size=64)),
    "qwen3moe": (Qwen3MoeConfig, dict(head_dim=32, num_experts=40, num_experts_per_tok=4,
                                      moe_intermediate_size=64, norm_topk_prob=True)),
    "dense-first": (Qwen3MoeConfig, dict(head_dim=16, num_experts=6, num_experts_per_tok=3, moe_intermediate_size=40,
                                         norm_topk_prob=True, mlp_only_layers=[0], layers=3)),
    "every-second": (Qwen2MoeConfig, dict(num_experts=6, num_experts_per_tok=3, moe_intermediate_size=96,
                                          shared_expert_intermediate_size=64, decoder_sparse_step=2)),
    "one-expert": (MixtralConfig, dict(num_local_experts=1, num_experts_per_tok=1, layers=1)),
}
MIXED = ("dense-first", "every-second")  # which no GGUF says of these families


def tokens_of(seed):
    return np.random.default_rng(seed).integers(0, 331, LENGTH).tolist()


@pytest.mark.parametrize("name", [name for name in KINDS if name not in MIXED])
def test_gguf(heddle, score, tmp_path, name):
    kind, more = KINDS[name]
    path = export(make(kind, 20, **more), tmp_path / "model.gguf")
    heddle("compile", path, "-o", tmp_path / "program", "--numeric=f32", "--quiet")
    tokens = tokens_of(20)
    f64 = oracle.logits64(path, tokens)
    reference = score(None, tokens, command=("reference", path))
    assert np.abs(reference - f64).max() <= 4 * np.finfo(np.float32).eps * np.abs(f64).max()
    assert_close64(assert_bitwise(score, tmp_path / "program", tokens), f64)


@pytest.mark.parametrize("name, encoding, numeric", [
    ("mixtral", "Q4_0", "a8"), ("qwen2moe", "Q8_0", "a8"), ("qwen3moe", "Q4_1", "a8"), ("mixtral", "Q4_1", "a16")])
def test_narrow_activations(heddle, score, tmp_path, name, encoding, numeric):
    """With int8 or bf16 activations before and within experts: bitwise itself, and what the
    reference makes of the same conversions."""
    kind, more = KINDS[name]
    path = export(make(kind, 21, **more), tmp_path / "model.gguf", encoding)
    program, phases = tmp_path / "program", tmp_path / "phases"
    heddle("compile", path, "-o", program, f"--numeric={numeric}", f"--dump-ir={phases}", "--quiet")
    tokens = tokens_of(21)
    found = score(program, tokens, "-t", 1)
    for threads, chunk in ((1, 1), (2, 5), (3, 16), (2, 17)):
        again = score(program, tokens, "-t", threads, f"--chunk={chunk}")
        assert_same_bits(again, found, f"threads {threads}, chunk {chunk}")
    module, = phases.glob("*-quantize.mlir")
    assert f"hidden = #heddle.rows<{'i8' if numeric == 'a8' else 'bf16'}, group = 32>" in module.read_text()
    same = score(None, tokens, command=("reference", module, f"--weights-from={path}"))
    worst = np.abs(found - same).max(axis=1) / np.abs(same).max()
    # As test_tiny.py's; where a code falls on the other side of a border, so may a choice of
    # experts, in some tokens.
    typical = np.median(worst) if numeric == "a8" else worst[0]
    assert typical <= 256 * np.finfo(np.float32).eps, typical
    assert np.quantile(worst, 0.9) <= (3 / 127 if numeric == "a8" else 3 / 256), worst


@pytest.mark.parametrize("name", MIXED)
def test_some_layers_dense(heddle, score, tmp_path, name):
    """Layers with experts and layers with one gated unit."""
    kind, more = KINDS[name]
    model = make(kind, 25, **more)
    model.save_pretrained(tmp_path / "model")
    heddle("compile", tmp_path / "model", "-o", tmp_path / "program", "--numeric=f32", "--quiet")
    tokens = tokens_of(25)
    f64 = oracle.hf_logits64(model, tokens, *rope64(model.config))
    assert_close(assert_bitwise(score, tmp_path / "program", tokens), oracle.hf_logits(model, tokens), f64)


@pytest.mark.parametrize("name, more", [("two-shared", {}), ("none-shared", dict(shared=None)),
                                        ("all-dense", dict(dense=3))])
def test_deepseek(heddle, score, tmp_path, name, more):
    """DeepSeek-MoE, v1: the first layer dense, shared experts without a gate."""
    model = make_deepseek(26, layers=3, kv_heads=4, **more)
    path, tokens = save_deepseek(model, tmp_path / "model"), tokens_of(26)
    heddle("compile", path, "-o", tmp_path / "program", "--numeric=f32", "--quiet")
    f32, f64 = oracle.hf_logits(model, tokens), oracle.hf_logits64(model, tokens, *rope64(model.config))
    assert np.abs(f32 - f64).max() <= 1e-4 * np.abs(f64).max()
    reference = score(None, tokens, command=("reference", path))
    assert np.abs(reference - f64).max() <= 4 * np.finfo(np.float32).eps * np.abs(f64).max()
    found = assert_bitwise(score, tmp_path / "program", tokens)
    assert_close(found, f32, f64)
    out = heddle.run(tmp_path / "program", "generate", ids(tokens[:8]), "-n", 32, "--print=tokens", "--ignore-eos",
                     "--temperature=0").stdout
    assert [int(t) for t in out.strip().split(",")] == oracle.hf_greedy(model, tokens[:8], 32)
    if name == "two-shared":
        heddle("compile", export(model, tmp_path / "model.gguf"), "-o", tmp_path / "other", "--numeric=f32", "--quiet")
        assert_same_bits(score(tmp_path / "other", tokens), found)


def test_deepseek_integers(heddle, score, tmp_path):
    model = make_deepseek(27, layers=3, kv_heads=4, width=64)
    path, tokens = export(model, tmp_path / "model.gguf", "Q8_0"), tokens_of(27)
    heddle("compile", path, "-o", tmp_path / "program", "--numeric=a8", "--quiet")
    found = assert_bitwise(score, tmp_path / "program", tokens)
    f64 = oracle.logits64(path, tokens)
    assert np.median(np.abs(found - f64).max(axis=1)) <= 0.1 * np.abs(f64).max()


DEEPSEEK = {
    "more-than-experts": (dict(num_experts_per_tok=7), 3, "num_experts_per_tok = 7, limit n_routed_experts = 6"),
    "other-score": (dict(scoring_func="sigmoid"), 4, "scoring_func = 'sigmoid'"),
    "none-dense": (dict(first_k_dense_replace=0), 3, "'model.layers.0.mlp.gate.weight' = absent"),
    "too-many-dense": (dict(first_k_dense_replace=-1), 3, "first_k_dense_replace = -1"),
    "one-shared": (dict(n_shared_experts=1), 3, "shared_experts.gate_proj.weight' = [80, 64], limit [40, 64]"),
}


@pytest.mark.parametrize("name", DEEPSEEK)
def test_deepseek_hostile(refuses, tmp_path, name):
    changes, code, words = DEEPSEEK[name]
    path = save_deepseek(make_deepseek(28), tmp_path / "model")
    change_config(**changes)(path)
    refuses(path, code, words)


def stack(path):
    """Rewrites a directory's experts as transformers has them in memory."""
    file = path / "model.safetensors"
    stored = load_file(file)
    kept = {name: t for name, t in stored.items() if ".experts." not in name}
    layers = sorted({name.split(".experts.")[0] for name in stored if ".experts." in name})
    for layer in layers:
        count = len([name for name in stored if name.startswith(f"{layer}.experts.") and "down" in name])
        experts = [{part: stored[f"{layer}.experts.{e}.{part}_proj.weight"] for part in ("gate", "up", "down")}
                   for e in range(count)]
        kept[f"{layer}.experts.gate_up_proj"] = torch.stack([torch.cat((e["gate"], e["up"])) for e in experts])
        kept[f"{layer}.experts.down_proj"] = torch.stack([e["down"] for e in experts])
    save_file(kept, file, {"format": "pt"})


@pytest.mark.parametrize("name", ("qwen2moe", "qwen3moe"))
def test_stacked(heddle, score, tmp_path, name):
    kind, more = KINDS[name]
    make(kind, 22, **more).save_pretrained(tmp_path / "model")
    tokens, logits = tokens_of(22), []
    for program in ("one-by-one", "stacked"):
        if program == "stacked":
            stack(tmp_path / "model")
        heddle("compile", tmp_path / "model", "-o", tmp_path / program, "--numeric=f32", "--quiet")
        logits.append(score(tmp_path / program, tokens))
    assert_same_bits(*logits)


def change_tensors(edit):
    def change(path):
        file = path / "model.safetensors"
        stored = load_file(file)
        edit(stored)
        save_file(stored, file, {"format": "pt"})
    return change


LAYER = "model.layers.1.mlp"
HOSTILE = {
    "more-than-experts": (change_config(num_experts_per_tok=7), 3,
                          "num_experts_per_tok = 7, limit num_local_experts = 6"),
    "none-a-token": (change_config(num_experts_per_tok=0), 3, "num_experts_per_tok = 0"),
    "two-numbers": (change_config(num_experts=5), 3, "num_experts = 5, limit num_local_experts = 6"),
    "too-many": (change_config(num_local_experts=65537), 3, "num_local_experts = 65537"),
    "fewer-than-stored": (change_config(num_local_experts=5), 3, "experts.5.gate_proj.weight' = present, limit 5 experts"),
    "more-than-stored": (change_config(num_local_experts=7), 3, "experts.6.gate_proj.weight' = absent"),
    "other-width": (change_config(moe_intermediate_size=41), 3, "shape of tensor 'model.layers.0.mlp.experts.0."),
    "missing": (change_tensors(lambda t: t.pop(f"{LAYER}.experts.3.up_proj.weight")), 3,
                f"tensor '{LAYER}.experts.3.up_proj.weight' = absent, limit shape [40, 64]"),
    "extra": (change_tensors(lambda t: t.update({f"{LAYER}.experts.6.down_proj.weight": torch.zeros(64, 40)})), 3,
              f"tensor '{LAYER}.experts.6.down_proj.weight' = present, limit 6 experts"),
    "router-of-others": (change_tensors(lambda t: t.update({f"{LAYER}.gate.weight": torch.zeros(5, 64)})), 3,
                         f"shape of tensor '{LAYER}.gate.weight' = [5, 64], limit [6, 64]"),
    "of-two-types": (change_tensors(lambda t: t.update(
        {f"{LAYER}.experts.2.down_proj.weight": t[f"{LAYER}.experts.2.down_proj.weight"].half()})), 4,
        f"'{LAYER}.experts.2.down_proj.weight' beside experts in"),
    "dense-where-experts-are": (change_config(mlp_only_layers=[1]), 3, f"tensor '{LAYER}.gate_proj.weight' = absent"),
    "dense-beyond-the-last": (change_config(mlp_only_layers=[2]), 3, "mlp_only_layers = a number outside"),
    "dense-by-a-fraction": (change_config(mlp_only_layers=[0.5]), 3, "mlp_only_layers = a fraction"),
    "no-step": (change_config(decoder_sparse_step=0), 3, "decoder_sparse_step = 0"),
    "a-window-of-nothing": (change_config(use_sliding_window=True, sliding_window=0), 3, "sliding_window = 0"),
    "clipped": (change_config(clip_qkv=8.0), 4, "clip_qkv"),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "model"
    make(Qwen3MoeConfig, 23, head_dim=16, num_experts=6, num_experts_per_tok=3, moe_intermediate_size=40,
         norm_topk_prob=True).save_pretrained(path)
    return path


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(refuses, plain, tmp_path, name):
    change, code, words = HOSTILE[name]
    path = shutil.copytree(plain, tmp_path / "model")
    change(path)
    refuses(path, code, words)


def test_hostile_gguf(heddle, tmp_path):
    """Experts that a file's metadata and tensors do not agree on."""
    model = make(Qwen3MoeConfig, 24, head_dim=16, num_experts=6, num_experts_per_tok=3, moe_intermediate_size=40,
                 norm_topk_prob=True)
    cases = [(dict(leave_out=("blk.1.ffn_up_exps.weight",)), 3, "'blk.1.ffn_up_exps.weight' = absent"),
             (dict(expert_group_count="2"), 4, "qwen3moe.expert_group_count")]
    for more, code, words in cases:
        path = export(model, tmp_path / "model.gguf", **more)
        assert words in heddle("compile", path, "-o", tmp_path / "program", code=code).stderr
    model.config.num_experts_per_tok = 9
    path = export(model, tmp_path / "model.gguf")
    assert ("qwen3moe.expert_used_count = 9, limit qwen3moe.expert_count = 6"
            in heddle("compile", path, "-o", tmp_path / "program", code=3).stderr)
