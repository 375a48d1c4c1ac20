"""Numbers and tensors of experts and latent attention that do not go together, in directories and in
GGUF: whatever is changed, one line that names it, an exit status, and no file."""

import concurrent.futures
import json
import shutil
import subprocess

import gguf
import numpy as np
import pytest
import torch
from gguf import GGUFValueType as Type
from safetensors.torch import load_file, save_file

import test_mla
import test_moe
from tiny_gguf import export
from tiny_hf import change_config, make

TENSOR = "tensor '"  # what a number contradicts, if it is a number that might be
# Of each field what the answer names, where it is not the field itself. A field may be 7 where nothing
# stored depends on it.
FIELDS = {
    "deepseek_v3": {
        "n_routed_experts": {}, "num_experts_per_tok": {}, "n_group": {}, "topk_group": {}, "moe_layer_freq": {7: TENSOR},
        "moe_intermediate_size": {7: TENSOR}, "n_shared_experts": {0: TENSOR, 7: TENSOR},
        "first_k_dense_replace": {0: TENSOR, 7: TENSOR}, "routed_scaling_factor": {7: None, 0.5: None},
        "kv_lora_rank": {7: TENSOR}, "q_lora_rank": {7: TENSOR}, "qk_nope_head_dim": {7: TENSOR},
        "qk_rope_head_dim": {}, "v_head_dim": {7: TENSOR}},
    "qwen2_moe": {
        "num_experts": {7: TENSOR}, "num_experts_per_tok": {}, "moe_intermediate_size": {7: TENSOR},
        "shared_expert_intermediate_size": {7: TENSOR}, "decoder_sparse_step": {7: TENSOR}},
}
KEYS = {
    "attention.head_count": {7: TENSOR}, "attention.head_count_kv": {}, "attention.q_lora_rank": {7: TENSOR},
    "attention.kv_lora_rank": {7: "deepseek2.attention.key_length = 48, limit"}, "attention.key_length": {}, "attention.value_length": {},
    "attention.key_length_mla": {7: "deepseek2.rope.dimension_count"}, "attention.value_length_mla": {7: TENSOR},
    "rope.dimension_count": {}, "leading_dense_block_count": {0: TENSOR, 7: "leading_dense_block_count = 7, limit"},
    "expert_count": {}, "expert_used_count": {}, "expert_feed_forward_length": {7: TENSOR},
    "expert_shared_count": {0: TENSOR, 7: TENSOR}, "expert_group_count": {}, "expert_group_used_count": {},
    "expert_gating_func": {0: TENSOR}, "expert_weights_scale": {0.5: None}}
BAD = [-1, 0, 7, 2**63, 0.5, "3"]


def build(name):
    if name == "qwen2_moe":
        return make(test_moe.KINDS["qwen2moe"][0], 29, **test_moe.KINDS["qwen2moe"][1])
    return test_mla.build("v3")


def answers(heddle, cases):
    """Imports each (what, path, words): the answers that are not one line with all the words, or None and success."""
    def wrong(case):
        what, path, words = case
        out = path.with_name(path.name + ".mlir")
        done = subprocess.run([heddle.heddle, "import", path, "-o", out], capture_output=True, text=True)
        lines = [line for line in done.stderr.splitlines() if not line.startswith("hint: ")]
        good = (done.returncode == 0 if words is None else done.returncode in (3, 4) and len(lines) == 1 and not out.exists()
                and lines[0].startswith("heddle: error: ") and all(word in lines[0] for word in words))
        return "" if good else f"{what}: {done.returncode} {done.stderr[:300]}"

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(filter(None, pool.map(wrong, cases)))


@pytest.mark.parametrize("name", FIELDS)
def test_config(heddle, tmp_path, name):
    good = tmp_path / "good"
    build(name).save_pretrained(good)
    config, cases = json.loads((good / "config.json").read_text()), [("good", good, None)]
    for field, named in FIELDS[name].items():
        for value in BAD:
            path = tmp_path / str(len(cases))
            path.mkdir()
            shutil.copy(good / "model.safetensors", path)
            (path / "config.json").write_text(json.dumps(config | {field: value}))
            words = named.get(value, field)
            cases.append((f"{field} = {value}", path, words and [words]))
    assert not (wrong := answers(heddle, cases)), "\n".join(wrong)


