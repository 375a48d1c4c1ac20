"""The program's tokenizer against the `tokenizers` package.

HEDDLE_TEST_PROGRAM names a compiled SmolLM2 program; without it a fake one is
built around the same tokenizer.
"""

import random
import subprocess

import pytest

tokenizers = pytest.importorskip("tokenizers")

from tokenizer_tools import (  # noqa: E402
    SEED, build_reference, compare, compare_files, every_code_point, random_bytes,
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
    rng = random.Random(SEED)
    samples = [b"\xf0\x9f\x98", b"\xed\xa0\x80", b"a\xc0\xafb", b"\xff", b"\x80",
               b"\xf4\x90\x80\x80", b"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"]
    samples += [random_bytes(rng) for _ in range(40)]
    compare_files(program, reference, tmp_path / "text", samples)


@pytest.mark.parametrize("text", ["a" * 10**6, " " * 10**6, "\n" * 10**6,
                                  " \t" * 500000 + "x", "7" * 10**6,
                                  "'" * 10**6, "é" * 500000, "ab" * 500000])
def test_long_runs(program, reference, tmp_path, cpu_seconds, text):
    path = tmp_path / "text"
    path.write_text(text, newline="")
    start = cpu_seconds()
    out = subprocess.run([program, "tokenize", f"--file={path}"],
                         capture_output=True, check=True).stdout.decode()
    seconds = cpu_seconds() - start
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


# Letters of the alphabets that DeepSeek-LLM knows.
ALPHABETS = (
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4"
    "-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386"
    "\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-"
    "\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-"
    "\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-"
    "\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b"
    "\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6"
    "-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-"
    "\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128"
    "\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183"
    "\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d"
    "\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf"
    "\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-"
    "\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-"
    "\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-"
    "\U0001e943")
CASE = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3 = (CASE + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+")
CJK = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
# tokenizer.ggml.pre and what the families' tokenizer.json have.
PRE_TOKENIZERS = {
    "gpt-2": [],
    "qwen2": [LLAMA3.replace("{1,3}", "")],
    "llama-bpe": [LLAMA3],
    "deepseek-coder": ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", CJK, r"\p{N}"],
    "deepseek-llm": [
        "[\r\n]", r"\s?[" + ALPHABETS + "]+",
        "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
        r"\s+$", CJK, r"\p{N}+"],
}


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
def test_other_pre_tokenizers(build_folder, gguf_tokenizer, tmp_path, name, cpu_seconds):
    import make_fake
    gguf = pytest.importorskip("gguf")

    pre = tokenizers.pre_tokenizers
    patterns = PRE_TOKENIZERS[name]
    reference = build_reference(gguf_tokenizer, pre.Sequence([
        *(pre.Split(tokenizers.Regex(p), "isolated") for p in patterns),
        pre.ByteLevel(add_prefix_space=False, use_regex=not patterns)]))
    reference.save(str(tmp_path / "tokenizer.json"))
    section = make_fake.read_section(tmp_path)
    program = make_fake.make(tmp_path / "fake", build_folder, section)
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    compare(program, reference, [random_string(rng) for _ in range(2000)])
    text = tmp_path / "text"
    text.write_text(" " * 300000 + "7" + "\u3000" * 100000 + "\u0301" * 100000)
    start = cpu_seconds()
    subprocess.run([program, "tokenize", f"--file={text}"], capture_output=True,
                   check=True)
    assert cpu_seconds() - start < 4

    writer = gguf.GGUFWriter(tmp_path / "t.gguf", "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(name)
    writer.add_token_list(["a", "b", "ab"])
    writer.add_token_merges(["a b"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    of_gguf = make_fake.read_section(tmp_path / "t.gguf")
    assert of_gguf["pre"] == section["pre"]
    assert of_gguf["merges"] == [0, 1, 2]


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
