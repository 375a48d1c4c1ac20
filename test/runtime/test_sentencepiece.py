"""SentencePiece's BPE against the package `tokenizers`, and the scores of a GGUF file
against its merges, on a vocabulary that is trained here."""

import json
import random
import subprocess

import pytest

tokenizers = pytest.importorskip("tokenizers")

import make_fake  # noqa: E402
from tokenizer_tools import (  # noqa: E402
    RANGES, SEED, compare, every_code_point, random_string, tokenize_lines)
from tokenizers import (  # noqa: E402
    AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers,
    trainers)

SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{b:02X}>" for b in range(256)]


@pytest.fixture(scope="module")
def words():
    """A vocabulary and merges, the bytes in front."""
    rng = random.Random(1)
    text = [random_string(rng) for _ in range(1500)]
    text += ["".join(chr(c) for c in range(low, min(high, low + 100)))
             for low, high in RANGES if not 0xD800 <= low <= 0xDFFF]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(text, trainers.BpeTrainer(
        vocab_size=4000, special_tokens=SPECIAL + BYTES, show_progress=False))
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def build(words, normalizer, pre_tokenizer, byte_fallback=True, **flags):
    vocab, merges = words
    if not byte_fallback:
        vocab = {text: i for text, i in vocab.items() if text not in BYTES}
        vocab = {text: i for i, text in enumerate(sorted(vocab, key=vocab.get))}
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True,
                                     byte_fallback=byte_fallback, **flags))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
        decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in SPECIAL])
    tokenizer.add_tokens([AddedToken("<left>", lstrip=True, normalized=False),
                          AddedToken("<right>", rstrip=True, normalized=False),
                          AddedToken("old word", normalized=True)])
    return tokenizer


LEGACY = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])


def metaspace(scheme, split=False):
    return pre_tokenizers.Metaspace("▁", prepend_scheme=scheme, split=split)


KINDS = {
    "llama2": lambda w: build(w, LEGACY, None),
    "first": lambda w: build(w, None, metaspace("first")),
    "always": lambda w: build(w, None, metaspace("always")),
    "never": lambda w: build(w, None, metaspace("never")),
    "split": lambda w: build(w, None, metaspace("always", True)),
    "no prefix": lambda w: build(w, normalizers.Replace(" ", "▁"), None),
    "nfc": lambda w: build(w, normalizers.NFC(), metaspace("first")),
    "nfkc": lambda w: build(w, normalizers.NFKC(), metaspace("first")),
    "nfkc llama2": lambda w: build(w, normalizers.Sequence([normalizers.NFKC(), *[
        normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]]), None),
    "unknown": lambda w: build(w, LEGACY, None, byte_fallback=False),
    "whole": lambda w: build(w, None, metaspace("always", True), ignore_merges=True),
}


@pytest.fixture(scope="module", params=KINDS)
def pair(request, words, build_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sentencepiece")
    reference = KINDS[request.param](words)
    reference.save(str(folder / "tokenizer.json"))
    program = make_fake.make(folder / "fake", build_folder, make_fake.read_section(folder))
    reference.encode_special_tokens = True
    return program, reference


def test_random_strings(pair, count):
    program, reference = pair
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    extra = ["▁", "<s>", "<left>", " <left> ", "<right>  ", "old word", "<0x41>", " "]
    compare(program, reference, [
        "".join(rng.choice(extra) if rng.random() < 0.2 else random_string(rng)
                for _ in range(rng.randrange(1, 4))) for _ in range(count // 4)])


def test_compatibility_forms(words, build_folder, tmp_path, cpu_seconds):
    """Every code point by itself and beside others; a text that grows elevenfold, and one that grows too far."""
    reference = KINDS["nfkc"](words)
    reference.save(str(tmp_path / "tokenizer.json"))
    program = make_fake.make(tmp_path / "fake", build_folder, make_fake.read_section(tmp_path))
    marks = ["\u0301", "\u0323", "\u3099", "\u1161", "\u11a8", "\ufdfa", "\u00b4", "\uff76", "\uff9e", "\u1e9b", "ﬃ", "가", "\u0344", "ſ"]
    rng = random.Random(SEED)
    compare(program, reference, every_code_point() +
            ["".join(rng.choice(marks + ["a", " ", "\u00a0"]) for _ in range(20)) for _ in range(2000)])
    text = tmp_path / "text"
    for count, code in ((10**5, 0), (10**7, 5)):
        text.write_text("\ufdfa" * count)
        begin = cpu_seconds()
        done = subprocess.run([program, "tokenize", f"--file={text}"], capture_output=True, check=False)
        assert done.returncode == code and cpu_seconds() - begin < 12, done.stderr
    assert b"bytes in form KC = more, limit" in done.stderr


def test_long_runs(pair):
    program, reference = pair
    for text in ("a" * 10**5, " " * 10**5, "▁a" * 10**4, "\u0301" * 10**4, "ab " * 10**4):
        (got,) = tokenize_lines(program, [text])
        assert got == reference.encode(text, add_special_tokens=False).ids


def test_round_trip(words, build_folder, tmp_path):
    KINDS["llama2"](words).save(str(tmp_path / "tokenizer.json"))
    program = make_fake.make(tmp_path / "fake", build_folder, make_fake.read_section(tmp_path))
    for text in ("Hello,  world!\n Ж 你好 😀 \U0001fae8", " a", "\u0378x"):
        (ids,) = tokenize_lines(program, [text])
        out = subprocess.run([program, "detokenize", "--tokens=" + ",".join(map(str, ids))],
                             capture_output=True, check=True).stdout
        assert out.decode() == text


def test_scores(words, build_folder, tmp_path, count):
    """A GGUF file has scores in place of merges. Each word that one merge makes has
    the merge's rank as its score, so both say the same."""
    gguf = pytest.importorskip("gguf")
    vocab, merges = words
    reference = build(words, LEGACY, None)
    tokens = sorted(vocab, key=vocab.get)
    # Any pair that makes a word may merge: those that training left out come last.
    rank = {}
    for i, (left, right) in enumerate(merges):
        rank.setdefault(left + right, i)
    pairs = [(rank[text], cut, text[:cut], text[cut:]) for text in rank
             for cut in range(1, len(text)) if text[:cut] in vocab and text[cut:] in vocab]
    writer = gguf.GGUFWriter(tmp_path / "t.gguf", "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(rank.get(t, len(merges))) for t in tokens])
    writer.add_token_types([2 if t == "<unk>" else 3 if t in SPECIAL else 6 if t in BYTES
                            else 1 for t in tokens])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    section = make_fake.read_section(tmp_path / "t.gguf")
    assert section["add_bos"] and section["eos"] == [2] and section["prefix"] == "always"
    flat = section["merges"]
    assert {(tokens[a], tokens[b]) for a, b in zip(flat[::3], flat[1::3])} == {
        (left, right) for _, _, left, right in pairs}
    program = make_fake.make(tmp_path / "fake", build_folder, section)
    model = models.BPE(vocab, [(left, right) for *_, left, right in sorted(pairs)],
                       unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    reference = Tokenizer(model)
    reference.normalizer = LEGACY
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    compare(program, reference, [random_string(rng) for _ in range(count)])
