"""Hostile and unsupported tokenizer.json files: one line, an exit status, no harm."""

import json
import os

import import_tools
import pytest

PROBE = import_tools.REPO / "build/bin/tokenizer-probe"
BYTES = [chr(c) for c in [*range(0x21, 0x7F), *range(0xA1, 0xAD),
                          *range(0xAE, 0x100), *range(0x100, 0x144)]]
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False,
              "trim_offsets": True, "use_regex": False}


def split(regex, **more):
    return {"type": "Split", "pattern": {"Regex": regex},
            "behavior": "Isolated", "invert": False, **more}


def good():
    vocab = {text: i for i, text in enumerate([*BYTES, "ab", "abc", "<end>"])}
    return {
        "version": "1.0", "normalizer": None, "post_processor": None,
        "decoder": dict(BYTE_LEVEL), "pre_tokenizer": dict(BYTE_LEVEL, use_regex=True),
        "added_tokens": [{"id": 258, "content": "<end>", "special": True,
                          "single_word": False, "lstrip": False,
                          "rstrip": False, "normalized": False}],
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "fuse_unk": False, "byte_fallback": False, "vocab": vocab,
                  "merges": [["a", "b"], ["ab", "c"]]}}


def probe(folder, text, vocab=1000):
    if not isinstance(text, (str, bytes)):
        text = json.dumps(text)
    path = folder / "tokenizer.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return import_tools.run(PROBE, folder, vocab)


def refused(result, code, *words):
    assert result.code == code, (result.code, result.err)
    assert result.err.startswith("heddle: error: ")
    lines = result.err.rstrip("\n").split("\n")
    assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("hint:"))
    assert result.out == b""
    assert ".json: " in result.err or ".jinja: " in result.err, result.err
    for word in words:
        assert word in result.err, (word, result.err)
    assert result.cpu_s < 8  # 2 s, and four times that for the sanitizers


def edited(*path, value):
    """good() with one field replaced."""
    file = good()
    at = file
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return file


def test_good(tmp_path):
    result = probe(tmp_path, good())
    assert result.code == 0, result.err
    section = json.loads(result.out)
    assert len(section["tokens"]) == 259 and section["pre"] == ["gpt2"]
    assert section["token_types"][258] == 3
    a, b, c = (BYTES.index(x) for x in "abc")
    assert section["merges"] == [a, b, 256, 256, c, 257]


