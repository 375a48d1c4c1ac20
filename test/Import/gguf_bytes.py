"""Builds GGUF files byte by byte, right or wrong; what writers refuse to do."""

import struct

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
_CODES = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f",
          BOOL: "B", U64: "Q", I64: "q", F64: "d"}


def u32(n):
    return struct.pack("<I", n & 0xFFFFFFFF)


def u64(n):
    return struct.pack("<Q", n & 0xFFFFFFFFFFFFFFFF)


def string(text, length=None):
    raw = text.encode() if isinstance(text, str) else text
    return u64(len(raw) if length is None else length) + raw


def value(kind, v):
    if kind == STRING:
        return string(v)
    return struct.pack("<" + _CODES[kind], v)


def pair(key, kind, v):
    return string(key) + u32(kind) + value(kind, v)


def array(key, kind, values, count=None):
    return (string(key) + u32(ARRAY) + u32(kind) +
            u64(len(values) if count is None else count) +
            b"".join(value(kind, v) for v in values))


def info(name="w", dims=(32, 2), kind=0, offset=0, n_dims=None):
    return (string(name) + u32(len(dims) if n_dims is None else n_dims) +
            b"".join(u64(d) for d in dims) + u32(kind) + u64(offset))


ARCH = pair("general.architecture", STRING, "llama")


def sections(pairs=(ARCH,), infos=None, data=bytes(256), version=3,
             n_tensors=None, n_kv=None, magic=b"GGUF", align=32):
    """The file as a list of its sections, in order."""
    infos = [info()] if infos is None else list(infos)
    head = [magic, u32(version),
            u64(len(infos) if n_tensors is None else n_tensors),
            u64(len(pairs) if n_kv is None else n_kv), *pairs, *infos]
    size = sum(map(len, head))
    return head + [bytes(-size % align), data]


def gguf(**parts):
    return b"".join(sections(**parts))
