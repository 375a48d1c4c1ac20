"""Broken and hostile directories of safetensors: each is refused with its exit code and
one line, within the limits of import_tools.check."""

import json
import math
import os

import pytest
from import_tools import HEDDLE, LIMIT, MALFORMED, OK, PROBE, TOOLS, UNSUPPORTED, check, probe, run
from safetensors_bytes import SHAPES, entries, model, safetensors

MEMBERS, DATA = entries(SHAPES)
GOOD = safetensors(MEMBERS, DATA)
NAME = "model.norm.weight"


def one(shape=(2, 2), offsets=(0, 16), dtype="F32", data=bytes(16), **more):
    return safetensors({"a": {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}}, data)


def two(first, second, size=32):
    return safetensors({n: {"dtype": "F32", "shape": [4], "data_offsets": list(at)}
                        for n, at in (("a", first), ("b", second))}, bytes(size))


def changed(name, **fields):
    return safetensors(MEMBERS | {name: MEMBERS[name] | fields}, DATA)


def many(count):
    """`count` tensors of a byte."""
    body = ",".join(f'"t{i}":{{"dtype":"U8","shape":[1],"data_offsets":[{i},{i + 1}]}}' for i in range(count))
    return safetensors(b"{" + body.encode() + b"}", bytes(count))


TWICE = b'{"%s":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"%s":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'

