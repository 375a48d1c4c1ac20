"""Where the tools are, and how to run one with its cost measured."""

import functools
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

OK, MALFORMED, UNSUPPORTED, LIMIT, IO = 0, 3, 4, 5, 6
TOOLS = ["probe"] + (["heddle"] if HEDDLE else [])
IS_SANITIZED = PROBE.exists() and b"__asan_init" in PROBE.read_bytes()

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


def sparse(size, head):
    """Writes `head`, then a hole: a big file that costs nothing."""
    def write(path):
        path.write_bytes(head)
        os.truncate(path, size)
    return write


def header_bytes(path):
    # The sparse files are header all through; the others are small anyway.
    files = path.iterdir() if path.is_dir() else [path]
    return min(sum(file.stat().st_size for file in files if file.is_file()), 2**27)


@functools.cache
def start_memory():
    return run(HEDDLE, "--version").peak_rss


def check(tool, path, code, part, safetensors=None):
    """What is asked of every answer: the exit status, one line that names the file
    and holds `part`, within 2 s and 64 MiB + 4x header, and nothing left behind."""
    before = {p for p in path.parent.rglob("*")}
    out = path.parent / "out.mlir"
    # A directory is one of safetensors to the probe if it says so.
    if safetensors is None:
        safetensors = path.is_dir()
    command = ([PROBE, f"{path}/" if safetensors else path] if tool == "probe" else
               [HEDDLE, "import", path, "-o", out])
    result = run(*command)
    assert result.code == code, (result.code, result.err)
    assert result.cpu_s <= 2, result.cpu_s
    if tool == "heddle" or not IS_SANITIZED:
        header = header_bytes(path)
        # What heddle takes to start is test_start_memory's, so that one cause
        # is one failure.
        start = start_memory() if tool == "heddle" else 0
        assert result.peak_rss - start <= 2**26 + 4 * header, result.peak_rss
    if code == OK:
        return result
    errors = [l for l in result.err.splitlines() if not l.startswith("hint: ")]
    assert len(errors) == 1, result.err
    assert errors[0].startswith("heddle: error: "), result.err
    assert path.name.split("-0000")[0] in errors[0], result.err
    assert part in errors[0], result.err
    assert result.out == b""
    assert {p for p in path.parent.rglob("*")} == before, "leftover output"
    return result