def rewrite(source, out, fields=(), edit=None):
    """A GGUF with other values of FIELDS (None: without), and what EDIT makes of {name: array}, of f32."""
    reader, fields = gguf.GGUFReader(source), dict(fields)
    writer = gguf.GGUFWriter(str(out), reader.fields["general.architecture"].contents())
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key != "general.architecture" and key not in fields:
            writer.add_key_value(key, field.contents(), *field.types[:2])
    kinds = {int: lambda v: Type.INT32 if v < 0 else Type.UINT64, float: lambda _: Type.FLOAT32, str: lambda _: Type.STRING}
    for key, value in fields.items():
        if value is not None:
            writer.add_key_value(key, value, kinds[type(value)](value))
    tensors = {t.name: np.array(t.data) for t in reader.tensors}
    if edit:
        edit(tensors)
    for key, values in tensors.items():
        writer.add_tensor(key, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


@pytest.fixture(scope="module")
def deepseek2(tmp_path_factory):
    return export(build("deepseek_v3"), tmp_path_factory.mktemp("deepseek2") / "model.gguf")


def test_gguf_metadata(heddle, deepseek2, tmp_path):
    cases = [("good", rewrite(deepseek2, tmp_path / "good.gguf"), None)]
    for key, named in KEYS.items():
        for value in BAD:
            path = rewrite(deepseek2, tmp_path / f"{len(cases)}.gguf", {f"deepseek2.{key}": value})
            words = named.get(value, f"deepseek2.{key}")
            cases.append((f"{key} = {value}", path, words and [words]))
    # What one key says and no other.
    for key, words in {"attention.key_length_mla": TENSOR, "expert_count": "expert_count", "expert_gating_func": TENSOR,
                       "expert_group_count": "expert_group_used_count = 2, limit", "expert_shared_count": TENSOR}.items():
        path = rewrite(deepseek2, tmp_path / f"{len(cases)}.gguf", {f"deepseek2.{key}": None})
        cases.append((f"no {key}", path, [words]))
    assert not (wrong := answers(heddle, cases)), "\n".join(wrong)


def test_gguf_tensors(heddle, deepseek2, tmp_path):
    names = [t.name for t in gguf.GGUFReader(deepseek2).tensors if t.name.startswith("blk.1.")]
    edits = {"absent": lambda t, name: t.pop(name),
             "longer": lambda t, name: t.update({name: np.concatenate([t[name], t[name][:1]])}),
             "of another rank": lambda t, name: t.update({name: np.stack([t[name]] * 2)})}
    cases = []
    for name in names:
        for what, edit in edits.items():
            path = rewrite(deepseek2, tmp_path / f"{len(cases)}.gguf", (), lambda t: edit(t, name))  # noqa: B023
            cases.append((f"{name} {what}", path, [f"'{name}'", "limit"]))
    for extra in ("blk.0.ffn_gate_exps.weight", "blk.1.ffn_gate.weight", "blk.1.ffn_down_exps.bias", "blk.1.attn_kv_b.weight"):
        path = rewrite(deepseek2, tmp_path / f"{len(cases)}.gguf", (),
                       lambda t: t.update({extra: np.zeros((2, 64), np.float32)}))  # noqa: B023
        cases.append((f"extra {extra}", path, [f"'{extra}'"]))
    assert not (wrong := answers(heddle, cases)), "\n".join(wrong)


def test_extra_tensors(heddle, tmp_path):
    """What belongs to experts and the config does not speak of. The layers that predict further tokens do not count."""
    good = tmp_path / "good"
    build("deepseek_v3").save_pretrained(good)
    stored, cases = load_file(good / "model.safetensors"), []
    for name, refused in {
            "layers.0.mlp.experts.0.up_proj.weight": True, "layers.0.mlp.gate.weight": True,
            "layers.1.mlp.gate_proj.weight": True, "layers.2.mlp.experts.down_proj": True,
            "layers.1.mlp.shared_expert_gate.weight": True, "layers.2.mlp.experts.8.up_proj.weight": True,
            "layers.1.mlp.gate.bias": True, "layers.3.mlp.gate.weight": False, "layers.1.other.weight": False}.items():
        path = tmp_path / str(len(cases))
        path.mkdir()
        shutil.copy(good / "config.json", path)
        save_file(stored | {f"model.{name}": torch.zeros(2, 64)}, path / "model.safetensors", {"format": "pt"})
        cases.append((name, path, [f"tensor 'model.{name}' = present, limit"] if refused else None))
    assert not (wrong := answers(heddle, cases)), "\n".join(wrong)


def test_defaults(heddle, tmp_path):
    """What a config.json leaves out is what transformers takes for it."""
    path = tmp_path / "model"
    more = test_mla.LATENT | test_mla.MODELS["v3"][1] | dict(layers=4, n_routed_experts=16, n_group=8, topk_group=4,
                                                             first_k_dense_replace=3, norm_topk_prob=True)
    make(test_mla.MODELS["v3"][0], 31, **more).save_pretrained(path)
    change_config(routed_scaling_factor=2.5)(path)
    heddle("import", path, "-o", tmp_path / "whole.mlir")
    config = json.loads((path / "config.json").read_text())
    for key in ("n_group", "topk_group", "first_k_dense_replace", "norm_topk_prob", "routed_scaling_factor",
                "rope_interleave", "moe_layer_freq", "scoring_func", "topk_method"):
        config.pop(key, None)
    (path / "config.json").write_text(json.dumps(config))
    heddle("import", path, "-o", tmp_path / "less.mlir")
    assert (tmp_path / "less.mlir").read_text() == (tmp_path / "whole.mlir").read_text()
