"""Trained models with experts say the same text compiled as in transformers: float32, greedy."""

import numpy as np
import pytest
import torch

import oracle
from bounds import assert_same_bits
from trained import FAMILIES, train

PROMPTS = ("The router", "# Import\n\nA layer with experts ", "Each kernel", "    %y = heddle.", "- **")
COUNT = 64


# A few seconds on a page, and about a minute on all of it.
@pytest.fixture(scope="module", ids=lambda p: f"{p[0]}-{p[1]}", params=[
    pytest.param((family, steps), marks=[pytest.mark.slow] * (steps > 100)) for steps in (100, 1500) for family in FAMILIES])
def trained(request, heddle, tmp_path_factory):
    """(the model, its tokenizer, the program of it)"""
    family, steps = request.param
    directory = tmp_path_factory.mktemp(f"{family}-{steps}")
    # The matrices are small: a second thread waits more than it works.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model, tokenizer, loss = train(family, directory / "model", steps, 2000 if steps == 100 else None)
    assert loss < (1.5 if steps == 100 else 3)  # of log(320) = 5.8 at the start
    heddle("compile", directory / "model", "-o", directory / "program", "--numeric=f32", "--quiet")
    yield model, tokenizer, directory / "program"
    torch.set_num_threads(threads)


def test_same_text(trained, heddle):
    model, tokenizer, program = trained
    texts = set()
    for prompt in PROMPTS:
        said = heddle.run(program, "generate", "--raw", "-n", COUNT, "--temperature=0", "--", prompt).stdout
        expected = tokenizer.decode(oracle.hf_greedy(model, tokenizer.encode(prompt).ids, COUNT))
        assert said == expected, prompt
        texts.add(expected)
    assert len(texts) == len(PROMPTS)


def test_forms(trained, score):
    """Experts that were chosen unevenly: the same bits of one token, few and many."""
    _, tokenizer, program = trained
    tokens = tokenizer.encode("".join(PROMPTS)).ids
    expected = score(program, tokens, "-t", 1)
    assert np.isfinite(expected).all()
    for threads, chunk in ((1, 1), (2, 1), (2, 5), (3, 17)):
        assert_same_bits(score(program, tokens, "-t", threads, f"--chunk={chunk}"), expected, f"chunk {chunk}")
