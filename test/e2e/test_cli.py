"""The command line's contract: exit codes, one-line errors, no partial output."""

import json
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import gguf
import pytest

from tiny_gguf import Tiny, write


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write(tmp_path_factory.mktemp("tiny") / "tiny.gguf", Tiny())


@pytest.fixture(scope="module")
def program(heddle, tiny):
    out = tiny.with_name("program")
    heddle("compile", tiny, "-o", out, "--quiet")
    return out


def assert_error(done, tool="heddle"):
    lines = done.stderr.strip().splitlines()
    assert sum(": error: " in line for line in lines) == 1, done.stderr
    assert any(line.startswith(f"{tool}: error: ") for line in lines), done.stderr
    assert done.stdout == ""


def test_version(heddle):
    assert "0." in heddle("--version").stdout


@pytest.mark.parametrize("what", ("passes", "targets", "formats", "families"))
def test_list(heddle, what):
    assert heddle("list", what).stdout.strip()
    names = json.dumps(json.loads(heddle("list", what, "--json").stdout))
    known = {"targets": "aarch64", "formats": "gguf", "families": "llama"}
    assert known.get(what, "heddle") in names


@pytest.mark.parametrize("arguments", (
    ["frobnicate"], ["compile"], ["compile", "--no-such-flag"], ["list", "nonsense"]))
def test_usage(heddle, arguments):
    assert_error(heddle(*arguments, code=2))


@pytest.mark.parametrize("flags, code", (
    (["--numeric=f7"], 2),
    (["--context=-1"], 2),
    (["--emit=poetry"], 2),
    (["--target=pdp11"], 4),
))
def test_bad_flag(heddle, tiny, tmp_path, flags, code):
    assert_error(heddle("compile", tiny, "-o", tmp_path / "out", *flags, code=code))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option, said", (
    ("choose-layouts.rows=-1", "rows = -1"), ("choose-layouts.rows=7", "rows = 7"), ("choose-layouts.block=3", "block = 3"),
    ("choose-layouts.rows=99999999999999999999", "limit an integer"), ("choose-layouts.rows=abc", "limit an integer"),
    ("choose-layouts.nope=1", "no such option nope"), ("specialize.batch-tokens=0", "batch-tokens = 0"),
    ("specialize.prefill-tokens=1000000000", "prefill-tokens = 1000000000"), ("set-schedules.query-tile=65", "query-tile = 65"), ("set-schedules.head-tile=65", "head-tile = 65"),
    ("set-schedules.token-tile=-1", "token-tile = -1"), ("set-schedules.segment=5", "segment = 5")))
def test_bad_pass_option(heddle, tiny, tmp_path, option, said):
    """No bug and no reproducer: the option, its value and the limit."""
    done = heddle("compile", tiny, "-o", tmp_path / "out", "-p", option, "--quiet", code=2)
    assert_error(done)
    assert f"pass-option = {option}" in done.stderr and said in done.stderr
    assert not list(tmp_path.iterdir())


def test_missing_model(heddle, tmp_path):
    done = heddle("compile", tmp_path / "none.gguf", "-o", tmp_path / "out", code=6)
    assert_error(done)
    assert "none.gguf" in done.stderr
    assert not list(tmp_path.iterdir())


