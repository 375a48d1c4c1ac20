"""The program's tokenizer against the `tokenizers` package.

HEDDLE_TEST_PROGRAM names a compiled SmolLM2 program; without it a fake one is
built around the same tokenizer.
"""

import random
import subprocess
import time

import pytest

tokenizers = pytest.importorskip("tokenizers")

from tokenizer_tools import (  # noqa: E402
    SEED, build_reference, compare, every_code_point, random_bytes,
    random_string, tokenize_lines)


@pytest.fixture(scope="module")
def reference(gguf_tokenizer):
    pre = tokenizers.pre_tokenizers
    return build_reference(gguf_tokenizer, pre.Sequence([
        pre.Digits(individual_digits=True),
        pre.ByteLevel(add_prefix_space=False, use_regex=True)]))


def test_random_strings(program, reference, count):
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    compare(program, reference, [random_string(rng) for _ in range(count)])


def test_every_code_point(program, reference):
    compare(program, reference, every_code_point())


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