VOCAB = ("model", "vocab")
MALFORMED = {
    "merge of an unknown token": (("model", "merges", 0), ["a", "zz"], "merges[0]"),
    "merge longer than any token": (("model", "merges", 0), ["abc", "abc"], "merges[0]"),
    "merge of one token": (("model", "merges", 0), ["a"], "merges[0]"),
    "merge of three tokens": (("model", "merges", 0), ["a", "b", "c"], "merges[0]"),
    "merge without a space": (("model", "merges", 0), "ab", "merges[0]"),
    "merge of two spaces": (("model", "merges", 0), "a b c", "merges[0]"),
    "merge that is a number": (("model", "merges", 0), 7, "merges[0]"),
    "merge that is an object": (("model", "merges", 0), {"a": "b"}, "merges[0]"),
    "merge of numbers": (("model", "merges", 0), [1, 2], "merges[0]"),
    "no merges": (("model", "merges"), None, "model.merges"),
    "merges of another type": (("model", "merges"), "a b", "model.merges"),
    "id -1": ((*VOCAB, "ab"), -1, "-1"),
    "id 2^31": ((*VOCAB, "ab"), 2**31, str(2**31)),
    "id 4e9": ((*VOCAB, "ab"), 4 * 10**9, "4000000000"),
    "id 2^64": ((*VOCAB, "ab"), 2**64, "ab"),
    "id above the model's": ((*VOCAB, "ab"), 1000, "1000"),
    "id 1.5": ((*VOCAB, "ab"), 1.5, "1.5"),
    "id that is text": ((*VOCAB, "ab"), "7", "ab"),
    "id that is an array": ((*VOCAB, "ab"), [7], "ab"),
    "id twice": ((*VOCAB, "ab"), 3, "one id a token"),
    "empty vocabulary": (VOCAB, {}, "model.vocab"),
    "vocabulary of another type": (VOCAB, [["a", 0.5]], "model.vocab"),
    "no model": (("model",), None, "model"),
    "model of another type": (("model",), [1], "model"),
    "model type that is a number": (("model", "type"), 7, "model.type"),
    "unknown token that is none": (("model", "unk_token"), "zz", "unk_token"),
    "flag of another type": (("model", "ignore_merges"), 1, "ignore_merges"),
    "added id -1": (("added_tokens", 0, "id"), -1, "added_tokens[0].id"),
    "added id 4e9": (("added_tokens", 0, "id"), 4 * 10**9, "added_tokens[0].id"),
    "added id of another token": (("added_tokens", 0, "id"), 5, "added_tokens[0].id"),
    "added token without text": (("added_tokens", 0, "content"), "", "added_tokens[0].content"),
    "added token of a number": (("added_tokens", 0, "content"), 5, "added_tokens[0].content"),
    "added token twice": (("added_tokens",), good()["added_tokens"] * 2, "unique"),
    "added tokens of another type": (("added_tokens",), {"a": 1}, "added_tokens"),
    "added flag of another type": (("added_tokens", 0, "lstrip"), "x", "lstrip"),
    "pre-tokenizer without a type": (("pre_tokenizer",), {}, "pre_tokenizer.type"),
    "pattern of another type": (("pre_tokenizer",), split(7), "pattern.Regex"),
    "normalizer of another type": (("normalizer",), 7, "normalizer"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(tmp_path, name):
    path, value, word = MALFORMED[name]
    refused(probe(tmp_path, edited(*path, value=value)), 3, word)


@pytest.mark.parametrize("text", [
    b"", b" ", b"[]", b"7", b"{", b"{}x", b'{"model"', b'{"a": NaN}', b'{"a": "\xff"}',
    b'{"a": 1, "a": 2}', b'{"a": 1, "\\u0061": 2}', b"\xef\xbb\xbf[", b'{"a": "\\ud800"}'])
def test_not_an_object(tmp_path, text):
    refused(probe(tmp_path, text), 3)


def test_cut_short(tmp_path):
    text = json.dumps(good())
    for size in range(0, len(text), 1499):
        refused(probe(tmp_path, text[:size]), 3)


def test_word_twice(tmp_path):
    text = json.dumps(good())
    refused(probe(tmp_path, text.replace('"ab": 256', '"ab": 256, "\\u0061b": 256')), 3,
            "unique keys")


UNSUPPORTED = {
    "nested repetition": (("pre_tokenizer",), split("(a+)+$"), "(a+)+$"),
    "back reference": (("pre_tokenizer",), split(r"(a)\1"), r"(a)\1"),
    "many alternatives": (("pre_tokenizer",), split("|".join(["ab"] * 10**5)), "Regex"),
    "pattern of plain text": (("pre_tokenizer",), split("x", pattern={"String": " "}), "pattern"),
    "removed matches": (("pre_tokenizer",), split(r"\p{N}", behavior="Removed"), "behavior"),
    "end of any line": (("pre_tokenizer",), split(r"\s+$"), "newlines"),
    "whitespace": (("pre_tokenizer",), {"type": "Whitespace"}, "Whitespace"),
    "space before text": (("pre_tokenizer",), {"type": "ByteLevel"}, "add_prefix_space"),
    "nothing at all": (("pre_tokenizer",), None, "pre_tokenizer"),
    "compatibility forms": (("normalizer",), {"type": "NFKD"}, "NFKD"),
    "compatibility forms of signs": (("normalizer",), {"type": "Sequence", "normalizers": [
        {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}, {"type": "NFKC"}]}, "NFKC"),
    "lower case": (("normalizer",), {"type": "Lowercase"}, "Lowercase"),
    "Unigram": (("model", "type"), "Unigram", "Unigram"),
    "WordPiece": (("model", "type"), "WordPiece", "WordPiece"),
    "dropout": (("model", "dropout"), 0.1, "dropout"),
    "suffix": (("model", "end_of_word_suffix"), "</w>", "end_of_word_suffix"),
    "single words": (("added_tokens", 0, "single_word"), True, "single_word"),
    "decoder": (("decoder",), {"type": "WordPiece"}, "decoder"),
    "post-processor": (("post_processor",), {"type": "BertProcessing"}, "BertProcessing"),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unsupported(tmp_path, name):
    path, value, word = UNSUPPORTED[name]
    refused(probe(tmp_path, edited(*path, value=value)), 4, word)


def test_all_unsupported_at_once(tmp_path):
    file = edited("normalizer", value={"type": "NFKD"})
    file["decoder"] = {"type": "CTC"}
    refused(probe(tmp_path, file), 4, "NFKD", "CTC")


@pytest.mark.parametrize("name, part", [("normalizer", "normalizers"),
                                        ("pre_tokenizer", "pretokenizers")])
def test_deep_nesting(tmp_path, name, part):
    nested = f'{{"type": "Sequence", "{part}": [' * 10**4 + "]}" * 10**4
    text = json.dumps(edited(name, value="HERE")).replace('"HERE"', nested)
    refused(probe(tmp_path, text), 5, "nesting")
    refused(probe(tmp_path, b'{"a":' + b"[" * 10**6), 5, "nesting")


def test_config(tmp_path):
    config = tmp_path / "tokenizer_config.json"
    config.write_text(json.dumps({"bos_token": {"content": "<end>"},
                                  "eos_token": "<end>", "add_bos_token": True}))
    section = json.loads(probe(tmp_path, good()).out)
    assert section["bos"] == 258 and section["eos"] == [258] and section["add_bos"]
    for text, word in (('{"bos_token": "zz"}', "bos_token"), ('{"eos_token": 7}', "eos_token"),
                       ('{"add_bos_token": true}', "bos_token"), ("[", "tokenizer_config.json"),
                       ('{"add_bos_token": 1}', "add_bos_token")):
        config.write_text(text)
        refused(probe(tmp_path, good()), 3, word)


@pytest.mark.parametrize("name", ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"))
@pytest.mark.parametrize("kind", ("directory", "FIFO", "link", "hard link"))
def test_not_a_file(tmp_path, name, kind):
    """As any file of a checkpoint's directory: a regular one, and of it alone."""
    folder = tmp_path / "model"
    folder.mkdir()
    assert probe(folder, good()).code == 0
    path = folder / name
    path.unlink(missing_ok=True)
    (tmp_path / "outside").write_text(json.dumps(good()))
    {"directory": path.mkdir, "FIFO": lambda: os.mkfifo(path), "link": lambda: path.symlink_to(tmp_path / "outside"),
     "hard link": lambda: os.link(tmp_path / "outside", path)}[kind]()
    refused(import_tools.run(PROBE, folder), 3, f"{name}: ", kind.split()[0])


def test_template_is_not_read_whole(tmp_path):
    """A file of 300 MB is refused by its size."""
    (tmp_path / "chat_template.jinja").touch()
    os.truncate(tmp_path / "chat_template.jinja", 300 << 20)
    result = probe(tmp_path, good())
    refused(result, 5, "chat_template.jinja: size = 314572800")
    assert result.cpu_s < 2


def test_chat_template_places(tmp_path):
    """chat_template.jinja goes before tokenizer_config.json's, a text or the default of a list."""
    def constants(config, **files):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        for name, text in files.items():
            (tmp_path / f"{name}.jinja").write_text(text)
        result = probe(tmp_path, good())
        assert result.code == 0, result.err
        return json.loads(result.out).get("chat_constants")

    assert constants({}) is None
    assert constants({"chat_template": "one"}) == ["one"]
    named = [{"name": "tool_use", "template": "two"}, {"name": "default", "template": "three"}]
    assert constants({"chat_template": named}) == ["three"]
    assert constants({"chat_template": named}, chat_template="four") == ["four"]
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": 5}')
    refused(probe(tmp_path, good()), 3, "chat_template = 5")


def test_stop_tokens(tmp_path):
    """The tokenizer's end token and the template's end of turn, each once; a token that the
    template names counts as control."""
    file = good()
    file["model"]["vocab"].update({"<turn>": 259, "<other>": 260})
    file["added_tokens"] += [{"id": i, "content": text, "special": False, "single_word": False, "lstrip": False, "rstrip": False,
                              "normalized": False} for i, text in ((259, "<turn>"), (260, "<other>"))]
    template = "{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' %}\n<turn>{% endif %}{% endfor %}"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<end>", "chat_template": template}))
    section = json.loads(probe(tmp_path, file).out)
    assert section["eos"] == [258, 259] and section["chat_control"] == [259]
    assert section["chat_variables"] == ["eos_token", "<end>"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<end>", "chat_template": template.replace("turn", "end")}))
    assert json.loads(probe(tmp_path, file).out)["eos"] == [258]