# (name, bytes of model.safetensors, exit code, part of the line)
CASES = [
    ("empty", b"", MALFORMED, "header length"),
    ("seven-bytes", bytes(7), MALFORMED, "header length"),
    ("length-0", bytes(8), MALFORMED, "header = ''"),
    *[(f"length-{n}", safetensors(MEMBERS, DATA, n), MALFORMED, f"header length = {n}")
      for n in (2**64 - 1, 2**63, 2**32, len(GOOD) + 1, len(GOOD) - 7)],
    ("length-short", safetensors(MEMBERS, DATA, 10), MALFORMED, "JSON"),
    ("not-utf8", safetensors(b'{"a\xff":{}}', b""), MALFORMED, "UTF-8"),
    ("surrogate-bytes", safetensors(b'{"a\xed\xa0\x80":{}}', b""), MALFORMED, "UTF-8"),
    ("nul-inside", safetensors(b'{"a":\0{}}', b""), MALFORMED, "JSON"),
    ("nul-in-key", safetensors(b'{"a\\u0000":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x"), MALFORMED, "no NUL"),
    ("space-first", safetensors(b" {}", b""), MALFORMED, "first byte"),
    ("array", safetensors(b"[]", b""), MALFORMED, "first byte"),
    ("not-closed", safetensors(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}', b"x"), MALFORMED, ", or }"),
    ("behind-the-end", safetensors(b'{} {}', b""), MALFORMED, "limit the end"),
    ("no-colon", safetensors(b'{"a" 1}', b""), MALFORMED, "limit :"),
    ("no-key", safetensors(b'{1:2}', b""), MALFORMED, "limit a key"),
    ("comma-last", safetensors(b'{"__metadata__":{},}', b""), MALFORMED, "limit a key"),
    ("open-string", safetensors(b'{"a', b""), MALFORMED, "JSON"),
    ("deep", safetensors(b'{"a":' + b"[" * 100_000, b""), MALFORMED, "nesting"),
    ("deep-objects", safetensors(b'{"a":' * 100_000, b""), MALFORMED, "nesting"),
    ("duplicate", safetensors(TWICE % (b"a", b"a"), b"x"), MALFORMED, "duplicate 'a'"),
    ("duplicate-escaped", safetensors(TWICE % (b"a", b"\\u0061"), b"x"), MALFORMED, "duplicate 'a'"),
    ("duplicate-inside", safetensors(b'{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}', b"x"),
     MALFORMED, "duplicate 'dtype'"),
    ("metadata-number", safetensors(MEMBERS | {"__metadata__": {"a": 1}}, DATA), MALFORMED, "__metadata__"),
    ("name-empty", safetensors({"": MEMBERS[NAME]}, bytes(32)), MALFORMED, "name length"),
    ("entry-number", safetensors({"a": 1}, b""), MALFORMED, "an object"),
    ("entry-key", one(order="C"), MALFORMED, "key = 'order'"),
    ("overlap", two((0, 16), (15, 31), 31), MALFORMED, "overlap"),
    ("same-place", two((0, 16), (0, 16), 16), MALFORMED, "overlap"),
    ("gap", two((0, 16), (17, 33), 33), MALFORMED, "a gap"),
    ("first-not-0", two((1, 17), (17, 33), 33), MALFORMED, "a gap"),
    ("data-behind", one(data=bytes(17)), MALFORMED, "17 bytes, limit 16"),
    ("data-none", safetensors({}, b"x"), MALFORMED, "1 bytes, limit 0"),
    ("extent-small", one(offsets=(0, 15), data=bytes(15)), MALFORMED, "15 bytes, limit 16 bytes"),
    ("extent-large", one(offsets=(0, 17), data=bytes(17)), MALFORMED, "17 bytes, limit 16 bytes"),
    ("offsets-swapped", one(offsets=(16, 0)), MALFORMED, "[16, 0]"),
    ("offsets-one", one(offsets=(16,)), MALFORMED, "[begin, end]"),
    ("offsets-negative", one(offsets=(-1, 15)), MALFORMED, "'-1'"),
    ("offsets-float", one(offsets=(0.5, 16.5)), MALFORMED, "'0.5'"),
    ("offsets-huge", one(offsets=(2**64 - 16, 2**64)), MALFORMED, "data_offsets"),
    ("shape-wraps-32", one((2**32, 2**32)), MALFORMED, "element count"),
    ("shape-wraps-62", one((2**62, 4)), MALFORMED, "dimension 0"),
    ("shape-bytes-wrap", one((2**31, 2**31)), MALFORMED, "size"),
    ("shape-negative", one((-2, -2)), MALFORMED, "'-2'"),
    ("shape-0", one((0, 2), (0, 0), data=b""), MALFORMED, "dimension 0"),
    ("shape-rank-5", one((1, 1, 1, 2, 2)), MALFORMED, "rank = 5"),
    ("shape-string", one(shape=("2", 2)), MALFORMED, "shape"),
    ("dtype-unknown", one(dtype="F31"), MALFORMED, "'F31'"),
    ("dtype-number", one(dtype=3), MALFORMED, "dtype = absent"),
    ("dtype-odd-half-bytes", one((3,), (0, 2), "F4", bytes(2)), MALFORMED, "row length = 3"),
    ("cut-1", GOOD[:-1], MALFORMED, "data"),
    ("cut-half", GOOD[:len(GOOD) // 2], MALFORMED, "header length" if len(GOOD) // 2 < len(GOOD) - len(DATA) else "data"),
    ("cut-data", GOOD[:-len(DATA)], MALFORMED, "data_offsets end"),
]
# What the header may say and no model is.
MODEL_CASES = [
    ("dtype-lie", changed(NAME, dtype="I32"), MALFORMED, "I32"),
    ("dtype-f64", safetensors(*entries(SHAPES, "F64")), UNSUPPORTED, "F64"),
    ("missing", safetensors({n: m for n, m in MEMBERS.items() if n != "lm_head.weight"}, DATA), MALFORMED, ""),
    ("shape", safetensors(*entries(SHAPES | {NAME: [9]})), MALFORMED, "[9], limit [8]"),
    ("absent", safetensors(*entries({n: s for n, s in SHAPES.items() if n != NAME})), MALFORMED, f"'{NAME}' = absent"),
    ("none", safetensors({}, b""), MALFORMED, "absent"),
]


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("case", CASES, ids=[c[0] for c in CASES])
def test_case(case, tool, tmp_path):
    _, content, code, part = case
    check(tool, model(tmp_path / "x", files={"model.safetensors": content}), code, part)


@pytest.mark.skipif(not HEDDLE, reason="HEDDLE_BIN is not set")
@pytest.mark.parametrize("case", MODEL_CASES, ids=[c[0] for c in MODEL_CASES])
def test_model_case(case, tmp_path):
    _, content, code, part = case
    check("heddle", model(tmp_path / "x", files={"model.safetensors": content}), code, part)


@pytest.mark.parametrize("tool", TOOLS)
def test_good(tool, tmp_path):
    check(tool, model(tmp_path / "x"), OK, "")


def blocks(codes=(2, 3, 4, 16), scales=(2, 3, 4), dtype="U8", name="x_scales"):
    """A matrix an expert in MXFP4, codes and scales apart."""
    members, at = {}, 0
    for tensor, shape, kind in (("x_blocks", codes, dtype), (name, scales, "U8")):
        size = math.prod(shape)
        members[tensor] = {"dtype": kind, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    return safetensors(members, bytes(at))


# (name, bytes, exit code, part of the line) where a config says MXFP4
BLOCKS = [
    ("good", blocks(), OK, ""),
    ("of-one-matrix", blocks((3, 4, 16), (3, 4)), OK, ""),
    ("empty", blocks((2, 0, 4, 16), (2, 0, 4)), MALFORMED, "tensor 'x_blocks' dimension 1 = 0"),
    ("no-groups", blocks((4, 16), (4,)), MALFORMED, "shape of tensor 'x_blocks' = [4, 16], limit [..., K / 32, 16]"),
    ("other-size", blocks((2, 3, 4, 8)), MALFORMED, "shape of tensor 'x_blocks' = [2, 3, 4, 8]"),
    ("no-scales", blocks(name="x_scale"), MALFORMED, "tensor 'x_scales' = absent, limit shape [2, 3, 4]"),
    ("fewer-scales", blocks(scales=(2, 3, 3)), MALFORMED, "shape of tensor 'x_scales' = [2, 3, 3], limit [2, 3, 4]"),
    ("signed", blocks(dtype="I8"), MALFORMED, "'x_blocks'.dtype = I8, limit U8"),
]


@pytest.mark.parametrize("case", BLOCKS, ids=[c[0] for c in BLOCKS])
def test_blocks(case, tmp_path):
    _, content, code, part = case
    check("probe", model(tmp_path / "x", files={"model.safetensors": content},
                         quantization_config={"quant_method": "mxfp4"}), code, part)


@pytest.mark.skipif(not HEDDLE, reason="HEDDLE_BIN is not set")
def test_extra_tensor_is_ignored(tmp_path):
    path = model(tmp_path / "x", files={"model.safetensors": safetensors(*entries(SHAPES | {"vision.x": [3]}))})
    assert "ignored: tensor 'vision.x'" in check("heddle", path, OK, "").err


def test_cut_at_pages(tmp_path):
    """A file that ends at a page, or a byte off, is read to there and not beyond."""
    content = safetensors(*entries({"a": [4096]}))
    for end in range(4096, len(content), 4096):
        for cut in (end - 1, end, end + 1):
            path = model(tmp_path / f"x{cut}", files={"model.safetensors": content[:cut]})
            check("probe", path, MALFORMED, "data_offsets end")


def test_large_headers(tmp_path):
    """A header of 101 MB in a sparse file; a million tensors."""
    path = model(tmp_path / "x", files={"model.safetensors": safetensors({}, b"", 101_000_000)})
    os.truncate(path / "model.safetensors", 2**27)
    check("probe", path, LIMIT, "101000000")
    check("probe", model(tmp_path / "y", files={"model.safetensors": many(1_000_000)}), LIMIT, "limit 65538")


#===----------------------------------------------------------------------===#
# Shards
#===----------------------------------------------------------------------===#

NAMES = list(SHAPES)
FIRST = {n: SHAPES[n] for n in NAMES[:3]}
SECOND = {n: SHAPES[n] for n in NAMES[3:]}
MAP = {n: "a.safetensors" for n in FIRST} | {n: "b.safetensors" for n in SECOND}


def sharded(path, weight_map=MAP, index=None, **more):
    files = {"a.safetensors": safetensors(*entries(FIRST)), "b.safetensors": safetensors(*entries(SECOND)),
             "model.safetensors.index.json": index or json.dumps({"metadata": {}, "weight_map": weight_map}).encode()}
    return model(path, files={**files, **more})


def test_shards(tmp_path):
    """The same tensors as in one file."""
    lines = [set(probe(f"{path}/").split("\n")) for path in (
        model(tmp_path / "one"), model(tmp_path / "x", files={"model.safetensors": safetensors(*entries(FIRST | SECOND))}))]
    assert lines[0] == lines[1]
    two = probe(f"{sharded(tmp_path / 'two')}/")
    assert f"tensors {len(SHAPES)}" in two


SHARDS = [
    *[(f"name-{i}", dict(weight_map=MAP | {NAMES[0]: name}), "file name")
      for i, name in enumerate(("../a.safetensors", "/tmp/a", "a/../../a", "..", ".", "a\\b", "", "sub/a", "a\0"))],
    ("name-number", dict(weight_map=MAP | {NAMES[0]: 3}), "weight_map"),
    ("map-empty", dict(weight_map={}), "weight_map = empty"),
    ("map-absent", dict(index=b"{}"), "weight_map = absent"),
    ("map-array", dict(index=b'{"weight_map": []}'), "weight_map = absent"),
    ("map-duplicate", dict(index=b'{"weight_map": {"a": "a.safetensors", "\\u0061": "b.safetensors"}}'), "duplicate 'a'"),
    ("index-cut", dict(index=b'{"weight_map": {"a'), "JSON"),
    ("shard-missing", {"a.safetensors": None}, "missing 'a.safetensors'"),
    ("tensor-missing", dict(weight_map=MAP | {"model.other": "a.safetensors"}), "'model.other'"),
    ("tensor-elsewhere", dict(weight_map=MAP | {NAMES[0]: "b.safetensors"}), f"'{NAMES[0]}'"),
    ("tensor-twice", {"b.safetensors": safetensors(*entries(SHAPES))}, "duplicate"),
    ("shard-broken", {"b.safetensors": b"x"}, "b.safetensors: header length"),
]


@pytest.mark.parametrize("case", SHARDS, ids=[c[0] for c in SHARDS])
def test_shard_case(case, tmp_path):
    _, more, part = case
    check("probe", sharded(tmp_path / "x", **more), MALFORMED, part)


@pytest.mark.parametrize("kind", ("outward", "loop", "hard", "fifo", "directory"))
def test_shard_is_no_file(kind, tmp_path):
    path = sharded(tmp_path / "x", **{"a.safetensors": None})
    shard, outside = path / "a.safetensors", tmp_path / "elsewhere"
    outside.write_bytes(safetensors(*entries(FIRST)))
    if kind == "outward":
        shard.symlink_to(outside)
    elif kind == "loop":
        shard.symlink_to(shard)
    elif kind == "hard":
        shard.hardlink_to(outside)
    elif kind == "fifo":
        os.mkfifo(shard)
    else:
        shard.mkdir()
    check("probe", path, MALFORMED, "a.safetensors: ")


def test_hub_cache(tmp_path):
    """Files of a hub cache are links to blobs."""
    blobs, snapshot = tmp_path / "hub" / "blobs", tmp_path / "hub" / "snapshots" / "abc"
    blobs.mkdir(parents=True)
    sharded(tmp_path / "plain")
    snapshot.mkdir(parents=True)
    for file in (tmp_path / "plain").iterdir():
        file.rename(blobs / f"blob-{file.name}")
        (snapshot / file.name).symlink_to(f"../../blobs/blob-{file.name}")
    assert run(PROBE, f"{snapshot}/").code == OK


def test_pickle(tmp_path):
    path = model(tmp_path / "x", files={"model.safetensors": None, "pytorch_model.bin": b"PK"})
    check("probe", path, UNSUPPORTED, "pickle")


def test_no_weights(tmp_path):
    check("probe", model(tmp_path / "x", files={"model.safetensors": None}), MALFORMED, "model.safetensors")
    empty = tmp_path / "empty"
    empty.mkdir()
    check("probe", empty, MALFORMED, "config.json")
