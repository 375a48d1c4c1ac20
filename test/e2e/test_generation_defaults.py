"""What a checkpoint says of generating comes to be what its program does by default."""

import json

import gguf
import pytest
import tiny_gguf
import tiny_hf
from transformers import LlamaConfig

CONFIG = {"do_sample": True, "temperature": 0.8, "top_k": 40, "eos_token_id": [5, 7], "bos_token_id": 1,
          "repetition_penalty": 1.1, "num_beams": 1, "early_stopping": False, "max_new_tokens": 9,
          "transformers_version": "5.0.0", "typical_p": 1.0, "suppress_tokens": []}
IGNORED = "ignored: 'max_new_tokens' = 9, 'repetition_penalty' = 1.1"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("hf")
    tiny_hf.make(LlamaConfig, 1, layers=1, eos_token_id=3).save_pretrained(path)
    (path / "generation_config.json").unlink(missing_ok=True)
    return path


def compiled(heddle, model, out):
    """A program, what compiling it said, and its info."""
    said = heddle("compile", model, "-o", out, "--numeric=f32", "--target=x86-64-v2", "--quiet").stderr
    return out, said, json.loads(heddle.run(out, "info", "--json").stdout)["generation"]


def test_directory(heddle, directory, tmp_path):
    (directory / "generation_config.json").write_text(json.dumps(CONFIG))
    program, said, info = compiled(heddle, directory, tmp_path / "p")
    assert said.splitlines() == [f"heddle: warning: {directory}/generation_config.json: {IGNORED}"]
    assert info == {"temperature": 0.8, "top_k": 40, "stop_tokens": [5, 7]}
    command = (program, "generate", "--tokens=1,2", "-n", 24, "--print=tokens")
    assert heddle.run(*command).stdout == heddle.run(*command, "--temperature=0.8", "--top-k=40").stdout
    ids = [int(word) for word in heddle.run(*command, "--ignore-eos", "--temperature=0").stdout.split(",")]
    # The program again, with a token that it says as one that ends a text.
    (directory / "generation_config.json").write_text(json.dumps({"eos_token_id": [0, ids[5]], "temperature": 0.8}))
    program, said, info = compiled(heddle, directory, tmp_path / "q")
    assert said == "" and info == {"temperature": 0, "stop_tokens": [0, ids[5]]}
    out = heddle.run(program, *command[1:]).stdout
    assert [int(word) for word in out.split(",")] == ids[:ids.index(ids[5]) + 1]


def test_directory_without(heddle, directory, tmp_path):
    """The config's own end token; greedy."""
    (directory / "generation_config.json").unlink(missing_ok=True)
    assert compiled(heddle, directory, tmp_path / "p")[2] == {"temperature": 0, "stop_tokens": [3]}


def test_gguf(heddle, tmp_path, monkeypatch):
    """Keys `general.sampling.` of a file without a tokenizer."""
    def header(self):
        self.add_sampling_temp(0.5)
        self.add_sampling_min_p(0.25)
        self.add_sampling_penalty_repeat(1.0)
        self.add_sampling_mirostat(2)
        write(self)

    write = gguf.GGUFWriter.write_header_to_file
    monkeypatch.setattr(gguf.GGUFWriter, "write_header_to_file", header)
    model = tiny_gguf.write(tmp_path / "x.gguf", tiny_gguf.Tiny())
    _, said, info = compiled(heddle, model, tmp_path / "p")
    assert said.splitlines() == [f"heddle: warning: {model}: ignored: 'general.sampling.mirostat' = 2"]
    assert info == {"temperature": 0.5, "min_p": 0.25, "stop_tokens": []}


def test_tokenizer(heddle, smollm_program):
    """The tokenizer's end token alone."""
    info = json.loads(heddle.run(smollm_program, "info", "--json").stdout)["generation"]
    assert info == {"temperature": 0, "stop_tokens": [2]}
