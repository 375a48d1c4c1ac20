"""test/plugin-router/, built against an installed Heddle: the router of Phi-3.5-MoE as a stranger's op,
against transformers' own function."""

import re
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from routes import returned, split
from tiny_hf import make
from transformers import MixtralConfig
from transformers.models.phimoe.modeling_phimoe import sparsemixer as of_transformers

SEED = 77
EXPERTS, USED = 5, 2
TOKENS = np.random.default_rng(SEED).integers(0, 331, 37).tolist()


def logits(rng, count):
    """Logits near enough to each other that thresholds matter, with ties of all kinds at the front."""
    z = rng.standard_normal((count, EXPERTS)).astype(np.float32)
    z[::2] = 1 + 0.02 * z[::2]          # some within 2 eps of the largest
    z[1::4] -= 20                       # none positive
    z[TOKENS[0]] = 0.5                  # every one the same
    z[TOKENS[1]] = [1, 2, 2, 1, 2]      # three first
    z[TOKENS[2]] = [3, 1, 1, -1, 1]     # three second
    z[TOKENS[3]] = 0                    # 0 / 0
    z[TOKENS[4]] = -0.5
    return z


def expected(z):
    weights, ids = of_transformers(torch.tensor(z), jitter_eps=0.01, training=False)
    return ids.numpy(), weights.numpy()


@dataclass
class Model:
    path: object
    graph: object  # whose first logits are the routes of sparsemixer, of `z`
    shape: list
    z: np.ndarray


@pytest.fixture(scope="module")
def model(tool, tmp_path_factory):
    """A Mixtral whose routers read the first numbers of what enters a layer instead of a product: in the first
    layer a token's embedding, so that logits are what a test wants to the bit."""
    directory = tmp_path_factory.mktemp("sparsemixer")
    tiny = make(MixtralConfig, SEED, num_local_experts=EXPERTS, num_experts_per_tok=USED, hidden=64)
    table = tiny.model.embed_tokens.weight
    table.data[:, :EXPERTS] = torch.tensor(logits(np.random.default_rng(SEED), len(table)))
    tiny.save_pretrained(directory / "model")
    tool("heddle", "import", directory / "model", "-o", directory / "mixtral.mlir")
    text, *shape = returned((directory / "mixtral.mlir").read_text())
    text, count = re.subn(
        r"(%\w+), (%\w+) = heddle\.route %\w+ .*",
        f"%z = heddle.slice_heads %arg0 {{first = 0 : i64, heads = 1 : i64, size = {EXPERTS} : i64}} : tensor<?x64xf32>\n"
        rf"    \1, \2 = sparsemixer.route %z : (tensor<?x{EXPERTS}xf32>) -> (tensor<?x{USED}xi32>, tensor<?x{USED}xf32>)",
        text)
    assert count == 1
    graph = directory / "sparsemixer.mlir"
    graph.write_text(text)
    return Model(directory / "model", graph, shape, table[TOKENS, :EXPERTS].detach().numpy())


