"""The generic path: ops sent through linalg, against their emitters and float64."""

import re

import numpy as np
import pytest

import oracle
from bounds import assert_bitwise, assert_close64, assert_same_bits
from prompts import ids
from test_tiny import LENGTH, MODELS
from tiny_gguf import Tiny, write


def compile_generic(heddle, model, program, ops, *flags):
    heddle("compile", model, "-o", program, "--numeric=f32", "--quiet",
           "-p", f"set-schedules.generic={ops}", *flags)
    return program


@pytest.fixture(scope="module", params=MODELS)
def generic(request, heddle, tmp_path_factory):
    model = MODELS[request.param]
    directory = tmp_path_factory.mktemp("generic-" + request.param)
    path = write(directory / "model.gguf", model)
    program = compile_generic(heddle, path, directory / "program", "rms_norm,glu")
    tokens = np.random.default_rng(200 + model.seed).integers(0, model.vocab, LENGTH).tolist()
    return path, program, tokens


def test_close_to_float64(generic, score):
    path, program, tokens = generic
    f64 = oracle.logits64(path, tokens)
    assert_close64(score(program, tokens), f64)
    assert_close64(score(program, tokens, "--chunk=1"), f64)


def test_bitwise(generic, score):
    _, program, tokens = generic
    assert_bitwise(score, program, tokens)


@pytest.mark.parametrize("ops", ("linear", "linear,rope,rms_norm,glu"))
def test_whole_activations(heddle, score, tmp_path, ops):
    """Weights of plain f32 in panels of one row are what a generic matrix product
    reads; it adds in the emitter's order, so alone it gives the emitter's bits."""
    path = write(tmp_path / "model.gguf", Tiny(vocab=333, ff=100, tied=False, seed=11))
    tokens = np.random.default_rng(11).integers(0, 333, LENGTH).tolist()
    # A product that is part of a kernel has no other form: no fusion.
    pipeline = re.sub(r"heddle-fuse-[a-z-]+,", "", heddle("compile", "--print-pipeline").stdout.strip())
    pipeline = pipeline.replace("rows=32", "rows=1").replace("heddle-set-schedules{", f"heddle-set-schedules{{generic={ops} ")
    program = tmp_path / "generic"
    heddle("compile", path, "-o", program, "--numeric=f32", "--quiet", f"--pipeline={pipeline}")
    expected = score(program, tokens, "-t", 1)
    for threads in (2, 3):
        for chunk in (1, 5, 16, 17):
            found = score(program, tokens, "-t", threads, f"--chunk={chunk}")
            assert_same_bits(found, expected, f"threads {threads}, chunk {chunk}")
    if ops == "linear":
        heddle("compile", path, "-o", tmp_path / "program", "--numeric=f32", "--quiet")
        assert_same_bits(expected, score(tmp_path / "program", tokens))
    assert_close64(expected, oracle.logits64(path, tokens))


def test_smollm(heddle, smollm_gguf, smollm_program, tmp_path):
    """A real checkpoint says the same."""
    program = compile_generic(heddle, smollm_gguf, tmp_path / "program", "rms_norm,glu")
    said = [heddle.run(p, "generate", ids([504, 3575, 282, 4649, 314]), "-n", 16, "--print=tokens",
                       "--ignore-eos", "--temperature=0").stdout for p in (smollm_program, program)]
    assert said[0] == said[1]
