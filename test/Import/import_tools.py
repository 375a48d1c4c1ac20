"""Where the tools are, and how to run one with its cost measured."""

import os
import pathlib
import subprocess
import time
from dataclasses import dataclass

REPO = pathlib.Path(__file__).resolve().parents[2]
PROBE = pathlib.Path(os.environ.get("HEDDLE_GGUF_PROBE",
                                    REPO / "build/bin/gguf-probe"))
# Only set when the whole tool is to be tested as well.
HEDDLE = os.environ.get("HEDDLE_BIN")

# LLVM is not instrumented, so its containers cannot keep the annotations that
# this check reads.
ENV = {**os.environ, "ASAN_OPTIONS": "detect_container_overflow=0"}


@dataclass
class Result:
    code: int  # negative: ended by that signal
    out: bytes
    err: str
    cpu_s: float
    peak_rss: int  # bytes


def run(*command, timeout=20):
    """Runs a command. Output goes to pipes that are drained at the end: it must
    be small, or be taken with `subprocess` instead."""
    process = subprocess.Popen([str(c) for c in command], env=ENV,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    deadline = time.monotonic() + timeout
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise AssertionError(f"{command}: still running after {timeout} s")
        time.sleep(0.002)
    process.returncode = os.waitstatus_to_exitcode(status)
    out, err = process.stdout.read(), process.stderr.read()
    process.stdout.close()
    process.stderr.close()
    return Result(process.returncode, out, err.decode("utf-8", "replace"),
                  usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def probe(path):
    """Output of gguf-probe on a good file."""
    done = subprocess.run([PROBE, path], env=ENV, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def dump(path, tensor):
    """A tensor's bytes, dequantized to f32."""
    done = subprocess.run([PROBE, path, "--dump-tensor", tensor], env=ENV,
                          capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