@pytest.fixture(scope="module")
def score(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("score") / "logits.npy"

    def call(program, tokens, *flags):
        run(program, "score", "--tokens=" + ",".join(map(str, tokens)), f"--out={out}", *flags)
        return np.load(out)

    return call


def reference(tool, plugin, graph, weights, out):
    tool("heddle", "reference", graph, f"--weights-from={weights}", f"--plugin={plugin}",
         "--tokens=" + ",".join(map(str, TOKENS)), f"--out={out}")
    return np.load(out)


def assert_routes(found, model):
    ids, weights = split(found, *model.shape)[0]
    right_ids, right = expected(model.z)
    assert np.array_equal(ids, right_ids)
    np.testing.assert_allclose(weights, right, rtol=1e-6)


def test_oracle(model):
    """The cases are not all of one kind."""
    ids, weights = expected(model.z)
    assert ids[:5].tolist() == [[0, 1], [1, 2], [0, 1], [0, 1], [0, 1]]
    assert weights[0].tolist() == pytest.approx([1 / 5, 1 / 4]) and weights[2].tolist() == pytest.approx([1, 1 / 3])
    assert 0.1 < (weights == 1).mean() < 0.9


def test_reference(tool, sparsemixer, model, tmp_path):
    assert_routes(reference(tool, sparsemixer, model.graph, model.path, tmp_path / "out.npy"), model)


def test_program(tool, sparsemixer, model, score, tmp_path):
    """Decode, small batches and prefill have the routes of transformers, the logits of the reference,
    and the same bits as each other."""
    program = tmp_path / "program"
    tool("heddle", "compile", model.graph, f"--weights-from={model.path}", "-o", program, f"--plugin={sparsemixer}",
         "--numeric=f32", "--quiet", f"--dump-ir={tmp_path / 'ir'}")
    found = score(program, TOKENS, "-t", 1)
    assert_routes(found, model)
    right = reference(tool, sparsemixer, model.graph, model.path, tmp_path / "out.npy")
    assert np.abs(found - right).max() <= 256 * np.finfo(np.float32).eps * np.abs(right).max()
    for threads in (1, 2, 3):
        for chunk in (1, 5, 16, 37):
            again = score(program, TOKENS, "-t", threads, f"--chunk={chunk}")
            assert np.array_equal(again.view(np.uint32), found.view(np.uint32)), (threads, chunk)
    assert np.array_equal(score(program, TOKENS[:1]), found[:1])
    # In a decode step every thread computes it, in the kernel of gate and up.
    fused = (tmp_path / "ir" / "05-fuse.mlir").read_text()
    assert '"route+routed_matmul+routed_matmul+glu"' in fused, re.findall(r'heddle\.kernel "([^"]*)"', fused)


def test_set_router(tool, sparsemixer, model, score, tmp_path):
    """A checkpoint of a family that knows no such router, compiled with it by name: as the edited graph is."""
    text = tool("heddle", "import", model.path).stdout
    route = re.search(r"(%\w+, %\w+) = heddle\.route (%\w+) .*", text)
    (tmp_path / "edited.mlir").write_text(text.replace(
        route[0], f"{route[1]} = sparsemixer.route {route[2]} : "
                  f"(tensor<?x{EXPERTS}xf32>) -> (tensor<?x{USED}xi32>, tensor<?x{USED}xf32>)"))
    plugin = f"--plugin={sparsemixer}"
    tool("heddle", "compile", model.path, "-o", tmp_path / "named", plugin, "-p", "set-router.name=sparsemixer",
         "--numeric=f32", "--quiet")
    right = reference(tool, sparsemixer, tmp_path / "edited.mlir", model.path, tmp_path / "out.npy")
    found = score(tmp_path / "named", TOKENS)
    assert np.abs(found - right).max() <= 256 * np.finfo(np.float32).eps * np.abs(right).max()
    # The model's own routes give something else.
    tool("heddle", "reference", model.path, "--tokens=" + ",".join(map(str, TOKENS)), f"--out={tmp_path}/own.npy")
    assert np.abs(np.load(tmp_path / "own.npy") - right).max() > 1e-3


def test_narrow_activations(tool, sparsemixer, model, score, tmp_path):
    """Mode a16 converts rows around the router's kernels."""
    program = tmp_path / "program"
    tool("heddle", "compile", model.path, "-o", program, f"--plugin={sparsemixer}", "-p", "set-router.name=sparsemixer",
         "--numeric=a16", "--quiet")
    found = score(program, TOKENS, "-t", 2)
    assert np.array_equal(score(program, TOKENS, "--chunk=1").view(np.uint32), found.view(np.uint32))


def test_listed(tool, sparsemixer):
    rows = tool("heddle", "list", "routers", f"--plugin={sparsemixer}").stdout.splitlines()
    assert len(rows) == 1 and rows[0].startswith("sparsemixer ") and "Sparsemixer.so" in rows[0]


def test_refused(tool, sparsemixer, model, tmp_path):
    out = tmp_path / "out"
    done = tool("heddle", "compile", model.path, "-o", out, "--quiet", "-p", "set-router.name=sparsemixer", code=2)
    assert "router = sparsemixer, there is none" in done.stderr
    done = tool("heddle", "compile", model.path, "-o", out, "--quiet", "-p", "set-router.name=sparse",
                f"--plugin={sparsemixer}", code=2)
    assert "router = sparse, one of sparsemixer" in done.stderr
    assert not list(tmp_path.iterdir())
