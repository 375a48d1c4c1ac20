"""Programs compiled once for all end-to-end tests, and what they should say."""

import numpy as np
import pytest

import oracle
from prompts import GREEDY, PROMPTS, ids


class Golden:
    """What float32 transformers makes of the prompts."""

    def __init__(self, path):
        self.model = oracle.hf_model(path)
        tokenizer = oracle.hf_tokenizer(path)
        self.prompts = [tokenizer(text, add_special_tokens=False).input_ids
                        for text in PROMPTS]
        self.greedy = [oracle.hf_greedy(self.model, prompt, GREEDY)
                       for prompt in self.prompts]


@pytest.fixture(scope="session")
def golden(smollm_gguf):
    return Golden(smollm_gguf)


@pytest.fixture(scope="session")
def smollm_program(heddle, smollm_gguf, tmp_path_factory):
    """SmolLM2 compiled for this machine, in float32."""
    program = tmp_path_factory.mktemp("smollm") / "smollm"
    heddle("compile", smollm_gguf, "-o", program, "--numeric=f32", "--quiet")
    return program


@pytest.fixture
def refuses(heddle, tmp_path):
    """refuses(model, code, words): compiling it ends with one line, which has the words, and makes nothing."""
    def refused(model, code, words):
        done = heddle("compile", model, "-o", tmp_path / "program", "--quiet", code=code)
        assert words in done.stderr and done.stderr.count("\n") == 1, done.stderr
        assert not (tmp_path / "program").exists()

    return refused


@pytest.fixture(scope="session")
def score(heddle, tmp_path_factory):
    """score(program, tokens, *flags) -> float32 logits (T, vocab); of a table of sequences (S, T, vocab)."""
    out = tmp_path_factory.mktemp("score") / "logits.npy"
    table = out.with_name("tokens.npy")

    def run(program, tokens, *flags, command=("score",)):
        out.unlink(missing_ok=True)
        if np.ndim(tokens) == 2:
            np.save(table, tokens)
        heddle.run(*([program] if program else [heddle.heddle]), *command,
                   ids(tokens) if np.ndim(tokens) == 1 else f"--tokens-file={table}", f"--out={out}", *flags)
        logits = np.load(out)
        # A program computes in float32, the reference interpreter in float64.
        assert logits.dtype == (np.float32 if program else np.float64)
        assert logits.shape[:-1] == np.shape(tokens)
        return logits

    return run
