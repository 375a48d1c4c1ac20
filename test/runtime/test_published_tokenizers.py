"""Published tokenizer.json files against the `tokenizers` package.

They are found in ../shared/data/tokenizers beside the repository, or where
HEDDLE_TOKENIZERS says.
"""

import os
import pathlib
import random
import subprocess

import pytest

tokenizers = pytest.importorskip("tokenizers")

import make_fake  # noqa: E402
from tokenizer_tools import (  # noqa: E402
    SEED, compare, compare_files, every_code_point, random_bytes, random_string,
    tokenize_lines)

FOLDER = pathlib.Path(os.environ.get(
    "HEDDLE_TOKENIZERS", make_fake.ROOT.parent / "shared/data/tokenizers"))


@pytest.fixture(scope="module", params=["qwen3", "deepseek_v3", "gptoss"])
def published(request, build_folder, tmp_path_factory):
    folder = FOLDER / request.param
    if not (folder / "tokenizer.json").exists():
        pytest.skip(f"{folder}: no tokenizer.json (HEDDLE_TOKENIZERS)")
    section = make_fake.read_section(folder)
    program = make_fake.make(tmp_path_factory.mktemp(request.param) / "fake",
                             build_folder, section)
    reference = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    # Control tokens in a text are text.
    reference.encode_special_tokens = True
    return program, reference, section


def strings_with_tokens(rng, section, count):
    """Random text with added tokens in it."""
    added = [token for token, kind in
             zip(section["tokens"], section["token_types"]) if kind in (3, 4)]
    return ["".join(rng.choice(added) if rng.random() < 0.3 else
                    random_string(rng) for _ in range(rng.randrange(1, 6)))
            for _ in range(count)]


def test_random_strings(published, count):
    program, reference, section = published
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    compare(program, reference, [random_string(rng) for _ in range(count)] +
            strings_with_tokens(rng, section, count // 10))


def test_every_code_point(published):
    program, reference, _ = published
    compare(program, reference, every_code_point())


def test_invalid_bytes(published, tmp_path):
    program, reference, _ = published
    rng = random.Random(SEED)
    compare_files(program, reference, tmp_path / "text",
                  [random_bytes(rng) for _ in range(10)])


def test_control_tokens(published):
    """With --special, control tokens in the text are tokens."""
    program, reference, section = published
    print(f"seed {SEED}")
    strings = strings_with_tokens(random.Random(SEED), section, 200)
    reference.encode_special_tokens = False
    wanted = [reference.encode(s, add_special_tokens=False).ids for s in strings]
    reference.encode_special_tokens = True
    start = [section["bos"]] if "bos" in section else []
    got = tokenize_lines(program, strings, "--special")
    assert got == [start + ids for ids in wanted]
    # Each of them alone.
    control = [i for i, kind in enumerate(section["token_types"]) if kind == 3]
    alone = tokenize_lines(program, [section["tokens"][i] for i in control])
    assert not [i for i, ids in zip(control, alone) if i in ids]


@pytest.mark.parametrize("text", [
    "a" * 10**6, "A" * 10**6, " " * 10**6, "\n" * 10**6, "中" * 300000,
    "\u0301" * 500000, "a\u0316\u0301" * 100000, "\u0301\u0316" * 200000,
    "<" * 10**6, "<｜" * 100000, " 7" * 300000, "한" * 300000, "!" * 10**6],
    ids=lambda text: ascii(text[:3]))
def test_long_runs(published, tmp_path, cpu_seconds, text):
    program, reference, _ = published
    path = tmp_path / "text"
    path.write_text(text, newline="")
    start = cpu_seconds()
    out = subprocess.run([program, "tokenize", f"--file={path}"],
                         capture_output=True, check=True).stdout.decode()
    seconds = cpu_seconds() - start
    assert len(out) > 100
    (got,) = tokenize_lines(program, [text[:3000]])
    assert got == reference.encode(text[:3000], add_special_tokens=False).ids
    # A text twice as long takes about twice as long.
    assert seconds < 4, f"{seconds:.2f} s"


def test_round_trip(published):
    program, _, _ = published
    text = "Hello,  world!\n\tЖ 你好 😀 123 don't\x00\u200d"
    (ids,) = tokenize_lines(program, [text])
    out = subprocess.run(
        [program, "detokenize", "--tokens=" + ",".join(map(str, ids))],
        capture_output=True, check=True).stdout
    assert out.decode() == text