def test_printed_pipeline_pastes(heddle, tiny, tmp_path):
    """heddle-opt runs what --print-pipeline prints, from import to the LLVM dialect."""
    text = heddle("compile", "--print-pipeline").stdout.strip()
    graph = tmp_path / "graph.mlir"
    heddle("import", tiny, "-o", graph)
    done = subprocess.run([heddle.heddle.with_name("heddle-opt"), graph, f"--pass-pipeline={text}"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "llvm.func @decode" in done.stdout and "heddle.linear" not in done.stdout


def test_unwritable_output(heddle, tiny, tmp_path):
    assert_error(heddle("compile", tiny, "-o", tmp_path / "none" / "out", code=6))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("weights", ("embed", "external"))
@pytest.mark.parametrize("limit", (4096, 1 << 21, -1, -100_000))
def test_failed_write(heddle, program, tiny, tmp_path, weights, limit):
    """No more bytes in the object, the linked program, or (negative: this much
    short) the finished file: one line, the old output intact, and nothing left behind."""
    if limit < 0:
        if weights == "external":
            pytest.skip("the two files' own sizes are not known here")
        limit += program.stat().st_size
    old = [tmp_path / "out", *([tmp_path / "out.weights"] if weights == "external" else [])]
    for path in old:
        path.write_text("the last good one")
    done = subprocess.run(
        [heddle.heddle, "compile", tiny, "-o", tmp_path / "out", f"--weights={weights}", "--quiet"],
        capture_output=True, text=True, timeout=60, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert_error(done)
    assert done.returncode == 6, done.stderr
    assert sorted(tmp_path.iterdir()) == old
    assert {path.read_text() for path in old} == {"the last good one"}


@pytest.mark.parametrize("limit", (1024, 50_000))
@pytest.mark.parametrize("what", ("import", "dump-ir", "object", "asm", "reference"))
def test_failed_text(heddle, tiny, tmp_path, what, limit):
    """The same of everything else that is written: whole, or one line and what was there before."""
    out = tmp_path / "out"
    made = out / "03-specialize.mlir" if what == "dump-ir" else out
    made.parent.mkdir(exist_ok=True)
    if what != "asm":
        made.write_text("the last good one")
    command = {"import": ["import", tiny, "-o", out],
               "dump-ir": ["compile", tiny, "-o", tmp_path / "program", f"--dump-ir={out}"],
               "object": ["compile", tiny, "-o", out, "--emit=object", "--context=64"],
               "asm": ["compile", tiny, "-o", out, "--emit=asm"],
               "reference": ["reference", tiny, "--tokens=" + ",".join(["1"] * 20), f"--out={out}"]}[what]
    if limit > 10_000 and what in ("import", "object"):
        limit //= 20  # smaller files
    done = subprocess.run([heddle.heddle, *map(str, command)], capture_output=True, text=True, timeout=60, check=False,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    lines = [line for line in done.stderr.splitlines() if "error: " in line]
    assert done.returncode == 6 and len(lines) == 1 and str(out) in lines[0], done.stderr
    if what == "asm":
        assert not list(tmp_path.iterdir())
    else:
        assert list(tmp_path.iterdir()) == [out]
        # Phases that were dumped before stay, each whole.
        assert made.read_text() == "the last good one" or (what == "dump-ir" and made.read_text().endswith("}\n\n"))


@pytest.mark.parametrize("command", (
    ["--version"], ["list", "passes"], ["list", "passes", "--json"], ["import", "MODEL"], ["explain", "MODEL"],
    ["compile", "--print-pipeline"], ["reference", "MODEL", "--tokens=1", "-n", "2", "--ignore-eos"]), ids=" ".join)
def test_standard_output(heddle, tiny, command):
    """Where results cannot be written that is said; a reader that left, or none, ends the tool quietly."""
    words = " ".join(f"'{tiny}'" if word == "MODEL" else word for word in command)
    for redirection, code, said in (("> /dev/full", 6, "heddle: error: standard output: "), (">&-", 0, ""), ("> /dev/null 2>&-", 0, "")):
        done = subprocess.run(f"'{heddle.heddle}' {words} {redirection}", shell=True, capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == code and done.stderr.startswith(said) and done.stderr.count("\n") == bool(code), done.stderr
    done = subprocess.run(f"'{heddle.heddle}' {words} | true; exit ${{PIPESTATUS[0]}}", shell=True, executable="/bin/bash",
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and not done.stderr


@pytest.mark.parametrize("stage", ("heddle-*.o", "out.tmp*"))
@pytest.mark.parametrize("signum, code", ((signal.SIGINT, 130), (signal.SIGTERM, 143)))
def test_stopped_compile(heddle, smollm_gguf, tmp_path, signum, code, stage):
    """A signal ends a compile with its exit status, and takes what is half written away."""
    for _ in range(20):  # until one is not done before the signal comes
        process = subprocess.Popen([heddle.heddle, "compile", smollm_gguf, "-o", tmp_path / "out", "--quiet"],
                                   env=dict(os.environ, TMPDIR=str(tmp_path)))
        while process.poll() is None and not list(tmp_path.glob(stage)):
            time.sleep(0.001)
        process.send_signal(signum)
        if process.wait(timeout=60) == 0:
            assert [path.name for path in tmp_path.iterdir()] == ["out"]
            (tmp_path / "out").unlink()
            continue
        assert process.returncode == code and not list(tmp_path.iterdir())
        return
    pytest.fail("every compile was done before its signal came")


def test_stopped_module(heddle, smollm_gguf, tmp_path):
    """The text of a module is compiled in a child, which ends with its parent and leaves nothing either."""
    module = tmp_path / "module.mlir"
    heddle("import", smollm_gguf, "-o", module)
    for _ in range(20):
        process = subprocess.Popen([heddle.heddle, "compile", module, f"--weights-from={smollm_gguf}", "-o", tmp_path / "out", "--quiet"],
                                   env=dict(os.environ, TMPDIR=str(tmp_path)))
        while process.poll() is None and not list(tmp_path.glob("heddle-*.o")):
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        if process.wait(timeout=60) == 130:
            break
        (tmp_path / "out").unlink()
    else:
        pytest.fail("every compile was done before its signal came")
    deadline = time.monotonic() + 60
    while list(tmp_path.iterdir()) != [module]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_output_is_a_directory(heddle, tiny, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    assert_error(heddle("compile", tiny, "-o", out, "--weights=external", code=6))
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("cut", (0, 3, 20, 1000, 20000))
def test_truncated_model(heddle, tiny, tmp_path, cut):
    source = tmp_path / "cut.gguf"
    source.write_bytes(tiny.read_bytes()[:cut])
    assert_error(heddle("compile", source, "-o", tmp_path / "out", code=3))
    assert list(tmp_path.iterdir()) == [source]


def test_more_tokens_than_rows(heddle, tmp_path, monkeypatch):
    def header(self):
        self.add_tokenizer_model("gpt2")
        self.add_token_list([str(i) for i in range(Tiny().vocab + 1)])
        self.add_token_merges(["1 0"])
        write_header(self)

    write_header = gguf.GGUFWriter.write_header_to_file
    monkeypatch.setattr(gguf.GGUFWriter, "write_header_to_file", header)
    source = write(tmp_path / "more.gguf", Tiny())
    done = heddle("compile", source, "-o", tmp_path / "out", code=3)
    assert_error(done)
    assert f"tokens = {Tiny().vocab + 1}, limit {Tiny().vocab}" in done.stderr


def test_few_descriptors(heddle, tiny, program, tmp_path):
    """Eight files at once are enough for a program, and for a compile or an answer of its own."""
    few = dict(capture_output=True, text=True, timeout=60, check=False,
               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8)))
    done = subprocess.run([program, "generate", "--tokens=1", "-n", "3", "--print=tokens"], **few)
    assert done.returncode == 0 and done.stdout.count(",") == 2, done.stderr
    done = subprocess.run([heddle.heddle, "compile", tiny, "-o", tmp_path / "out", "--quiet"], **few)
    assert done.returncode in (0, 5, 6), done.stderr
    if done.returncode:
        assert_error(done)
        assert not list(tmp_path.iterdir())


def test_no_threads(heddle, tiny):
    """A system that gives no thread: a limit, one line, nothing left."""
    def alone():
        if os.geteuid() == 0:  # who is not bound by the limit
            os.setgroups([]), os.setgid(65534), os.setuid(65534)
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))

    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        folder = Path(directory)
        folder.chmod(0o777)
        model = folder / "tiny.gguf"
        model.write_bytes(tiny.read_bytes())
        try:
            done = subprocess.run([heddle.heddle, "compile", model, "-o", folder / "out", "--quiet"], capture_output=True,
                                  text=True, timeout=60, check=False, preexec_fn=alone, env={"TMPDIR": directory})
        except PermissionError:
            pytest.skip("the build's tools are not everybody's")
        assert done.returncode == 5 and "threads = more" in done.stderr, done.stderr
        assert_error(done)
        assert list(folder.iterdir()) == [model]


@pytest.mark.parametrize("mib", (440, 500, 560))
def test_no_memory(heddle, tiny, tmp_path, mib):
    done = subprocess.run([heddle.heddle, "compile", tiny, "-o", tmp_path / "out", "--quiet", "--jobs=1"],
                          capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ, TMPDIR=str(tmp_path)),
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20)))
    if done.returncode == 127:
        pytest.skip("not even the libraries fit")
    assert done.returncode in (0, 5), done.stderr
    if done.returncode:
        assert_error(done)
        assert not list(tmp_path.iterdir())


