"""heddle.Program: a compiled program, driven as a child process."""

import codecs
import json
import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from . import _heddle
from ._errors import Error
from ._forked import forked


class Program:
    """A compiled program. Each call runs it once; leaving a call early, by Ctrl-C too, ends
    the run."""

    def __init__(self, path, *, threads=None, _holder=None):
        self.path = Path(path).absolute()
        self.threads = threads
        self._holder = _holder

    def __repr__(self):
        return f"heddle.Program({str(self.path)!r})"

    @contextmanager
    def _running(self, *arguments):
        """The process, whose end is waited for; raises Error if it ends badly."""
        flags = [] if self.threads is None else [f"--threads={self.threads}"]
        with tempfile.TemporaryFile() as stderr:
            try:
                # The command is the first word; what follows `--` is text.
                process = subprocess.Popen([str(self.path), arguments[0], *flags, *arguments[1:]],
                                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr)
            except OSError as error:
                raise Error(f"{self.path}: {error.strerror}", 6) from None
            try:
                yield process
                code = process.wait()
            finally:
                process.kill()
                process.wait()
                process.stdout.close()
            stderr.seek(0)
            lines = stderr.read().decode(errors="replace").splitlines()
        if code:
            said = [line.partition(": error: ")[2] for line in lines if ": error: " in line]
            hints = [line[6:] for line in lines if line.startswith("hint: ")]
            raise Error(said[0] if said else f"{self.path}: exit status {code}", code, "".join(hints[:1]))

    def _output(self, *arguments):
        with self._running(*arguments) as process:
            return process.stdout.read().decode()

    def generate(self, prompt, *, max_new_tokens=None, temperature=None, top_k=None, top_p=None,
                 min_p=None, seed=None, stop_strings=(), ignore_eos=False, raw=False, streamer=None,
                 stream=False):
        """What follows `prompt`: text after a string, ids after ids. With `stream` an iterator
        over pieces of text, or over ids. `streamer` is called with each of them, or its `put`
        is, and its `end` at the end. `raw`: no chat template."""
        is_text = isinstance(prompt, str)
        pieces = self._pieces(
            ["--", prompt] if is_text else ["--print=tokens", _ids_flag(prompt)], is_text, streamer,
            _flags(max_new_tokens, temperature, top_k, top_p, min_p, seed, stop_strings, ignore_eos)
            + ["--raw"] * raw)
        if stream:
            return pieces
        return "".join(pieces) if is_text else list(pieces)

    def _pieces(self, what, is_text, streamer, flags):
        put = getattr(streamer, "put", streamer) or (lambda piece: None)
        with self._running("generate", *flags, *what) as process:
            for piece in (_texts if is_text else _ids)(process.stdout):
                put(piece)
                yield piece
        if hasattr(streamer, "end"):
            streamer.end()

    def chat(self, messages, *, max_new_tokens=None, temperature=None, top_k=None, top_p=None, min_p=None,
             seed=None, stop_strings=(), ignore_eos=False, streamer=None, stream=False, **variables):
        """The answer to a conversation, a list of {"role": …, "content": …}, which the model's
        chat template renders. Other arguments as in `generate`; `variables` are the template's,
        as `enable_thinking=False`."""
        pieces = self._answer({**variables, "messages": list(messages)}, streamer, _flags(
            max_new_tokens, temperature, top_k, top_p, min_p, seed, stop_strings, ignore_eos))
        return pieces if stream else "".join(pieces)

    def _answer(self, conversation, streamer, flags):
        with tempfile.TemporaryDirectory(prefix="heddle-") as directory:
            path = Path(directory) / "messages.json"
            path.write_text(json.dumps(conversation))
            yield from self._pieces([f"--messages-file={path}"], True, streamer, flags)

    def logits(self, ids, *, chunk=None):
        """Logits of every position, float32 [*ids.shape, vocabulary]. `ids`: a sequence, a NumPy
        array or whatever has DLPack, of one sequence or [sequences, tokens] that are computed
        side by side, -1 where one has no token; the result is mapped from where the program
        wrote it. chunk: tokens of a sequence a step, 1 = one by one."""
        import numpy as np
        ids = np.from_dlpack(ids) if hasattr(ids, "__dlpack__") else np.asarray(ids)
        if ids.ndim not in (1, 2) or ids.dtype.kind not in "iu":
            raise Error(f"ids: shape = {ids.shape} of {ids.dtype}, limit one or two dimensions of integers", 2)
        least = 1 - ids.ndim
        if ids.size and not least <= ids.min() <= ids.max() < 2**31:
            raise Error(f"ids: {ids.min()} to {ids.max()}, limit {least} to {2**31 - 1}", 3)
        shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        with tempfile.TemporaryDirectory(prefix="heddle-", dir=shared) as directory:
            np.save(f"{directory}/ids.npy", ids.astype(np.int32))
            self._output("score", f"--tokens-file={directory}/ids.npy", f"--out={directory}/out.npy",
                         *([f"--chunk={chunk}"] if chunk else []))
            # The mapping outlives the name. Copy-on-write: DLPack wants a writable array.
            return np.load(f"{directory}/out.npy", mmap_mode="c")

    @property
    def info(self):
        """What `PROG info --json` says."""
        return json.loads(self._output("info", "--json"))

    def explain(self):
        """What became of each kernel, as `heddle explain PROG --json` has it: the program keeps it."""
        with tempfile.TemporaryFile() as out:
            def work():
                os.dup2(out.fileno(), 1)
                _heddle.explain(str(self.path))
            forked(work)
            out.seek(0)
            return json.loads(out.read())


def _flags(max_new_tokens, temperature, top_k, top_p, min_p, seed, stop_strings, ignore_eos):
    """The command line of what `generate` and `chat` have in common."""
    options = {"--temperature": temperature, "--top-k": top_k, "--top-p": top_p, "--min-p": min_p, "--seed": seed}
    flags = [f"{name}={value}" for name, value in options.items() if value is not None]
    if max_new_tokens is not None:
        flags += ["-n", str(max_new_tokens)]
    stops = [stop_strings] if isinstance(stop_strings, str) else stop_strings
    return flags + [f"--stop={text}" for text in stops] + ["--ignore-eos"] * ignore_eos


def _ids_flag(ids):
    return "--tokens=" + ",".join(str(int(i)) for i in ids)


def _texts(stdout):
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while data := os.read(stdout.fileno(), 65536):
        if text := decoder.decode(data):
            yield text
    if text := decoder.decode(b"", final=True):
        yield text


def _ids(stdout):
    left = ""
    while data := os.read(stdout.fileno(), 65536):
        *whole, left = (left + data.decode()).split(",")
        yield from map(int, whole)
    if left.strip():
        yield int(left)
