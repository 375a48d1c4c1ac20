"""The program's tokenizer against the `tokenizers` package.

HEDDLE_TEST_PROGRAM names a compiled SmolLM2 program; without it a fake one is
built around the same tokenizer. HEDDLE_TEST_SEED repeats a run.
"""

import json
import os
import random
import subprocess
import time

import pytest

tokenizers = pytest.importorskip("tokenizers")

SEED = int(os.environ.get("HEDDLE_TEST_SEED", time.time_ns() % 2**32))
COUNT = int(os.environ.get("HEDDLE_TEST_STRINGS", "10000"))

# Ranges of many scripts, symbols, emoji, digits, marks and controls.
RANGES = [
    (0x20, 0x7E), (0xA0, 0xFF), (0x100, 0x24F), (0x300, 0x36F),
    (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5FF), (0x600, 0x6FF),
    (0x900, 0x97F), (0xE00, 0xE7F), (0x10A0, 0x10FF), (0x1100, 0x11FF),
    (0x1780, 0x17FF), (0x1800, 0x18AF), (0x2000, 0x206F), (0x2070, 0x218F),
    (0x2190, 0x23FF), (0x2460, 0x24FF), (0x2600, 0x27BF), (0x3000, 0x30FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFB00, 0xFDFF),
    (0xFE00, 0xFE0F), (0xFF00, 0xFFEF), (0xFFF0, 0xFFFD), (0x10000, 0x1FFFF),
    (0x1D400, 0x1D7FF), (0x1F300, 0x1FAFF), (0x20000, 0x323AF),
    (0xE0000, 0xE01EF), (0x0, 0x1F), (0x7F, 0x9F),
]
WORDS = ["the", "Hello", "it's", "WE'LL", "don't", "'re", "naïve", "12345",
         "3.14", "x_1", "été", "Привет", "你好世界", "こんにちは", "안녕하세요",
         "مرحبا", "שלום", "नमस्ते", "สวัสดี", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "½", "٣٤", "Ⅷ",
         "<|im_start|>", "<|endoftext|>", "<repo_name>", "e\u0301", "\ufeff",
         "ſ", "'ſ", "K", "def f(x):", "return", "{}", "==", "//", "/*", "*/",
         "#include <a.h>", "->", "&&", "\\n", "https://a.b/c?d=e&f=1"]
SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", " \n ", "\u00a0",
          "\u3000", "\u2028", "\u180e", "\u200b", "\x85", "\x0b", "\x1c",
          " " * 17, "\t\t\t", "\n" * 9, "    "]


def random_string(rng):
    parts = []
    kind = rng.randrange(6)
    for _ in range(rng.randrange(1, 14)):
        pick = rng.randrange(4) if kind == 5 else kind % 4
        if pick == 0:
            parts.append(rng.choice(WORDS))
        elif pick == 1:
            parts.append(rng.choice(SPACES))
        elif pick == 2:
            low, high = rng.choice(RANGES)
            parts.extend(chr(rng.randint(low, high))
                         for _ in range(rng.randrange(1, 9)))
        else:
            c = rng.randrange(0x110000 - 0x800)
            parts.append(chr(c if c < 0xD800 else c + 0x800))
        if rng.random() < 0.5:
            parts.append(rng.choice(SPACES) if rng.random() < 0.3 else " ")
    return "".join(parts)


def random_bytes(rng):
    """Valid text with broken bytes in it."""
    data = bytearray(random_string(rng).encode())
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(data) + 1)
        if rng.random() < 0.5 and data:
            del data[at:at + 1]
        else:
            data[at:at] = bytes(rng.randrange(0x80, 0x100)
                                for _ in range(rng.randrange(1, 4)))
    return bytes(data)


def merge_texts(data):
    flat, tokens = data["merges"], data["tokens"]
    return [(tokens[left], tokens[right])
            for left, right in zip(flat[::3], flat[1::3])]


def build_reference(data, pre):
    model = tokenizers.models.BPE(
        vocab={token: i for i, token in enumerate(data["tokens"])},
        merges=merge_texts(data))
    result = tokenizers.Tokenizer(model)
    result.pre_tokenizer = pre
    return result


@pytest.fixture(scope="module")
def reference(gguf_tokenizer):
    pre = tokenizers.pre_tokenizers
    return build_reference(gguf_tokenizer, pre.Sequence([
        pre.Digits(individual_digits=True),
        pre.ByteLevel(add_prefix_space=False, use_regex=True)]))


def tokenize_lines(program, strings, *flags):
    lines = "".join(json.dumps(s) + "\n" for s in strings)
    result = subprocess.run([program, "tokenize", "--lines", *flags],
                            input=lines.encode(), capture_output=True)
    assert result.returncode == 0, result.stderr[-500:]
    rows = result.stdout.decode().split("\n")
    assert rows.pop() == "" and len(rows) == len(strings)
    return [[int(x) for x in row.split(",")] if row else [] for row in rows]


