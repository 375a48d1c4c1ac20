"""One reduction order, and a compile that depends on its inputs alone."""

import filecmp

import numpy as np
import pytest

from bounds import assert_same_bits
from tiny_gguf import Tiny, write

# 83 tokens: whole prefill tiles of 16, then a tail.
TOKENS = [504, 3575, 282, 4649, 314] + [(7919 * i) % 49152 for i in range(78)]


@pytest.fixture(scope="module")
def expected(smollm_program, score):
    return score(smollm_program, TOKENS, "-t", 1)


# Decode with each number of threads, few tokens and many with some.
@pytest.mark.parametrize("threads, chunk", ((1, 1), (2, 1), (3, 1), (3, 7), (2, 16), (1, 64), (3, 64), (2, len(TOKENS))))
def test_threads_and_chunks(smollm_program, score, expected, threads, chunk):
    found = score(smollm_program, TOKENS, "-t", threads, f"--chunk={chunk}")
    assert_same_bits(found, expected, f"threads {threads}, chunk {chunk}")


@pytest.mark.parametrize("length", (1, 2, 15, 16, 17, 33))
def test_later_tokens_change_nothing(smollm_program, score, expected, length):
    found = score(smollm_program, TOKENS[:length])
    assert_same_bits(found, expected[:length], f"first {length} tokens")


@pytest.fixture(scope="module")
def dumped(heddle, smollm_gguf, tmp_path_factory):
    """A small model, its program and the directory of its phases."""
    directory = tmp_path_factory.mktemp("phases")
    model = write(directory / "tiny.gguf", Tiny(vocab=1000, encoding="Q4_0"), vocab_from=smollm_gguf)
    program, phases = directory / "program", directory / "phases"
    heddle("compile", model, "-o", program, "--numeric=f32", f"--dump-ir={phases}")
    files = sorted(phases.glob("[0-9][0-9]-*.mlir"))
    assert len(files) >= 2, "import and plan at least"
    return model, program, files


def test_compiles_are_identical(heddle, smollm_gguf, smollm_program, tmp_path):
    heddle("compile", smollm_gguf, "-o", tmp_path / "again", "--numeric=f32")
    assert filecmp.cmp(smollm_program, tmp_path / "again", shallow=False)


def test_every_phase_continues(heddle, dumped, tmp_path):
    model, program, files = dumped
    for file in files:
        again = tmp_path / "again"
        heddle("compile", file, f"--weights-from={model}", "-o", again)
        assert filecmp.cmp(program, again, shallow=False), file.name
        again.unlink()


@pytest.mark.parametrize("flag", ("--numeric=a8", "--context=77"))
def test_contradicting_flag(heddle, dumped, tmp_path, flag):
    model, _, files = dumped
    for file in (files[0], files[-1]):
        done = heddle("compile", file, f"--weights-from={model}", flag,
                      "-o", tmp_path / "no", code=2)
        assert done.stderr.startswith("heddle: error: ")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def tiled(heddle, score, tmp_path_factory):
    """tiled(numeric, *options) -> logits of a small model, of 43 tokens, the same in steps of few."""
    directory = tmp_path_factory.mktemp("tiles")
    model = write(directory / "tiny.gguf", Tiny(hidden=64, ff=160, seed=3, encoding="Q4_0"))
    tokens = np.random.default_rng(3).integers(0, 320, 43).tolist()

    def run(numeric, *options):
        heddle("compile", model, "-o", directory / "program", f"--numeric={numeric}", "--quiet",
               *(f"-p=set-schedules.{option}" for option in options))
        logits = score(directory / "program", tokens, "-t", 2)
        for chunk in (1, 2, 3, 5, 7, 13, 16):
            assert_same_bits(score(directory / "program", tokens, f"--chunk={chunk}"), logits, f"chunk {chunk}")
        return logits

    return run


@pytest.mark.parametrize("numeric", ("f32", "a8"))
def test_tiles(tiled, numeric):
    """Tiles, what they leave over and what is fetched ahead change no bit."""
    expected = tiled(numeric)
    for options in (["token-tile=1"], ["token-tile=3", "prefetch=0"], ["token-tile=16", "prefetch=64", "prefetch-from=1"],
                    ["token-tile=9", "token-block=9", "prefetch=4096", "prefetch-from=3"]):
        assert_same_bits(tiled(numeric, *options), expected, str(options))
