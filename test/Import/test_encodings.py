"""Decoding equals gguf-py's dequantization, bit for bit."""

import gguf
import numpy as np
import pytest
from gguf_bytes import gguf as build
from gguf_bytes import info
from import_tools import dump

ENCODINGS = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K",
             "IQ4_NL", "MXFP4"]
BLOCKS = 8 * 4


def blocks(kind, fill):
    """BLOCKS blocks in 8 rows, of 32 elements for floats, and the width of a row."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    scale = 32 if elements == 1 else 1
    count, width = BLOCKS * scale * size, BLOCKS * scale * elements // 8
    if fill == "random":
        return np.random.default_rng(size).integers(0, 256, count, np.uint8), width
    return np.full(count, fill, np.uint8), width


# 0xFF makes every f16 a NaN; 0x7B the scales large and finite; 0x03 subnormal
# in f16's high byte; 0x80 negative zeros and codes of -128.
@pytest.mark.parametrize("fill", ["random", 0xFF, 0x00, 0x7B, 0x03, 0x80])
@pytest.mark.parametrize("name", ENCODINGS)
def test_exact(name, fill, tmp_path):
    kind = gguf.GGMLQuantizationType[name]
    data, width = blocks(kind, fill)
    path = tmp_path / "x.gguf"
    path.write_bytes(build(infos=[info("w", (width, 8), kind)],
                           data=data.tobytes()))
    got = np.frombuffer(dump(path, "w"), np.float32)
    with np.errstate(all="ignore"):
        want = gguf.quants.dequantize(data.reshape(8, -1), kind).reshape(-1)
    assert got.size == want.size == 8 * width
    # A NaN's payload is the processor's choice once it went through a product.
    both_nan = np.isnan(got) & np.isnan(want)
    bits = got.view(np.uint32) == np.ascontiguousarray(want).view(np.uint32)
    assert (bits | both_nan).all()
    if name == "F32":
        assert bits.all()