def test_model_is_cut_while_it_is_read(heddle, smollm_gguf, tmp_path):
    """No signal: the file changed, or what was read of it was malformed."""
    seen = set()
    for delay in (0.1, 0.7):
        model = tmp_path / "model.gguf"
        shutil.copy(smollm_gguf, model)
        process = subprocess.Popen([heddle.heddle, "compile", model, "-o", tmp_path / "out", "--quiet"], stderr=subprocess.PIPE, text=True)
        time.sleep(delay)
        os.truncate(model, 100_000)
        _, said = process.communicate(timeout=60)
        seen.add(process.returncode)
        assert process.returncode in (0, 3, 7) and said.count("error: ") == (process.returncode != 0), said
        (tmp_path / "out").unlink(missing_ok=True)
        assert list(tmp_path.iterdir()) == [model]
    assert seen - {0}


def test_unknown_architecture(heddle, tiny, tmp_path):
    source = tmp_path / "strange.gguf"
    data = tiny.read_bytes()
    source.write_bytes(data.replace(b"llama", b"lhama"))
    assert_error(heddle("compile", source, "-o", tmp_path / "out", code=4))
    assert list(tmp_path.iterdir()) == [source]


def test_quiet_compile_is_quiet(heddle, tiny, tmp_path):
    done = heddle("compile", tiny, "-o", tmp_path / "out", "--quiet")
    assert done.stdout == "" and done.stderr == ""
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]
    assert os.access(tmp_path / "out", os.X_OK)