def compare(program, reference, strings):
    differ = []
    for text, got in zip(strings, tokenize_lines(program, strings)):
        want = reference.encode(text, add_special_tokens=False).ids
        if got != want:
            differ.append((text, got, want))
    assert not differ, (f"seed {SEED}: {len(differ)} of {len(strings)} differ, "
                        f"first {differ[0]!r}")


def test_random_strings(program, reference):
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    compare(program, reference, [random_string(rng) for _ in range(COUNT)])


def test_every_code_point(program, reference):
    points = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
    strings = ["".join(f"{chr(c)} a{chr(c)}b " for c in points[i:i + 64])
               for i in range(0, len(points), 64)]
    # Planes without characters behave alike; the first of them is enough.
    compare(program, reference, [s for s in strings if ord(s[0]) < 0x40000
                                 or 0xE0000 <= ord(s[0]) < 0xE1000])


def test_invalid_bytes(program, reference, tmp_path):
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    samples = [b"\xf0\x9f\x98", b"\xed\xa0\x80", b"a\xc0\xafb", b"\xff", b"\x80",
               b"\xf4\x90\x80\x80", b"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"]
    samples += [random_bytes(rng) for _ in range(40)]
    path = tmp_path / "text"
    for data in samples:
        path.write_bytes(data)
        out = subprocess.run([program, "tokenize", f"--file={path}"],
                             capture_output=True, check=True).stdout
        want = reference.encode(data.decode(errors="replace"),
                                add_special_tokens=False).ids
        assert out.decode().strip() == ",".join(map(str, want)), data


@pytest.mark.parametrize("text", ["a" * 10**6, " " * 10**6, "\n" * 10**6,
                                  " \t" * 500000 + "x", "7" * 10**6,
                                  "'" * 10**6, "é" * 500000, "ab" * 500000])
def test_long_runs(program, reference, tmp_path, text):
    path = tmp_path / "text"
    path.write_text(text, newline="")
    start = time.monotonic()
    out = subprocess.run([program, "tokenize", f"--file={path}"],
                         capture_output=True, check=True).stdout.decode()
    seconds = time.monotonic() - start
    short = text[:2000] if len(set(text)) == 1 else None
    if short:
        (got,) = tokenize_lines(program, [short])
        assert got == reference.encode(short, add_special_tokens=False).ids
    assert out.count(",") > 0
    assert seconds < 2, f"{seconds:.2f} s"


def test_round_trip(program):
    # Characters whose bytes the vocabulary has.
    text = "Hello,  world!\n\tЖ 你好 😀 123 don't"
    (ids,) = tokenize_lines(program, [text])
    out = subprocess.run(
        [program, "detokenize", "--tokens=" + ",".join(map(str, ids))],
        capture_output=True, check=True).stdout
    assert out.decode() == text


def test_control_tokens(program, gguf_tokenizer):
    start = gguf_tokenizer["tokens"].index("<|im_start|>")
    text = "a<|im_start|>b"
    (plain,) = tokenize_lines(program, [text])
    (special,) = tokenize_lines(program, [text], "--special")
    assert start not in plain
    assert special[0] == gguf_tokenizer["bos"]
    assert special[1:].count(start) == 1


def test_malformed_line(program):
    for line in (b"[1]\n", b"\"a\n", b"\n", b'"\\ud800"\n', b"[" * 100000):
        result = subprocess.run([program, "tokenize", "--lines"], input=line,
                                capture_output=True)
        assert result.returncode == 3, line[:20]
        assert result.stderr.startswith(b"heddle: error: ")


def test_unknown_pre_tokenizer(build_folder, gguf_tokenizer, tmp_path):
    import make_fake

    unknown = dict(gguf_tokenizer, pre=["new-one"])
    path = make_fake.make(tmp_path / "fake", build_folder, unknown)
    result = subprocess.run([path, "tokenize", "a"], capture_output=True)
    assert result.returncode == 4 and b"new-one" in result.stderr
    # What the hint says works, and still knows the end token.
    ids = [path, "--tokens=7", "--print=tokens", "-n", "20"]
    plain = subprocess.run(ids, capture_output=True, check=True).stdout
    fifth = int(plain.split(b",")[4])
    path = make_fake.make(tmp_path / "ends", build_folder,
                          dict(unknown, eos=[fifth]))
    ids[0] = path
    ended = subprocess.run(ids, capture_output=True, check=True).stdout
    assert ended.strip().split(b",") == plain.strip().split(b",")[:5]
