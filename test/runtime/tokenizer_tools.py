"""Random texts, and a program's tokenizer beside the package `tokenizers`.

HEDDLE_TEST_SEED repeats a run.
"""

import json
import os
import subprocess
import time

import tokenizers

SEED = int(os.environ.get("HEDDLE_TEST_SEED", time.time_ns() % 2**32))

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


def compare_files(program, reference, path, samples):
    """The same of files of any bytes: what is no UTF-8 counts as U+FFFD."""
    for data in samples:
        path.write_bytes(data)
        out = subprocess.run([program, "tokenize", f"--file={path}"],
                             capture_output=True, check=True).stdout
        want = reference.encode(data.decode(errors="replace"),
                                add_special_tokens=False).ids
        assert out.decode().strip() == ",".join(map(str, want)), (SEED, data)


def every_code_point():
    """Each one after spaces and between letters. Of several spaces one goes
    with a symbol and none with a digit."""
    # Planes without characters behave alike; the first of them is enough.
    points = [*range(0xD800), *range(0xE000, 0x40000),
              *range(0xE0000, 0xE1000)]
    return ["".join(f"   {chr(c)} a{chr(c)}b" for c in points[i:i + 64])
            for i in range(0, len(points), 64)]
