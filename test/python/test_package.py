"""The Python package, on a small model: every call, and what goes wrong."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import heddle
from tiny_gguf import Tiny, write

IDS = [5, 17, 250, 3, 99]
IR = """func.func @f(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = arith.addf %x, %x : tensor<?x8xf32>
  %1 = arith.addf %x, %x : tensor<?x8xf32>
  %2 = arith.mulf %0, %1 : tensor<?x8xf32>
  return %2 : tensor<?x8xf32>
}"""


@pytest.fixture(scope="module")
def model(tmp_path_factory, smollm_gguf):
    path = tmp_path_factory.mktemp("package") / "tiny.gguf"
    return write(path, Tiny(layers=1, vocab=2000), vocab_from=smollm_gguf)


@pytest.fixture(scope="module")
def program(model):
    return heddle.compile(model, numeric="f32", options={"choose-layouts.rows": 16})


def test_generate(program):
    options = dict(max_new_tokens=12, temperature=0, ignore_eos=True)
    ids = program.generate(IDS, **options)
    assert len(ids) == 12 and list(program.generate(np.array(IDS), stream=True, **options)) == ids
    # Greedy: each is the first of the largest logits.
    assert program.logits(IDS + ids[:-1])[len(IDS) - 1:].argmax(-1).tolist() == ids
    pieces = []
    text = program.generate("Once upon", raw=True, streamer=pieces.append, **options)
    assert text and "".join(pieces) == text
    stopped = program.generate("Once upon", raw=True, stop_strings=text[3:6], **options)
    assert stopped == text[:text.index(text[3:6])]


def test_logits(program):
    found = program.logits(IDS)
    assert found.dtype == np.float32 and found.shape == (5, 2000)
    assert isinstance(found, np.memmap) and np.array_equal(np.from_dlpack(found), found)
    assert np.array_equal(program.logits(np.array(IDS, np.uint16), chunk=1), found)
    together = program.logits([IDS, [-1, *IDS[:4]]])
    assert np.array_equal(together[0], found) and np.array_equal(together[1, 1:], found[:4])
    for bad in ([[[1, 2]]], [0.5], [-1], [[-2]], [2**40], [5000], [1] * 300):
        with pytest.raises(heddle.Error) as caught:
            program.logits(bad)
        assert caught.value.code in (2, 3, 5)


def test_info_and_explain(program):
    assert program.info["family"] == "llama" and program.info["numeric"] == "f32"
    assert "attention" in str(program.explain())
    # A program that was not compiled here says the same.
    assert heddle.Program(program.path).explain() == program.explain()
    with pytest.raises(heddle.Error) as caught:
        heddle.Program("/none").explain()
    assert caught.value.code == 6


def test_chat(model, tmp_path):
    """A conversation is what the template makes of it."""
    template = tmp_path / "template.jinja"
    template.write_text("{% for m in messages %}{{ m.role ~ ': ' ~ m.content ~ '\n' }}{% endfor %}{{ end }}")
    subprocess.run([sys.executable, "-m", "heddle", "compile", model, "-o", tmp_path / "program", "--numeric=f32",
                    f"--chat-template={template}", "--quiet"], check=True, timeout=100)
    talks = heddle.Program(tmp_path / "program")
    options = dict(max_new_tokens=8, temperature=0, ignore_eos=True)
    messages = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "é"}]
    answer = talks.chat(messages, end="end", **options)
    assert answer and answer == talks.generate("user: Hello\nassistant: é\nend", raw=True, **options)
    assert "".join(talks.chat(messages, end="end", stream=True, **options)) == answer
    with pytest.raises(heddle.Error, match="role") as caught:
        talks.chat([{"content": "Hello"}])
    assert caught.value.code == 3


def test_compile_errors(model, tmp_path):
    for arguments, code in (({"model": tmp_path / "none.gguf"}, 6), ({"numeric": "f7"}, 2),
                            ({"target": "pdp11"}, 4), ({"plugins": [model]}, 6),
                            ({"options": {"no-such.option": 1}}, 2), ({"options": {"choose-layouts.rows": -1}}, 2),
                            ({"output": tmp_path / "none" / "program"}, 6)):
        with pytest.raises(heddle.Error) as caught:
            heddle.compile(**{"model": model, "output": tmp_path / "program", **arguments})
        assert caught.value.code == code, arguments
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("limit", (100, 20_000, 3_000_000))
@pytest.mark.parametrize("what", ("model", "module"))
def test_full_disk(model, tmp_path, limit, what):
    """What cannot be written is exit code 6, and leaves what was there."""
    (tmp_path / "out").write_text("the last good one")
    given = ("sys.argv[1]" if what == "model" else
             "heddle.Module.from_model(sys.argv[1]), weights_from=sys.argv[1]")
    script = (f"import heddle, resource, sys\nresource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
              f"try:\n  heddle.compile({given}, output=sys.argv[2])\nexcept heddle.Error as error:\n  print(error.code)")
    done = subprocess.run([sys.executable, "-c", script, model, tmp_path / "out"], capture_output=True, text=True,
                          timeout=60, check=True)
    assert done.stdout == "6\n", done.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "out"] and (tmp_path / "out").read_text() == "the last good one"


def test_module():
    module = heddle.Module.parse(IR)
    module.run("cse")
    adds = []
    module.walk(lambda op: adds.append(op) if op.name == "arith.addf" else None)
    assert len(adds) == 1 and adds[0].result_types == ["tensor<?x8xf32>"]
    adds[0].set_attribute("note", '"kept"')
    assert adds[0].attributes["note"] == '"kept"' and 'note = "kept"' in str(module)
    assert '<string>' in adds[0].location
    module.run("canonicalize", max_iterations=3)
    with pytest.raises(heddle.DiagnosticError, match="no-such-pass"):
        module.run("no-such-pass")


def test_diagnostics():
    with pytest.raises(heddle.DiagnosticError) as caught:
        heddle.Module.parse(IR.replace("%0, %1", "%0, %9"))
    error = caught.value.diagnostics[0]
    assert (error.severity, error.line) == ("error", 4) and error.column > 0
    assert error.file == "<string>" and "undeclared" in error.message


def test_failing_pass(model):
    @heddle.compiler_pass(name="package-raises")
    def fails(module):
        raise ValueError("no such thing")

    with pytest.raises(heddle.DiagnosticError, match="package-raises: ValueError: no such thing"):
        heddle.Module.parse(IR).run("package-raises")
    with pytest.raises(heddle.Error, match="package-raises, a name that"):
        heddle.compiler_pass(name="package-raises")(fails)
    with pytest.raises(heddle.Error, match="phase = spin, one of import"):
        heddle.compiler_pass(name="package-spins", phase="spin")(fails)

    lent = []
    heddle.compiler_pass(name="package-lends")(lent.append)
    heddle.Module.parse(IR).run("package-lends")
    with pytest.raises(RuntimeError, match="has ended"):
        str(lent[0])


def test_family(model, tmp_path):
    """A family in Python: another name for llama's tensors."""
    text = str(heddle.Module.from_model(str(model)))
    renamed = tmp_path / "renamed.gguf"
    renamed.write_bytes(model.read_bytes().replace(b"llama", b"pynda"))

    @heddle.family("pynda")
    def pynda(source):
        """A llama by another name"""
        assert source["metadata"]["pynda.block_count"] == 1
        assert source["tensors"]["token_embd.weight"] == ((2000, 64), "f32")
        return text

    program = heddle.compile(renamed, numeric="f32")
    expected = heddle.compile(model, numeric="f32")
    assert np.array_equal(program.logits(IDS), expected.logits(IDS))


