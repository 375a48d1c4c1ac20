"""Where the tools are, and how to run one with its cost measured."""

import json
import os
import pathlib
import subprocess
import sys
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


# Runs a command from a small process and reports what it cost. Linux counts the
# memory of the process that calls exec towards the new program's peak, and a
# pytest with numpy in it is bigger than the limit to be tested.
LAUNCHER = """
import json, os, signal, sys
report, timeout, *command = sys.argv[1:]
os.set_inheritable(int(report), False)
pid = os.posix_spawn(command[0], command, os.environ)
signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
signal.alarm(int(timeout))
_, status, usage = os.wait4(pid, 0)
os.write(int(report), json.dumps([os.waitstatus_to_exitcode(status),
    usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024]).encode())
"""


def run(*command, timeout=20):
    """Runs a command; one that takes longer than `timeout` s ends by SIGKILL."""
    reader, writer = os.pipe()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCHER, str(writer), str(timeout),
         *map(str, command)], env=ENV, stdin=subprocess.DEVNULL,
        capture_output=True, pass_fds=[writer])
    os.close(writer)
    with os.fdopen(reader) as report:
        code, cpu_s, peak_rss = json.load(report)
    return Result(code, done.stdout, done.stderr.decode("utf-8", "replace"),
                  cpu_s, peak_rss)


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
