"""The phases are the truth: what heddle compile runs is what heddle-opt runs."""

import filecmp
import os
from pathlib import Path

import pytest

from tiny_gguf import Tiny, write

ADD_ONE = "test/Plugin/AddOne.so"


@pytest.fixture(scope="module")
def opt():
    return os.environ["HEDDLE_OPT"]


@pytest.fixture(scope="module")
def compiled(heddle, tmp_path_factory):
    """A model, its program, and the files of its phases."""
    directory = tmp_path_factory.mktemp("pipeline")
    model = write(directory / "tiny.gguf", Tiny())
    program, phases = directory / "program", directory / "phases"
    heddle("compile", model, "-o", program, "--quiet", f"--dump-ir={phases}")
    return model, program, {file.stem[3:]: file for file in phases.iterdir()}


def test_printed_pipeline_compiles(heddle, compiled, tmp_path):
    model, program, _ = compiled
    text = heddle("compile", "--print-pipeline").stdout.strip()
    heddle("compile", model, "-o", tmp_path / "again", "--quiet", f"--pipeline={text}")
    assert filecmp.cmp(program, tmp_path / "again", shallow=False)


def test_processor(heddle, compiled, tmp_path):
    """A program for this machine is for its processor, one for a level is for any that has it."""
    model, _, phases = compiled
    assert "heddle.cpu = " in phases["canonicalize"].read_text()
    heddle("compile", model, "-o", tmp_path / "out", "--quiet", "--target=x86-64-v3", f"--dump-ir={tmp_path}")
    assert "heddle.cpu" not in (tmp_path / "01-canonicalize.mlir").read_text()


@pytest.mark.parametrize("pipeline", ("canonicalize", "no-such-pass", "builtin.module(cse"))
def test_other_pipeline(heddle, compiled, tmp_path, pipeline):
    done = heddle("compile", compiled[0], "-o", tmp_path / "out", f"--pipeline={pipeline}", code=2)
    assert done.stderr.startswith("heddle: error: pipeline: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("jobs", (1, 4))
def test_jobs(heddle, compiled, tmp_path, jobs):
    """One job is one thread, in the passes and in the linker; the program is the same."""
    model, program, _ = compiled
    most = heddle.peak("Threads", "compile", model, "-o", tmp_path / "again", "--quiet", f"--jobs={jobs}")
    assert jobs > 1 or most == 1
    assert filecmp.cmp(program, tmp_path / "again", shallow=False)


def test_opt_runs_phases(run, opt, compiled):
    files = compiled[2]

    def body(text):  # compile notes the phase on the module, heddle-opt does not
        return [line for line in text.splitlines() if not line.startswith("module attributes")]

    found = run(opt, files["fuse"], "--heddle-from=layout", "--heddle-to=plan").stdout
    assert body(found) == body(files["plan"].read_text())
    # One at a time is the same as all at once.
    for phase, before in (("fuse", "route"), ("layout", "fuse"), ("plan", "emit")):
        found = run(opt, files[before], f"--heddle-from={phase}", f"--heddle-to={phase}").stdout
        assert body(found) == body(files[phase].read_text()), phase


@pytest.mark.parametrize("flags", (["--heddle-to=weave"], ["--heddle-from=plan", "--heddle-to=fuse"]))
def test_opt_refuses(run, opt, compiled, flags):
    done = run(opt, compiled[2]["import"], *flags, code=2)
    assert done.stderr.startswith("heddle-opt: error: heddle-")


def test_plugin_joins_compile(heddle, compiled, tmp_path):
    build = Path(os.environ["HEDDLE_BUILD_DIR"])
    model, program, _ = compiled
    heddle("compile", model, "-o", tmp_path / "again", "--quiet", f"--plugin={build / ADD_ONE}",
           f"--dump-ir={tmp_path}")
    assert "add_one.seen" not in (tmp_path / "04-route.mlir").read_text()
    assert "add_one.seen" in (tmp_path / "05-fuse.mlir").read_text()