def test_gil_is_released(program):
    """Another thread counts on within one call. No thread is made to give up the lock here, so with it
    held the count stands still, however long the call takes and however busy the machine is."""
    counted, done = [0], threading.Event()

    def count():
        while not done.is_set():
            counted[0] += 1
            time.sleep(0)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(600)
    thread = threading.Thread(target=count)
    thread.start()
    try:
        for _ in range(1000):  # A call of some ms can pass while the other thread waits for a core.
            before = counted[0]
            program.generate(IDS, max_new_tokens=200, temperature=0, ignore_eos=True)
            if counted[0] - before >= 10:
                break
        else:
            pytest.fail("no thread ran within any of 1000 calls")
    finally:
        done.set()
        sys.setswitchinterval(interval)
        thread.join()


@pytest.mark.parametrize("work", (
    "heddle.compile(sys.argv[1], output=sys.argv[2], numeric='f32')",
    "heddle.Program(sys.argv[3]).generate([1], max_new_tokens=200, ignore_eos=True, streamer=slow)"))
def test_interrupt(program, smollm_gguf, tmp_path, work):
    """SIGINT to the interpreter ends the work within a second, and leaves nothing."""
    script = (f"import heddle, sys, time\ndef slow(_): time.sleep(0.2)\nprint('begin', flush=True)\n"
              f"try:\n  {work}\nexcept KeyboardInterrupt:\n  print('stopped', flush=True)")
    for _ in range(5):  # a busy machine may stand still for a second
        process = subprocess.Popen([sys.executable, "-c", script, smollm_gguf, tmp_path / "out", program.path],
                                   stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "begin\n"
        time.sleep(0.6)
        begin = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        assert out == "stopped\n" and not list(tmp_path.iterdir())
        if time.monotonic() - begin < 1:
            return
    pytest.fail("the work went on for a second")


def test_no_torch():
    code = "import heddle, sys; assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_command_line(run):
    done = run(sys.executable, "-m", "heddle", "--version")
    assert done.stdout == f"heddle {heddle.__version__}\n"
