"""heddle.compile. The work is done in a forked child: it has the parts that this process
registered, plugins of one compile do not reach the next, and Ctrl-C ends it at once."""

import os
import shutil
import tempfile
from pathlib import Path

from . import _heddle
from ._errors import Error
from ._forked import forked
from ._parts import load_plugin
from ._program import Program


def _options(model, numeric, target, context, options, weights_from):
    made = _heddle.CompileOptions()
    made.model = os.fspath(model)
    made.numeric, made.target, made.context = numeric, target, context
    made.weights_from = os.fspath(weights_from or "")
    made.pass_options = [f"{name}={value}" for name, value in (options or {}).items()]
    made.quiet = True
    return made


def compile(model, output=None, *, numeric=None, target=None, context=None, options=None,
            plugins=(), weights_from=None, profile=None, dump_ir=None, jobs=0):
    """Compiles a checkpoint, or with `weights_from` a Module or its file, to a Program.

    numeric: "auto", "f32", "a16" or "a8". target: feature levels, as `heddle list targets`.
    options: {"choose-layouts.rows": 16}. profile: a file of `PROG profile`. plugins: files, for this compile alone. output: where
    the program is kept; without it, it goes when the Program does. Raises Error."""
    holder = None
    if output is None:
        holder = tempfile.TemporaryDirectory(prefix="heddle-")
        output = Path(holder.name) / "program"
    output = Path(output).absolute()
    is_module = isinstance(model, _heddle.Module)
    made = _options("" if is_module else model, numeric, target, context, options, weights_from)
    made.jobs = jobs
    made.profile = os.fspath(profile or "")
    made.dump_ir = os.fspath(dump_ir or "")
    try:
        scratch = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
    except OSError as error:
        raise Error(f"{output}: {error.strerror}", 6) from None
    made.output = str(scratch / output.name)
    if is_module:
        made.model = str(scratch / "module.mlir")

    def work():
        os.environ["TMPDIR"] = str(scratch)
        for plugin in plugins:
            load_plugin(plugin)
        _heddle.compile(made)

    try:
        if is_module:
            Path(made.model).write_text(str(model))
        forked(work)
        os.replace(made.output, output)
    except OSError as error:
        raise Error(f"{output}: {error.strerror}", 6) from None
    except Error as error:
        where = Path.cwd() if holder else output.parent
        for reproducer in scratch.glob("*.reproducer.mlir"):
            kept = shutil.move(reproducer, where / reproducer.name)
            error.hint = error.hint.replace(str(reproducer), str(kept))
        raise
    finally:
        shutil.rmtree(scratch)

    return Program(output, _holder=holder)
