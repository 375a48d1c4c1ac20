#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets, and the tokenizers of token-text.cpp, beside itself.

    test/fuzz/make_corpus.py [DIRECTORY]

Small and right: what is wrong the fuzzer finds by itself, and what it found becomes a test."""

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "Import"), str(HERE.parent / "ChatTemplate")]
import gguf_bytes as g  # noqa: E402
import safetensors_bytes as s  # noqa: E402
from styles import STYLES  # noqa: E402

ALPHABET = [chr(c) for c in [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100), *range(0x100, 0x144)]]
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
GPT4 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+")


def added(first, *texts, **more):
    return [{"id": first + i, "content": text, "special": i == 0, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False, **more} for i, text in enumerate(texts)]


def byte_level(normalizer=None, pre=None):
    words = [*ALPHABET, "ab", "abc", "Ġa", "ĠĠ", "Ċ" * 2, "Ã©", "Ìģ"]
    vocab = {text: i for i, text in enumerate([*words, "<end>", "<user>"])}
    split = {"type": "Split", "pattern": {"Regex": GPT4}, "behavior": "Isolated", "invert": False}
    return {"version": "1.0", "normalizer": normalizer, "post_processor": None, "decoder": dict(BYTE_LEVEL),
            "pre_tokenizer": pre or {"type": "Sequence", "pretokenizers": [split, dict(BYTE_LEVEL)]},
            "added_tokens": added(len(words), "<end>", "<user>"),
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "fuse_unk": False, "byte_fallback": False,
                      "vocab": vocab,
                      "merges": [["a", "b"], ["ab", "c"], ["Ġ", "a"], ["Ġ", "Ġ"], ["Ċ", "Ċ"], ["Ã", "©"], ["Ì", "ģ"]]}}


def pieces():
    """SentencePiece's kind: characters, a space as U+2581, bytes for the rest."""
    words = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), "▁", "a", "b", "ab", "▁a", "▁▁", "é"]
    return {"version": "1.0", "post_processor": None,
            "normalizer": {"type": "Sequence", "normalizers": [
                {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
            "pre_tokenizer": None,
            "decoder": {"type": "Sequence", "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
                {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
            "added_tokens": added(0, "<unk>", "<s>", "</s>", special=True),
            "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True,
                      "vocab": {text: i for i, text in enumerate(words)},
                      "merges": [["a", "b"], ["▁", "a"], ["▁", "▁"]]}}


def dumped(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


TOKENIZERS = {"bytes": byte_level(), "bytes-nfc": byte_level({"type": "NFC"}), "pieces": pieces(),
              "bytes-nfkc": byte_level({"type": "NFKC"})}


def gguf_seeds():
    tokens = ["<unk>", "a", "b", "ab"]
    kinds = [g.array("tokenizer.ggml.tokens", g.STRING, tokens), g.array("tokenizer.ggml.token_type", g.I32, [2, 1, 1, 1]),
             g.pair("tokenizer.ggml.eos_token_id", g.U32, 3)]
    bpe = [g.pair("tokenizer.ggml.model", g.STRING, "gpt2"), g.pair("tokenizer.ggml.pre", g.STRING, "gpt-2"), *kinds,
           g.array("tokenizer.ggml.merges", g.STRING, ["a b"])]
    llama = [g.pair("tokenizer.ggml.model", g.STRING, "llama"), *kinds,
             g.array("tokenizer.ggml.scores", g.F32, [0, -1, -2, -3.5])]
    yield "plain", g.gguf()
    yield "types", g.gguf(pairs=[g.ARCH, g.pair("general.alignment", g.U32, 64), g.pair("a", g.U64, 7),
                                 g.pair("b", g.BOOL, 1), g.array("c", g.BOOL, [0, 1]), g.array("d", g.F64, [1.5])], align=64)
    yield "bpe", g.gguf(pairs=[g.ARCH, *bpe])
    yield "llama", g.gguf(pairs=[g.ARCH, *llama])
    yield "sampling", g.gguf(pairs=[g.ARCH, g.pair("general.sampling.temp", g.F32, 0.5),
                                    g.pair("general.sampling.top_k", g.I32, 20)])
    yield "split", g.gguf(pairs=[g.ARCH, g.pair("split.no", g.U16, 0), g.pair("split.count", g.U16, 2),
                                 g.pair("split.tensors.count", g.I32, 1)])
    for kind in (1, 2, 6, 8, 12, 14, 30):
        yield f"type-{kind}", g.gguf(infos=[g.info("w", (256,), kind)], data=bytes(range(256)) * 4)


def safetensors_seeds():
    small = {"a": [2, 3], "b.weight": [4], "empty": [0, 2]}
    for dtype in ("F32", "BF16", "I32"):
        yield dtype, s.safetensors(*s.entries(small, dtype))
    members, data = s.entries({"a": [2]})
    yield "metadata", s.safetensors({"__metadata__": {"format": "pt"}, **members}, data)
    yield "escaped", s.safetensors(b'{"\\u0061":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4))


def config_seeds():
    scalings = {"yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16},
                "llama3": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                           "original_max_position_embeddings": 16},
                "longrope": {"rope_type": "longrope", "short_factor": [1, 1], "long_factor": [2, 2],
                             "original_max_position_embeddings": 16}}
    yield "llama", dumped(s.CONFIG)
    for name, scaling in scalings.items():
        yield name, dumped(s.CONFIG | {"rope_scaling": scaling})
    for name in ("mistral", "qwen2", "qwen3"):
        yield name, dumped(s.CONFIG | {"architectures": [f"{name.capitalize()}ForCausalLM"], "model_type": name,
                                       "sliding_window": 8, "use_sliding_window": True, "max_window_layers": 0})
    yield "llava", dumped({"architectures": ["LlavaForConditionalGeneration"], "model_type": "llava", "vision_config": {"a": 1},
                           "tie_word_embeddings": False, "text_config": s.CONFIG})
    generation = {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "top_k": 20, "eos_token_id": [2, 3],
                  "repetition_penalty": 1.1}
    yield "generation", dumped(s.CONFIG) + b"\0" + dumped(generation)


def tokenizer_seeds():
    for name, tokenizer in TOKENIZERS.items():
        yield name, dumped(tokenizer)
    tiny = byte_level(pre=dict(BYTE_LEVEL, use_regex=True))
    tiny["model"].update(vocab={"a": 0, "b": 1, "ab": 2, "<end>": 3, "<user>": 4}, merges=["a b"])
    for i, token in enumerate(tiny["added_tokens"]):
        token.update(id=3 + i, lstrip=bool(i))
    config = {"bos_token": "<end>", "eos_token": {"content": "<user>"}, "add_bos_token": True}
    yield "tiny", dumped(tiny) + b"\0" + dumped(config)


def text_seeds():
    texts = {"words": "Hello  world, it's 12345 abc\n\n\tab", "accents": "e\u0301 é \u212b \u1e9b\u0323 \u0f77",
             "tokens": "a<end>b <user> </s><0x41>", "cjk": "你好 世界 \U0001f600\u200d", "spaces": "   \u00a0\u3000 \r\n "}
    for i, (name, text) in enumerate(texts.items()):
        yield name, bytes([i]) + text.encode()
    yield "compatible", b"\6" + "\ufdfa\ufb03 \u00b4\u0301 \uff76\uff9e".encode()
    yield "broken", b"\3a\xff\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80b\xe2\x96"


def template_seeds():
    for name, template in STYLES.items():
        yield name, template.encode()
    texts = {
        "tags": "{% for a, (b, c) in [(1, (2, 3))] if a %}{{ loop.index }}{% continue %}{% else %}{% break %}{% endfor %}"
                "{% set x | upper %}a{% endset %}{% with y = 1 %}{% raw %}{{{% endraw %}{% endwith %}{# no #}{%- if x -%} 1 "
                "{%- elif y %}2{% else %}3{% endif %}",
        "macros": "{% macro m(n, k='x') %}{% if n %}{{ m(n - 1, k=k) }}{{ caller(n) if caller }}{% endif %}{% endmacro %}"
                  "{{ m(3) }}{% call(i) m(2) %}{{ i }}{% endcall %}{% filter replace('a', 'b') %}aa{% endfilter %}",
        "numbers": "{{ -7 // 2 ** 3 % 5 - 1.5e3 / 2 }} {{ 9223372036854775807 + n }} {{ 0x1f }} {{ 1 < 2 >= 1 != true }}",
        "texts": "{{ 'x\\u00e9\\n'[::-1] ~ [1, {'a': none}, (2,)] | tojson(indent=2) }}{{ ' a b '.strip().split(' ', 1)[-1] }}"
                 "{{ 'abc'.replace('b', '').startswith(('a', 'x')) }}{{ messages[0].content[1:3] * 2 }}",
        "lists": "{% set ns = namespace(l=[]) %}{% for i in range(9, 0, -2) %}{% set ns.l = ns.l + [i] %}{% endfor %}"
                 "{{ ns.l | sort | unique | map('string') | join(',') }}{{ messages | selectattr('role', 'in', ['user']) "
                 "| map(attribute='content') | list }}{{ dict(a=1).items() | list }}{{ strftime_now('%Y') is string }}"}
    for name, template in texts.items():
        yield name, template.encode()
    conversation = {"messages": [{"role": "user", "content": [{"type": "text", "text": "é"}], "n": [1, 2.5, None, True]}],
                    "tools": [{"name": "f"}], "add_generation_prompt": False}
    yield "conversation", STYLES["gemma"].encode() + b"\0" + dumped(conversation)
    yield "messages", b"{{ messages | tojson }}\0" + dumped(conversation["messages"])


# A text of a language has the words of its own syntax.
SYNTAX = {"chat-template": ["{{", "}}", "{%-", "-%}", "{#", "#}", "{% endfor %}", "{% endif %}", "{% endmacro %}", "{% endset %}"]}


def main(out):
    for name, tokenizer in TOKENIZERS.items():
        folder = out / "tokenizers" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tokenizer.json").write_bytes(dumped(tokenizer) + b"\n")
    for target, seeds in (("gguf", gguf_seeds()), ("safetensors", safetensors_seeds()), ("config", config_seeds()),
                          ("tokenizer-json", tokenizer_seeds()), ("token-text", text_seeds()),
                          ("chat-template", template_seeds())):
        folder = out / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        words = set()
        for name, content in seeds:
            (folder / name).write_bytes(content)
            # Keys and names of enumerations; a mutation finds none of them.
            words |= set(re.findall(rb"(?<![\w.])[A-Za-z_][A-Za-z0-9_.]{2,40}(?![\w.])", content))
        if target != "token-text":
            quote = "" if target in ("gguf", "chat-template") else '\\"'
            (out / "corpus" / f"{target}.dict").write_text(
                "".join(f'"{quote}{word}{quote}"\n' for word in [*SYNTAX.get(target, []), *sorted(map(bytes.decode, words))]))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
