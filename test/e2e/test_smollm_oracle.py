"""A real checkpoint against Hugging Face transformers and float64 torch."""

import numpy as np
import pytest

import oracle
from bounds import assert_close
from prompts import GREEDY, PROMPTS, ids

EVERY_PROMPT = pytest.mark.parametrize("index", range(len(PROMPTS)))


def greedy(heddle, *command):
    out = heddle.run(*command, "-n", GREEDY, "--print=tokens", "--ignore-eos",
                     "--temperature=0").stdout
    return [int(token) for token in out.strip().split(",")]


@EVERY_PROMPT
def test_program_greedy(heddle, smollm_program, golden, index):
    found = greedy(heddle, smollm_program, "generate", ids(golden.prompts[index]))
    assert found == golden.greedy[index]


def test_reference_greedy(heddle, smollm_gguf, golden):
    found = greedy(heddle, heddle.heddle, "reference", smollm_gguf, ids(golden.prompts[0]))
    assert found == golden.greedy[0]


@pytest.mark.slow
@pytest.mark.parametrize("index", range(1, len(PROMPTS)))
def test_reference_greedy_more(heddle, smollm_gguf, golden, index):
    found = greedy(heddle, heddle.heddle, "reference", smollm_gguf, ids(golden.prompts[index]))
    assert found == golden.greedy[index]


@pytest.mark.parametrize("chunk", ("all", 1))
def test_program_logits(smollm_program, smollm_gguf, golden, score, chunk):
    tokens = golden.prompts[2] + golden.greedy[2]
    flags = [] if chunk == "all" else [f"--chunk={chunk}"]
    found = score(smollm_program, tokens, *flags)
    f64 = oracle.logits64(smollm_gguf, tokens)
    assert_close(found, oracle.hf_logits(golden.model, tokens), f64)
    assert (found.argmax(-1) == f64.argmax(-1)).all()


def test_reference_logits(smollm_gguf, score):
    """Two float64 implementations: only the final rounding to float32, and the
    order of their sums, may differ."""
    tokens = [504, 3575, 282, 4649, 314]
    found = score(None, tokens, command=("reference", smollm_gguf))
    f64 = oracle.logits64(smollm_gguf, tokens)
    assert np.abs(found - f64).max() <= 4 * np.finfo(np.float32).eps * np.abs(f64).max()
