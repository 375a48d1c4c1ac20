"""The tutorial: a small model from import to logits, with a pass of our own on the way."""

import numpy as np
import pytest

import heddle
from oracle import logits64
from tiny_gguf import Tiny, write

SEED = 51
IDS = np.random.default_rng(SEED).integers(0, 320, 24)
ON = {"skip": False}


@heddle.compiler_pass(phase="canonicalize")
def tutorial_skip_gate(module):
    """Lets the feed-forward part pass its gate through, where ON["skip"] says so."""
    def visit(op):
        if ON["skip"] and op.name == "heddle.glu":
            op.replace_by_operand(0)
    module.walk(visit)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write(tmp_path_factory.mktemp("tutorial") / "tiny.gguf", Tiny(layers=1, seed=SEED))


def test_tutorial(model):
    # 1. Import, and look.
    module = heddle.Module.from_model(str(model))
    names = []
    module.walk(lambda op: names.append(op.name))
    assert names.count("heddle.glu") == 1 and names.count("heddle.attention") == 1
    assert "heddle.rms_norm" in str(module)

    # 2. What the pass does, alone.
    ON["skip"] = True
    module.run("tutorial-skip-gate")
    assert "heddle.glu" not in str(module)
    module.verify()

    # 3. Compile with it and without it: it is in the phases like any other.
    changed = heddle.compile(model, numeric="f32")
    ON["skip"] = False
    program = heddle.compile(model, numeric="f32")

    # 4. The same model without the pass is the reference's; with it, it is another model.
    expected, found, other = logits64(model, IDS.tolist()), program.logits(IDS), changed.logits(IDS)
    assert found.shape == (24, 320) and found.dtype == np.float32
    scale = np.abs(expected).max()
    assert np.abs(found - expected).max() < 1e-4 * scale
    assert np.abs(other - expected).max() > 1e-2 * scale

    # 5. The module that was changed by hand compiles to the same program.
    again = heddle.compile(module, weights_from=model, numeric="f32").logits(IDS)
    assert np.array_equal(again, other)
