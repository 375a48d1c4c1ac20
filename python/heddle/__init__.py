"""Heddle: open-weights language models to native programs.

    program = heddle.compile("model.gguf", numeric="f32")
    for piece in program.generate("Once upon a time", max_new_tokens=32, stream=True):
        print(piece, end="")
    logits = program.logits([1, 2, 3])  # float32 [3, vocabulary]

`Module` is the graph, `compiler_pass`, `family` and `router` put functions into the compiler.
"""

from ._errors import DiagnosticError, Error  # first: the extension raises them
from ._heddle import Module, Operation, __version__
from ._parts import compiler_pass, family, load_plugin, router
from ._compile import compile
from ._program import Program

__all__ = ["DiagnosticError", "Error", "Module", "Operation", "Program", "__version__",
           "compile", "compiler_pass", "family", "load_plugin", "router"]
