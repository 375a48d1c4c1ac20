"""gpt-oss as it is published, with experts in MXFP4: from a directory and from a GGUF, against
transformers; and checkpoints that do not fit together. test_huggingface.py has it in floats."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GptOssConfig

import oracle
from bounds import assert_bitwise, assert_close, assert_same_bits
from prompts import ids
from tiny_gguf import export
from tiny_hf import change_config, make, rope64, save_gpt_oss

LENGTH = 37
WINDOWS = [7, 0]
YARN = {"rope_type": "yarn", "factor": 4.0, "truncate": False, "original_max_position_embeddings": 64}


def build(seed, **more):
    """Widths of whole blocks of 32, and no whole panels."""
    return make(GptOssConfig, seed, ff=96, head_dim=24, num_local_experts=5, num_experts_per_tok=2, sliding_window=7,
                rope=YARN, **more)


def tokens_of(seed):
    return np.random.default_rng(seed).integers(0, 331, LENGTH).tolist()


def logits_of(model, tokens):
    return oracle.hf_logits(model, tokens), oracle.hf_logits64(model, tokens, *rope64(model.config), WINDOWS)


@pytest.fixture(scope="module")
def published(heddle, tmp_path_factory):
    """(the model with the values of the file, the directory, its program)"""
    directory = tmp_path_factory.mktemp("gpt-oss")
    model = build(50)
    path, program = save_gpt_oss(model, directory / "model"), directory / "program"
    done = heddle("compile", path, "-o", program, "--numeric=f32", "--quiet")
    assert "ignored" not in done.stderr
    return model, path, program


def test_directory(published, heddle, score):
    model, path, program = published
    tokens = tokens_of(50)
    f32, f64 = logits_of(model, tokens)
    assert np.abs(f32 - f64).max() <= 1e-4 * np.abs(f64).max()
    reference = score(None, tokens, command=("reference", path))
    assert np.abs(reference - f64).max() <= 4 * np.finfo(np.float32).eps * np.abs(f64).max()
    assert_close(assert_bitwise(score, program, tokens), f32, f64)
    out = heddle.run(program, "generate", ids(tokens[:8]), "-n", 64, "--print=tokens", "--ignore-eos",
                     "--temperature=0").stdout
    assert [int(t) for t in out.strip().split(",")] == oracle.hf_greedy(model, tokens[:8], 64)


def test_gguf(published, heddle, score, tmp_path):
    """The same weights: to the bit, but for the rest in other floats the same values."""
    model, _, program = published
    tokens, path = tokens_of(51), tmp_path / "model.gguf"
    export(model, path, "MXFP4", others="F32")
    heddle("compile", path, "-o", tmp_path / "program", "--numeric=f32", "--quiet")
    assert_same_bits(score(tmp_path / "program", tokens), score(program, tokens))


@pytest.mark.parametrize("others, numeric", [("Q8_0", "a8"), ("BF16", "a16")])
def test_narrow_activations(heddle, score, tmp_path, others, numeric):
    """Biases and the clamp after products of codes; bitwise itself, and what the reference makes
    of the same conversions."""
    # Rows of heads in whole blocks.
    model = make(GptOssConfig, 52, ff=64, heads=4, kv_heads=2, head_dim=16, num_local_experts=6, num_experts_per_tok=4,
                 sliding_window=7, rope=YARN)
    path, program, phases = tmp_path / "model.gguf", tmp_path / "program", tmp_path / "phases"
    export(model, path, "MXFP4", others=others)
    heddle("compile", path, "-o", program, f"--numeric={numeric}", f"--dump-ir={phases}", "--quiet")
    tokens = tokens_of(52)
    found = score(program, tokens, "-t", 1)
    for threads, chunk in ((1, 1), (2, 5), (2, 17)):
        assert_same_bits(score(program, tokens, "-t", threads, f"--chunk={chunk}"), found)
    module, = phases.glob("*-quantize.mlir")
    same = score(None, tokens, command=("reference", module, f"--weights-from={path}"))
    worst = np.abs(found - same).max(axis=1) / np.abs(same).max()
    assert np.quantile(worst, 0.9) <= (3 / 127 if numeric == "a8" else 3 / 256), worst


def test_other_numbers(score, tmp_path):
    """What a config may leave out, and says otherwise: the clamp, biases of the attention, windows."""
    model = build(53, swiglu_limit=0.5, swiglu_alpha=1.25, attention_bias=False,
                  layer_types=["full_attention", "sliding_attention"])
    model.save_pretrained(tmp_path / "model")
    tokens = tokens_of(53)
    f64 = oracle.hf_logits64(model, tokens, *rope64(model.config), [0, 7])
    found = score(None, tokens, command=("reference", tmp_path / "model"))
    assert np.abs(found - f64).max() <= 4 * np.finfo(np.float32).eps * np.abs(f64).max()
    assert np.abs(oracle.hf_logits(model, tokens) - f64).max() <= 1e-4 * np.abs(f64).max()


def change_tensors(edit):
    def change(path):
        file = path / "model.safetensors"
        stored = load_file(file)
        edit(stored)
        save_file({name: t.contiguous() for name, t in stored.items()}, file, {"format": "pt"})
    return change


EXPERTS = "model.layers.1.mlp.experts"
HOSTILE = {
    "no-scales": (change_tensors(lambda t: t.pop(f"{EXPERTS}.down_proj_scales")), 3,
                  f"tensor '{EXPERTS}.down_proj_scales' = absent, limit shape [5, 64, 3]"),
    "no-blocks": (change_tensors(lambda t: t.pop(f"{EXPERTS}.down_proj_blocks")), 3,
                  f"tensor '{EXPERTS}.down_proj_blocks' = absent, limit shape [5, 64, 96]"),
    "scales-of-others": (change_tensors(lambda t: t.update(
        {f"{EXPERTS}.down_proj_scales": t[f"{EXPERTS}.down_proj_scales"][..., :2]})), 3,
        f"shape of tensor '{EXPERTS}.down_proj_scales' = [5, 64, 2], limit [5, 64, 3]"),
    "other-blocks": (change_tensors(lambda t: t.update(
        {f"{EXPERTS}.down_proj_blocks": t[f"{EXPERTS}.down_proj_blocks"].view(5, 64, 6, 8)})), 3,
        f"shape of tensor '{EXPERTS}.down_proj_blocks' = [5, 64, 6, 8], limit [..., K / 32, 16]"),
    "flat-blocks": (change_tensors(lambda t: t.update(
        {f"{EXPERTS}.down_proj_blocks": t[f"{EXPERTS}.down_proj_blocks"].view(-1, 16)})), 3, "limit [..., K / 32, 16]"),
    "blocks-of-another-type": (change_tensors(lambda t: t.update(
        {f"{EXPERTS}.down_proj_blocks": t[f"{EXPERTS}.down_proj_blocks"].to(torch.int8)})), 3,
        f"'{EXPERTS}.down_proj_blocks'.dtype = I8, limit U8"),
    "scales-of-another-type": (change_tensors(lambda t: t.update(
        {f"{EXPERTS}.down_proj_scales": t[f"{EXPERTS}.down_proj_scales"].float()})), 3,
        f"'{EXPERTS}.down_proj_scales'.dtype = f32, limit U8"),
    "another-width": (change_tensors(lambda t: t.update(
        {f"{EXPERTS}.gate_up_proj_{n}": t[f"{EXPERTS}.gate_up_proj_{n}"][:, :190] for n in ("blocks", "scales")})), 3,
        f"shape of tensor '{EXPERTS}.gate_up_proj_blocks' = [5, 190, 64], limit [5, 192, 64]"),
    "no-bias": (change_tensors(lambda t: t.pop(f"{EXPERTS}.gate_up_proj_bias")), 3,
                f"tensor '{EXPERTS}.gate_up_proj_bias' = absent, limit shape [5, 192]"),
    "a-bias-of-others": (change_tensors(lambda t: t.update(
        {f"{EXPERTS}.down_proj_bias": t[f"{EXPERTS}.down_proj_bias"][:4]})), 3,
        f"shape of tensor '{EXPERTS}.down_proj_bias' = [4, 64], limit [5, 64]"),
    "a-bias-of-another-type": (change_tensors(lambda t: t.update(
        {f"{EXPERTS}.down_proj_bias": t[f"{EXPERTS}.down_proj_bias"].to(torch.float8_e4m3fn)})), 4,
        f"encoding F8_E4M3 of 1 tensors, the first '{EXPERTS}.down_proj_bias'"),
    "no-sinks": (change_tensors(lambda t: t.pop("model.layers.0.self_attn.sinks")), 3,
                 "tensor 'model.layers.0.self_attn.sinks' = absent, limit shape [4]"),
    "no-router-bias": (change_tensors(lambda t: t.pop("model.layers.0.mlp.router.bias")), 3,
                       "tensor 'model.layers.0.mlp.router.bias' = absent"),
    "no-output-bias": (change_tensors(lambda t: t.pop("model.layers.0.self_attn.o_proj.bias")), 3,
                       "tensor 'model.layers.0.self_attn.o_proj.bias' = absent"),
    "another-scheme": (change_config(quantization_config={"quant_method": "fp8"}), 4,
                       "quantization_config.quant_method = 'fp8'"),
    "no-scheme": (change_config(quantization_config=None), 4, "encoding U8 of 4 tensors, the first"),
    "a-limit-of-nothing": (change_config(swiglu_limit=0), 3, "swiglu_limit = 0"),
    "no-positions": (change_config(rope_parameters=None), 4, "rope_parameters that are left out"),
    "more-than-experts": (change_config(num_experts_per_tok=6), 3, "num_experts_per_tok = 6, limit num_local_experts = 5"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(published, refuses, tmp_path, name):
    change, code, words = HOSTILE[name]
    path = shutil.copytree(published[1], tmp_path / "model")
    change(path)
    refuses(path, code, words)


@pytest.mark.parametrize("missing", ("ffn_up_exps.bias", "attn_sinks.weight", "attn_k.bias", "post_attention_norm.weight"))
def test_hostile_gguf(refuses, tmp_path, missing):
    export(build(54, layers=1), tmp_path / "model.gguf", leave_out=(f"blk.0.{missing}",))
    refuses(tmp_path / "model.gguf", 3, f"tensor 'blk.0.{missing}' = absent")


@pytest.mark.parametrize("gating, code", ((3, 0), (1, 4)))
def test_gguf_gating(heddle, tmp_path, gating, code):
    """The router that a file names is the family's, or another."""
    path = export(build(56, layers=1), tmp_path / "model.gguf", expert_gating_func=gating)
    done = heddle("import", path, "-o", tmp_path / "graph.mlir", code=code)
    assert code == 0 or "gpt-oss.expert_gating_func = 1, other than softmax of the chosen" in done.stderr


def test_hostile_gguf_bias(refuses, tmp_path):
    """Biases in blocks are no biases."""
    import gguf
    path = export(build(55, layers=1), tmp_path / "whole.gguf")
    reader, writer = gguf.GGUFReader(str(path)), gguf.GGUFWriter(str(tmp_path / "model.gguf"), "gpt-oss")
    for field in reader.fields.values():
        if not field.name.startswith(("GGUF.", "general.architecture")):
            writer.add_key_value(field.name, field.contents(), field.types[0])
    for t in reader.tensors:
        values = t.data.reshape([int(n) for n in t.shape][::-1])
        kind = gguf.GGMLQuantizationType.Q8_0 if t.name.endswith("gate_exps.bias") else t.tensor_type
        writer.add_tensor(t.name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    refuses(tmp_path / "model.gguf", 4, "encoding q8_0 of 'blk.0.ffn_gate_exps.bias', a bias")
