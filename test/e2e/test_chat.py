"""PROG chat and templates of whole models."""

import json
import subprocess

import oracle
from tiny_gguf import Tiny, write

LINES = ["What is the capital of France?", "  And of Italy?  <|im_end|>"]
FLAGS = ("--temperature=0", "-n", "12")


def test_turns(heddle, smollm_gguf, smollm_program, tmp_path):
    """Each answer of PROG chat is that of generate on the whole conversation, and the first
    is that of transformers."""
    out = subprocess.run([smollm_program, "chat", *FLAGS], input="\n".join(LINES), capture_output=True, text=True,
                         timeout=100, check=True).stdout
    messages, want = [], ""
    for line in LINES:
        messages.append({"role": "user", "content": line})
        (tmp_path / "messages.json").write_text(json.dumps(messages))
        done = heddle.run(smollm_program, f"--messages-file={tmp_path / 'messages.json'}", *FLAGS, "--print=json")
        messages.append({"role": "assistant", "content": json.loads(done.stdout)["text"]})
        want += messages[-1]["content"] + "\n"
    assert out == want and "Paris" in out
    tokenizer = oracle.hf_tokenizer(smollm_gguf)
    ids = tokenizer.apply_chat_template(messages[:1], add_generation_prompt=True, return_dict=False)
    said = heddle.run(smollm_program, "tokenize", "--special", "--", tokenizer.decode(ids)).stdout
    assert said.strip().removeprefix("1,") == ",".join(map(str, ids))
    answer = heddle.run(smollm_program, f"--tokens={','.join(map(str, ids))}", *FLAGS).stdout
    assert answer == messages[1]["content"]


def test_compile(heddle, smollm_gguf, tmp_path):
    """What is beyond the subset is exit status 4 and listed; what Jinja cannot read is said,
    and raw text still works."""
    template, program = tmp_path / "t.jinja", tmp_path / "program"
    model = write(tmp_path / "tiny.gguf", Tiny(layers=1, vocab=2000), vocab_from=smollm_gguf)
    compile_ = ("compile", model, "-o", program, f"--chat-template={template}", "--quiet")
    template.write_text("{% include 'x' %}\n{{ a | nosuch }}")
    error = heddle(*compile_, code=4).stderr
    assert "tag 'include' (line 1); filter 'nosuch' (line 2)" in error and "hint: `heddle compile" in error
    template.write_text("{{ " + "(" * 10**5 + "1" + ")" * 10**5 + " }}")
    assert "nesting = deeper, limit 100" in heddle(*compile_, code=5).stderr
    assert not program.exists()
    template.write_text("{{ a b }}")
    assert "t.jinja, line 1: expected the end of the tag" in heddle(*compile_).stderr
    assert heddle.run(program, "--raw", "-n", "2", "Hi").stdout
    assert "line 1" in heddle.run(program, "-n", "2", "Hi", code=3).stderr
