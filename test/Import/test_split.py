"""A split set equals the single file that it was made from."""

import gguf
import numpy as np
from import_tools import dump, probe


def add_model(writer, tensors):
    writer.add_uint32("llama.block_count", 2)
    writer.add_float32("llama.rope.freq_base", 10000.0)
    writer.add_array("tokenizer.ggml.tokens", ["a", "b", "é" * 20])
    for name, (data, kind) in tensors.items():
        writer.add_tensor(name, data, raw_dtype=kind)


def write(path, tensors, **split):
    writer = gguf.GGUFWriter(path, "llama", **split)
    add_model(writer, tensors)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def model():
    random = np.random.default_rng(7)
    kinds = gguf.GGMLQuantizationType
    tensors = {}
    for i, kind in enumerate([kinds.F32, kinds.Q8_0, kinds.F16, kinds.Q4_1,
                              kinds.Q4_0, kinds.BF16, kinds.F32]):
        values = random.standard_normal((3 + i, 64)).astype(np.float32)
        data = (values if kind == kinds.F32 else
                gguf.quants.quantize(values, kind))
        tensors[f"blk.{i}.weight"] = (data, kind)
    return tensors


def test_split_equals_single(tmp_path):
    tensors = model()
    single = tmp_path / "single.gguf"
    write(single, tensors)
    write(tmp_path / "set.gguf", tensors, split_max_tensors=3)
    first = tmp_path / "set-00001-of-00003.gguf"
    assert probe(first) == probe(single)
    for name in tensors:
        assert dump(first, name) == dump(single, name)


def test_first_part_without_tensors(tmp_path):
    tensors = model()
    single = tmp_path / "single.gguf"
    write(single, tensors)
    write(tmp_path / "set.gguf", tensors, split_max_tensors=4,
          small_first_shard=True)
    first = tmp_path / "set-00001-of-00003.gguf"
    assert first.exists(), sorted(tmp_path.iterdir())
    assert probe(first) == probe(single)
