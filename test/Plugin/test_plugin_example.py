"""test/plugin-example/, built against an installed Heddle: a stranger's op, pass, encoding
and family make a program that computes what numpy does."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "plugin-example"))
import relu2_model  # noqa: E402

SEED = 41
TOKENS = np.random.default_rng(SEED).integers(0, relu2_model.VOCAB, 40).tolist()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("relu2") / "relu2.gguf"
    return path, relu2_model.logits(relu2_model.write(path, SEED), TOKENS)


def tokens():
    return "--tokens=" + ",".join(map(str, TOKENS))


def assert_close(found, expected):
    """Float32 rounding of logits of about 1; a wrong sign or factor is far outside."""
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_refused_without_plugin(tool, model, tmp_path):
    done = tool("heddle", "compile", model[0], "-o", tmp_path / "out", code=4)
    assert "relu2" in done.stderr and not list(tmp_path.iterdir())


def test_reference(tool, example, model, tmp_path):
    tool("heddle", "reference", model[0], f"--plugin={example}", tokens(), f"--out={tmp_path}/out.npy")
    assert np.abs(np.load(tmp_path / "out.npy") - model[1]).max() < 1e-9


def test_program(tool, run, example, model, tmp_path):
    path, expected = model
    program, dump = tmp_path / "program", tmp_path / "ir"
    tool("heddle", "compile", path, "-o", program, f"--plugin={example}", "--numeric=f32", "--quiet",
         f"--dump-ir={dump}")
    # The plugin's pass ran in its phase.
    before, after = ((dump / name).read_text() for name in ("00-import.mlir", "01-canonicalize.mlir"))
    assert before.count("example.scale") == 1 and "example.scale" not in after
    # No op is left; the record of the kernels names it as one without an emitter.
    plan = (dump / "09-plan.mlir").read_text()
    assert "example.relu2" in after and "= example." not in plan and 'generic = ["example.relu2"]' in plan
    for chunk in ("16", "1"):
        run(program, "score", tokens(), f"--out={tmp_path}/out.npy", f"--chunk={chunk}")
        assert_close(np.load(tmp_path / "out.npy"), expected)
    # Its option is an option, and what the pass does changes no bit.
    logits = np.load(tmp_path / "out.npy")
    tool("heddle", "compile", path, "-o", program, f"--plugin={example}", "--numeric=f32", "--quiet",
         "-p", "example-fold-scale.most=0", f"--dump-ir={dump}")
    assert "example.scale" in (dump / "01-canonicalize.mlir").read_text()
    run(program, "score", tokens(), f"--out={tmp_path}/out.npy", "--chunk=1")
    assert np.array_equal(np.load(tmp_path / "out.npy").view(np.uint32), logits.view(np.uint32))


def test_program_a8(tool, run, example, model, tmp_path):
    """The encoding has integer codes, so its products run on an integer dot product too;
    activations rounded to int8 are near, and no more."""
    path, expected = model
    done = tool("heddle", "explain", path, f"--plugin={example}", "--numeric=a8", "--target=x86-64-v3")
    assert "relu2" in done.stdout
    program = tmp_path / "program"
    tool("heddle", "compile", path, "-o", program, f"--plugin={example}", "--numeric=a8", "--quiet",
         "--target=x86-64-v3")
    run(program, "score", tokens(), f"--out={tmp_path}/out.npy")
    error = np.abs(np.load(tmp_path / "out.npy") - expected).max() / np.abs(expected).max()
    assert 1e-5 < error < 0.1


IR = """func.func @f(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = example.relu2 %x : tensor<?x8xf32>
  %1 = example.scale %0 {factor = 0.5 : f32} : tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}
"""


@pytest.mark.parametrize("flags", (
    ["--plugin={}"], ["--load-dialect-plugin={}", "--load-pass-plugin={}"]))
@pytest.mark.parametrize("most, left", ((-1, 0), (0, 1)))
def test_heddle_opt(tool, example, tmp_path, flags, most, left):
    (tmp_path / "in.mlir").write_text(IR)
    done = tool("heddle-opt", tmp_path / "in.mlir", *(flag.format(example) for flag in flags),
                f"--pass-pipeline=builtin.module(example-fold-scale{{most={most}}})")
    assert done.stdout.count("example.scale") == left
    assert done.stdout.count("example.relu2") == 1


def test_listed(tool, example):
    for what, name in (("families", "relu2"), ("formats", "tq2_0"), ("passes", "example-fold-scale"),
                       ("plugins", "example")):
        rows = tool("heddle", "list", what, f"--plugin={example}").stdout.splitlines()
        assert any(row.startswith(name + " ") and "Example.so" in row for row in rows), rows


def test_in_a_model_directory(tool, example, model, tmp_path):
    """A plugin beside a model or in the working directory is never loaded."""
    (tmp_path / "relu2.gguf").write_bytes(model[0].read_bytes())
    for name in ("plugin.so", "relu2.so", "Example.so", "heddle.so"):
        (tmp_path / name).write_bytes(example.read_bytes())
    (tmp_path / "config.json").write_text('{"architectures": ["Relu2ForCausalLM"], "model_type": "relu2"}')
    (tmp_path / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    for path in ("relu2.gguf", tmp_path):
        tool("heddle", "compile", path, "-o", tmp_path / "out", code=4, cwd=tmp_path)
    assert not (tmp_path / "out").exists()
