"""Parts of the compiler that are Python functions, or come from a plugin's file."""

import inspect
import os

from . import _heddle

_loaded = set()


def load_plugin(path):
    """Loads a plugin's `.so` for this process; once, however often it is asked for."""
    path = os.path.realpath(path)
    if path not in _loaded:
        _heddle.load_plugin(path)
        _loaded.add(path)


def _summary(function):
    return (inspect.getdoc(function) or function.__name__).splitlines()[0]


def compiler_pass(phase="", name=None, front=False):
    """Makes a function a pass, by its name with dashes or `name`, that joins a phase at its
    end, or with `front` at its beginning; without a phase, pipelines may name it. It gets the
    Module, which is its own only while it runs; what it returns, if anything, is a module or
    text to put in its place.

        @heddle.compiler_pass(phase="canonicalize")
        def loosen_norms(module): ...
    """
    def register(function):
        _heddle.add_pass(name or function.__name__.replace("_", "-"), _summary(function), phase,
                         front, function)
        return function
    return register


def family(name):
    """Makes a function the family of checkpoints whose architecture is `name`. It gets a dict
    of `path`, `metadata` and `tensors` (name to shape and encoding), and returns the graph: a
    Module, or its text. An exception says that the checkpoint is unsupported."""
    def register(function):
        _heddle.add_family(name, _summary(function), function)
        return function
    return register


def router(name):
    """Makes a function the router `name`, for `options={"set-router.name": name}`. It gets how many
    experts there are, how many a token goes to, and whether the model adds a bias where they are
    selected, and returns the text of one function in MLIR (`heddle.custom_route` says of which ops):

        func.func @route(%row: tensor<1xExf32>) -> (tensor<1xkxi32>, tensor<1xkxf32>)

    of a token's logits (and the bias, tensor<Exf32>) to its experts and their weights, the order of
    which is that of the sum. An exception says that it cannot."""
    def register(function):
        _heddle.add_router(name, _summary(function), function)
        return function
    return register