def test_program_is_static(heddle, program):
    headers = heddle.run("/usr/lib/llvm-22/bin/llvm-readelf", "-l", program).stdout
    assert "INTERP" not in headers and "DYNAMIC" not in headers


@pytest.mark.parametrize("arguments, code", (
    (["score"], 2),
    (["--no-such-flag"], 2),
    (["generate", "--tokens=1,x", "-n", "1"], 2),
    (["generate", "--tokens=1,99999", "-n", "1"], 3),
    (["score", "--tokens-file=/none.npy", "--out=/dev/null"], 6),
    (["score", "--tokens=" + ",".join(["1"] * 300), "--out=/dev/null"], 5),  # context 256
))
def test_program_errors(heddle, program, arguments, code):
    done = heddle.run(program, *arguments, code=code)
    assert done.stdout == ""
    assert sum("error: " in line for line in done.stderr.splitlines()) == 1, done.stderr


def test_program_changed(heddle, program, tmp_path):
    """A program whose weights were altered says so, and computes nothing."""
    bad = tmp_path / "bad"
    data = bytearray(program.read_bytes())
    data[-4096] ^= 1  # weights come last, before a trailer of 96 bytes
    bad.write_bytes(data)
    bad.chmod(0o755)
    done = subprocess.run([bad, "generate", "--tokens=1", "-n", "1", "--print=tokens"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (3, 7) and done.stdout == ""


def test_info(heddle, program):
    info = json.loads(heddle.run(program, "info", "--json").stdout)
    assert info["family"] == "llama"


def test_bench(heddle, program):
    out = heddle.run(program, "bench", "--prompt=16", "--gen=4", "--repeat=1", "--json").stdout
    bench = json.loads(out)
    assert bench["prefill"][0]["tokens"] == 16 and bench["prefill"][0]["tok_s"] > 0
    assert bench["decode"][0]["gen"] == 4 and bench["decode"][0]["tok_s"] > 0
    assert {"load_s", "peak_rss", "dram_gb_s"} <= bench.keys()
    # Every level of ours has both; a core does no more than 2^12 operations a cycle.
    dots = {dot["type"]: dot["gop_s"] for dot in bench["dot"]}
    assert {"int8", "f32"} <= dots.keys() <= {"int8", "bf16", "f32"} and all(0 < x < 20000 for x in dots.values())
    text = heddle.run(program, "bench", "--prompt=16", "--gen=4", "--repeat=1").stdout
    assert all(f"dot product {d['type']} ({d['instruction']}): " in text for d in bench["dot"])


def test_seed_and_default_are_reproducible(heddle, program):
    command = (program, "generate", "--tokens=1,2,3", "-n", 12, "--temperature=1",
               "--print=tokens", "--ignore-eos")
    assert heddle.run(*command).stdout == heddle.run(*command, "--seed=0").stdout
    assert heddle.run(*command).stdout != heddle.run(*command, "--seed=1").stdout


def test_closed_stdout(program):
    done = subprocess.run(f"'{program}' generate --tokens=1,2,3 -n 200 --print=tokens "
                          "--ignore-eos | head -c 1; exit ${PIPESTATUS[0]}", shell=True,
                          executable="/bin/bash", capture_output=True, timeout=60, check=False)
    assert done.returncode == 0
