"""Command-line behaviour of a program, on the fake model."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import make_fake
import numpy as np
import pytest

# What a program takes beside its model, the tokenizer included.
PROCESS = 16 << 20


@pytest.fixture(scope="session")
def bare(build_folder, tmp_path_factory):
    """A program without tokenizer, 512 logits."""
    return make_fake.make(tmp_path_factory.mktemp("bare") / "bare",
                          build_folder)


def run(program, *args, code=0, data=b"", **more):
    result = subprocess.run([program, *args], input=data, capture_output=True,
                            timeout=60, **more)
    assert result.returncode == code, (args, result.returncode, result.stderr)
    if code:
        lines = result.stderr.decode().splitlines()
        errors = [x for x in lines if x.startswith("heddle: error: ")]
        assert len(errors) == 1, lines
        at = lines.index(errors[0])
        assert all(x.startswith("hint: ") for x in lines[at + 1:]), lines
    return result


def mix(z):
    z = ((z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9))
    z = ((z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB))
    return z ^ z >> np.uint64(31)


def expected(tokens, vocab, shift=44):
    state = np.uint64(make_fake.FAKE_SEED)
    rows = []
    with np.errstate(over="ignore"):
        v = np.arange(vocab, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        for token in tokens:
            state = mix(state + np.uint64(token + 1))
            rows.append((mix(state + v) >> np.uint64(shift)).astype(np.float32))
    return np.stack(rows)


def score(program, tokens, tmp_path, *flags):
    out = tmp_path / "logits.npy"
    path = tmp_path / "tokens.npy"
    np.save(path, np.array(tokens, dtype=np.int64))
    run(program, "score", f"--tokens-file={path}", f"--out={out}", *flags)
    assert not list(tmp_path.glob("*.tmp.*"))
    return np.load(out)


@pytest.mark.parametrize("threads", ["1", "2", "8"])
@pytest.mark.parametrize("chunk", [1, 2, 7, 16, 17, 256, 100000])
def test_score_chunks(bare, tmp_path, threads, chunk):
    tokens = [(i * 37) % 512 for i in range(300)]
    got = score(bare, tokens, tmp_path, f"--chunk={chunk}", "-t", threads)
    assert got.dtype == np.float32 and got.shape == (300, 512)
    np.testing.assert_array_equal(got, expected(tokens, 512))


def test_score_nll(bare):
    tokens = [1, 2, 3, 4, 500]
    out = run(bare, "score", "--tokens=1,2,3,4,500", "--nll").stdout
    rows = expected(tokens, 512).astype(np.float64)
    top = rows.max(axis=1, keepdims=True)
    lse = np.log(np.exp(rows - top).sum(axis=1)) + top[:, 0]
    want = np.mean([lse[i] - rows[i, t] for i, t in enumerate(tokens[1:])])
    assert abs(float(out) - want) <= 1e-6 * abs(want)


def test_score_errors(bare, tmp_path):
    out = f"--out={tmp_path}/x.npy"
    run(bare, "score", out, code=2)
    run(bare, "score", "--tokens=1", code=2)
    run(bare, "score", "--tokens=1,x", out, code=2)
    run(bare, "score", "--tokens=", out, code=2)
    run(bare, "score", "--tokens=512", out, code=3)
    run(bare, "score", "--tokens=-1", out, code=3)
    run(bare, "score", "--tokens=1", "--nll", code=3)
    run(bare, "score", "--tokens=1", "--chunk=0", out, code=2)
    run(bare, "score", "--tokens-file=/no/such", out, code=6)
    run(bare, "score", "--tokens=1", "--out=/no/such/x.npy", code=6)
    run(bare, "score", "--text-file=/dev/null", out, code=4)
    result = run(bare, "score", "--tokens=1,2,3", "-c", "2", out, code=5)
    assert b"= 3" in result.stderr and b"limit 2" in result.stderr
    assert not list(tmp_path.iterdir())


def test_one_sequence(tmp_path, build_folder):
    """A program whose steps do not know of several says so."""
    path = make_fake.make(tmp_path / "p", build_folder, sequences=False)
    table = tmp_path / "t.npy"
    np.save(table, np.zeros((2, 3), np.int32))
    for command in (["bench", "--batch=2"], ["score", f"--tokens-file={table}", "--nll"]):
        error = run(path, *command, code=4).stderr
        assert error.endswith(b"p: sequences at once = 2, limit 1 of this program's steps\n"), error
    path = make_fake.make(tmp_path / "q", build_folder, sequences=1)
    assert b"sequences = 1, limit true or false" in run(path, "info", code=3).stderr


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize("data", [
    b"", b"\x93NUMPY", npy(np.zeros((2, 2, 2), np.int32)),
    npy(np.zeros(3, np.float32)), npy(np.array([1, 600])),
    npy(np.array([1, -1])), npy(np.arange(9))[:-1], npy(np.arange(9)) + b"x",
    npy(np.int64(3)), npy(np.zeros(0, np.int32))])
def test_bad_npy(bare, tmp_path, data):
    path = tmp_path / "t.npy"
    path.write_bytes(data)
    run(bare, "score", f"--tokens-file={path}", f"--out={tmp_path}/o", code=3)
    assert not (tmp_path / "o").exists()


def test_full_disk(bare):
    with open("/dev/full", "wb") as full:
        result = subprocess.run([bare, "info"], stdout=full,
                                stderr=subprocess.PIPE)
    assert result.returncode == 6


def test_file_size_limit_leaves_nothing(bare, tmp_path):
    import resource

    def small():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    run(bare, "score", "--tokens=1,2,3,4,5,6", f"--out={tmp_path}/x.npy",
        code=6, preexec_fn=small)
    assert not list(tmp_path.iterdir())


def generate(program, *args, **more):
    out = run(program, *args, "--print=tokens", **more).stdout.decode()
    return [int(x) for x in out.strip().split(",")] if out.strip() else []


def greedy(tokens, count, vocab, shift=44):
    tokens = list(tokens)
    for _ in range(count):
        tokens.append(int(expected(tokens, vocab, shift)[-1].argmax()))
    return tokens[-count:]


def test_greedy(bare):
    assert generate(bare, "--tokens=5,6", "-n", "12") == greedy([5, 6], 12, 512)
    assert generate(bare, "-t", "1", "generate", "--tokens=5,6", "-n", "0") == []
    assert len(generate(bare, "--tokens=5")) == 128
    assert len(generate(bare, "--tokens=5,6,7", "-c", "10")) == 8
    assert len(generate(bare, "--tokens=5,6,7", "-c", "10", "-n", "8")) == 8
    result = run(bare, "--print=tokens", "--tokens=5,6,7", "-c", "10", "-n", "9",
                 code=5)
    assert b"limit 10" in result.stderr


@pytest.mark.parametrize("vocab, shift", ((3001, 62), (3001, 54), (5, 63)))
def test_first_of_equal_maxima(build_folder, tmp_path, vocab, shift):
    """Logits of 2 or 10 bits: of equal maxima in every chunk, in few, and of a few words."""
    program = make_fake.make(tmp_path / "p", build_folder, vocab=vocab, shift=shift)
    assert generate(program, "--tokens=3", "-n", "20") == greedy([3], 20, vocab, shift)


def test_sampling_is_seeded(bare):
    flags = ["--tokens=5", "-n", "40", "--temperature=100000"]
    first = generate(bare, *flags, "--seed=1")
    assert first == generate(bare, *flags, "--seed=1", "-t", "1")
    assert first != generate(bare, *flags, "--seed=2")
    best = greedy([5], 5, 512)
    for flag in ("--top-k=1", "--top-p=1e-9", "--min-p=1"):
        assert generate(bare, "--tokens=5", "-n", "5", "--temperature=1",
                        flag) == best


def test_sampling_of_the_checkpoint(bare, build_folder, tmp_path):
    """The manifest's word, but for what the command line says; said in a note and by info."""
    said = {"temperature": 1e5, "top_k": 40, "top_p": 0.9, "min_p": 0.1}
    path = make_fake.make(tmp_path / "p", build_folder, generation=said | {"stop_tokens": [3, 511]})
    flags = [f"--{key.replace('_', '-')}={value}" for key, value in said.items()]
    tokens = ["--tokens=5", "-n", "40", "--ignore-eos"]
    assert generate(path, *tokens) == generate(bare, *tokens, *flags)
    assert generate(path, *tokens, "--top-k=0") == generate(bare, *tokens, *flags[:1], *flags[2:])
    assert generate(path, *tokens, "--temperature=0") == greedy([5], 40, 512)
    assert b"temperature 100000, top-k 40, top-p 0.9, min-p 0.1" in run(path, *tokens, "--print=tokens").stderr
    assert b"sampling" not in run(path, *tokens, "--print=tokens", "--temperature=0").stderr
    assert json.loads(run(path, "info", "--json").stdout)["generation"] == said | {"stop_tokens": [3, 511]}
    text = run(path, "info").stdout.decode()
    assert "sampling: temperature 100000, top-k 40" in text and "stop tokens: 3, 511\n" in text
    assert "sampling: greedy\n" in run(bare, "info").stdout.decode()


GROUP = {"params": [0], "experts": 2, "offset": 4096, "stride": 4096, "order": [1, 0]}


@pytest.mark.parametrize("field, value", [
    ("experts", 0), ("experts", 1), ("experts", 3), ("experts", 2**40), ("offset", 4095), ("offset", -4096),
    ("offset", 2**50), ("stride", 0), ("stride", 4097), ("stride", 2**47), ("params", []), ("params", [1]),
    ("params", [-1]), ("params", "0"), ("order", [0, 0]), ("order", [0]), ("order", [0, 2]), ("order", None),
    ("uses", [1]), ("uses", [-1, 0]), ("uses", {})])
def test_bad_experts(build_folder, tmp_path, field, value):
    experts = {"index": 3200000 - 64, "groups": [GROUP | {field: value}]}
    path = make_fake.make(tmp_path / "p", build_folder, experts=experts)
    done = run(path, "info", code=3)
    assert b"manifest: " in done.stderr and done.stderr.count(b"heddle: error") == 1, done.stderr


@pytest.mark.parametrize("experts", [1, [], {}, {"index": 0}, {"index": 2**60, "groups": []}, {"index": 0, "groups": 1},
                                     {"index": 3200000, "groups": [GROUP]}, {"index": 0, "groups": [GROUP]}])
def test_bad_expert_index(build_folder, tmp_path, experts):
    path = make_fake.make(tmp_path / "p", build_folder, experts=experts)
    assert b"manifest: " in run(path, "info", code=3).stderr


@pytest.mark.parametrize("field, value", [
    ("temperature", -1), ("temperature", 1e7), ("temperature", "1"), ("top_p", 1.5), ("min_p", []),
    ("top_k", -1), ("top_k", 2**31), ("top_k", 1.5), ("stop_tokens", None), ("stop_tokens", [512]),
    ("stop_tokens", [-1]), ("stop_tokens", ["2"]), ("stop_tokens", [1] * 5000)])
def test_bad_generation(build_folder, tmp_path, field, value):
    path = make_fake.make(tmp_path / "p", build_folder, generation={field: value})
    assert f"manifest: {field} = ".encode() in run(path, "info", code=3).stderr


@pytest.mark.parametrize("flags", [
    ["--temperature=nan"], ["--temperature=-1"], ["--temperature=inf"],
    ["--top-p=0"], ["--top-p=1.5"], ["--min-p=-0.1"], ["--top-k=-1"],
    ["-n", "-1"], ["-n", "x"], ["--seed=x"], ["--print=xml"], ["--stop="],
    ["--threads=0"], ["-t", "-1"], ["-c", "0"], ["--no-such"],
    ["--device=tpu"], ["--device=cuda:x"], ["--isa=x"], ["--mem-limit=x"],
    ["--mem-limit=0"], ["--prompt-file=/dev/null"]])
def test_usage(bare, flags):
    run(bare, "--tokens=1", "--print=tokens", *flags, code=2)


def test_no_tokenizer(bare):
    for args in (["hello"], ["tokenize", "a"], ["detokenize", "--tokens=1"],
                 ["--tokens=1"]):
        run(bare, *args, code=4)


def test_later_commands(bare):
    assert b"serve" in run(bare, "serve", code=4).stderr
    run(bare, "-t", "1", "serve", "--port=1", code=4)
    assert b"tokenizer = absent" in run(bare, "chat", code=4).stderr
    run(bare, "-t", "1", "chat", "--port=1", code=2)
    run(bare, "score", "--help")
    run(bare, "--help")


def test_devices_and_levels(bare, build_folder, tmp_path):
    run(bare, "--tokens=1", "--print=tokens", "--device=cuda", code=8)
    run(bare, "--tokens=1", "--print=tokens", "--device=cuda:1", code=8)
    result = run(bare, "--tokens=1", "--print=tokens", "--isa=future", code=8)
    assert b"no-such-feature" in result.stderr
    generate(bare, "--tokens=1", "--isa=fake", "-n", "1")
    path = make_fake.make(tmp_path / "p", build_folder, impossible=True)
    result = run(path, "--tokens=1", "--print=tokens", code=8)
    assert b"no-such-feature" in result.stderr
    assert json.loads(run(path, "info", "--json").stdout)["level"] == ""


def test_first_line(bare):
    line = run(bare, "--tokens=1", "--print=tokens", "-n", "1", "-t",
               "1").stderr.decode().splitlines()[0]
    for part in ("cpu", "fake", "f32", "context 8192", "memory", "1 thread"):
        assert part in line


def test_threads_are_clamped(bare):
    result = run(bare, "--tokens=5,6", "--print=tokens", "-n", "4",
                 "--threads=1000")
    assert b"lowered" in result.stderr
    assert generate(bare, "--tokens=5,6", "-n", "4") == \
        [int(x) for x in result.stdout.split(b",")]


def test_memory(bare):
    args = ["--tokens=1", "--print=tokens", "-n", "2"]
    result = run(bare, *args, "--mem-limit=1000000", code=5)
    assert b"1000000" in result.stderr
    result = run(bare, *args, "--mem-limit=40M")
    assert b"lowered to fit memory" in result.stderr
    run(bare, *args, "--mem-limit=40M", "-c", "8192", code=5)
    run(bare, *args, "-c", "8193", code=5)


def peak_of(*command):
    """The highest resident size of a run, and its first line."""
    script = ("import resource,subprocess,sys;"
              "subprocess.run(sys.argv[1:],check=True,stdout=2);"
              "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    result = subprocess.run([sys.executable, "-c", script, *command],
                            capture_output=True, check=True)
    return 1024 * int(result.stdout), result.stderr.decode().splitlines()[0]


@pytest.mark.parametrize("load", ["copy", "map"])
@pytest.mark.parametrize("threads", ["1", "2"])
def test_planned_memory_is_held(fake, tmp_path, load, threads):
    """With every position used, the peak is what was printed, and not much
    more than what the model needs."""
    text = tmp_path / "text"
    text.write_text("word " * 8191)
    flags = [f"--load={load}", "-t", threads]
    plan = json.loads(run(fake, "info", "--json", *flags).stdout)["memory"]
    peak, line = peak_of(fake, "score", f"--text-file={text}",
                         f"--out={tmp_path}/out.npy", "--chunk=1", *flags)
    assert peak <= plan["total"], (peak, plan)
    printed = float(re.search(r"memory ([\d.]+) MiB", line)[1])
    assert abs(printed - plan["total"] / 2**20) < 0.5, (line, plan)
    model = plan["weights"] + plan["caches"] + plan["arena"]
    assert peak <= 1.1 * model + PROCESS, (peak, plan)


def test_unused_positions_take_no_memory(bare):
    """What is mapped is what the run can reach, whatever the context."""
    peak, line = peak_of(bare, "--tokens=1", "--print=tokens", "-n", "100")
    assert "context 8192" in line and "for 112 positions" in line
    assert peak < 50000 * 64 + 112 * 8192 + PROCESS
    with_context = run(bare, "--tokens=1", "--print=tokens", "-n", "100", "-c",
                       "100")
    assert with_context.stdout == run(bare, "--tokens=1", "--print=tokens",
                                      "-n", "100").stdout


def test_text(fake):
    ids = generate(fake, "--raw", "-n", "6", "Hello")
    text = run(fake, "detokenize", "--tokens=" + ",".join(map(str, ids))).stdout
    result = run(fake, "--raw", "-n", "6", "Hello")
    assert result.stdout == text
    assert run(fake, "-n", "6", "Hello").stdout != text  # a message
    assert run(fake, "--raw", "-n", "6", data=b"Hello").stdout == text
    whole = json.loads(run(fake, "--raw", "-n", "6", "--print=json",
                           "Hello").stdout)
    assert whole["tokens"] == ids and whole["text"].encode() == text
    # A stop text across tokens, and one that only begins.
    words = text.decode()
    stop = words[3:12]
    assert run(fake, "--raw", "-n", "6", f"--stop={stop}", "--stop=zzzz",
               "Hello").stdout.decode() == words[:3]
    assert run(fake, "--raw", "-n", "6", f"--stop={words[-3:]}zzz",
               "Hello").stdout.decode() == words
    assert run(fake, "--raw", "-n", "2", "--", "--help").stdout
    run(fake, "--raw", "-n", "1", data=b"", code=0)
    run(fake, "a", "b", code=2)
    run(fake, "a", "--tokens=1", code=2)


def test_eos(fake, gguf_tokenizer, build_folder, tmp_path):
    plain = generate(fake, "--raw", "-n", "20", "--tokens=7")
    ends = make_fake.make(tmp_path / "p", build_folder,
                          dict(gguf_tokenizer, eos=[plain[4]]))
    assert generate(ends, "-n", "20", "--tokens=7") == plain[:5]
    assert generate(ends, "-n", "20", "--tokens=7", "--ignore-eos") == plain


def test_closed_output(fake, bare):
    for close in (0, 1):
        process = subprocess.Popen(
            [bare, "--tokens=1", "--print=tokens", "-n", "8000"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if close:
            process.stdout.read(1)
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(20) == 0 and errors.count(b"\n") <= 1
    script = f'"{fake}" tokenize hello >&-'
    assert subprocess.run(["sh", "-c", script]).returncode == 0


def test_prompts_and_the_context(bare, tmp_path):
    """One short of it, and it: fine. One more and ten times it: both numbers."""
    for length, code in ((15, 0), (16, 0), (17, 5), (160, 5)):
        path = tmp_path / "ids.npy"
        np.save(path, np.ones(length, np.int32))
        for command in (["--tokens=" + ",".join(["1"] * length), "--print=tokens", "-n", "1"],
                        ["score", f"--tokens-file={path}", f"--out={tmp_path}/out.npy"]):
            result = run(bare, *command, "-c", "16", code=code)
            assert not code or (f"= {length}".encode() in result.stderr and b"limit 16" in result.stderr)
    assert b"limit 16" in run(bare, "--tokens=1", "--print=tokens", "-n", str(10**9), "-c", "16", code=5).stderr


def test_locale_and_closed_input(bare):
    """A comma for a point, no standard input, no home, a directory that nothing may be written to."""
    command = ["--tokens=5", "--print=tokens", "-n", "8", "--temperature=1.5"]
    plain = run(bare, *command).stdout
    for where in ({"LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"}, {}):
        script = subprocess.run(["/bin/sh", "-c", 'cd /proc && exec "$@" <&-', "sh", bare, *command], env=where,
                                capture_output=True, timeout=60)
        assert script.returncode == 0 and script.stdout == plain, script.stderr


@pytest.mark.parametrize("signum, expected_code", ((signal.SIGINT, 130), (signal.SIGTERM, 143)))
@pytest.mark.parametrize("command", [
    ["--tokens=1", "--print=tokens", "-n", "8000"],
    ["score", "--tokens=" + ",".join(["1"] * 5000), "--chunk=1"]])
def test_interrupt(bare, tmp_path, command, signum, expected_code):
    if command[0] == "score":
        command = [*command, f"--out={tmp_path}/x.npy"]
    for _ in range(5):  # a busy machine may stand still for a second
        process = subprocess.Popen([bare, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=dict(os.environ, HEDDLE_FAKE_SLEEP_US="9999"))
        assert process.stderr.readline().startswith(b"heddle: cpu")  # what it is about to run
        time.sleep(0.3)
        assert process.poll() is None
        start = time.monotonic()
        process.send_signal(signum)
        process.communicate(timeout=60)
        assert process.returncode == expected_code and not list(tmp_path.iterdir())
        if time.monotonic() - start < 1:
            return
    pytest.fail("a run went on for a second")


def test_bench(bare):
    out = json.loads(run(bare, "bench", "--json", "--prompt=4,40", "--gen=3",
                         "--depth=0,9", "--repeat=2").stdout)
    assert [x["tokens"] for x in out["prefill"]] == [4, 40]
    assert [(x["gen"], x["depth"], x["batch"]) for x in out["decode"]] == \
        [(3, 0, 1), (3, 9, 1)]
    for x in out["prefill"] + out["decode"]:
        assert len(x["runs"]) == 2 and min(x["runs"]) <= x["tok_s"] <= max(x["runs"])
        assert min(x["runs"]) > 0
    for x in out["decode"]:
        # The one parameter, and the cache up to the middle of the run.
        assert x["bytes_per_token"] == 50000 * 64 + (x["depth"] + 1) * 8192
        shares = [x["bytes_per_token"] * speed / 1e9 / around
                  for speed, around in zip(x["runs"], x["dram_gb_s"], strict=True)]
        assert 0 < min(shares) and min(abs(x["share_of_dram"] / share - 1) for share in shares) < 1e-9
    assert [(x["instruction"], x["type"]) for x in out["dot"]] == [("fake.add", "int64")]
    # One operation a turn and a thread: between a cycle and a thousand.
    assert all(1e-3 < x["gop_s"] / out["threads"] < 20 for x in out["dot"])
    assert out["load_s"] >= 0 and out["peak_rss"] > 0 and out["dram_gb_s"] > 0
    assert b"tokens/s" in run(bare, "bench", "--prompt=4", "--gen=3",
                              "--repeat=1").stdout
    assert b"--batch = 257, limit 256" in run(bare, "bench", "--batch=257", code=5).stderr
    assert b"kernels = absent" in run(bare, "bench", "--kernels", code=4).stderr
    run(bare, "bench", "--prompt=9000", code=5)


def test_info(bare):
    info = json.loads(run(bare, "info", "--json", "-c", "100").stdout)
    assert info["memory"]["context"] == 100
    assert info["memory"]["capacity"] == 112
    assert info["level"] == "fake" and info["numeric"] == "f32"
    assert b"family: fake" in run(bare, "info").stdout
    assert run(bare, "info", "--licenses").stdout == b"none\n"
    assert b"verified" in run(bare, "info", "--verify").stdout


def test_changed_file(bare, tmp_path):
    data = bare.read_bytes()
    path = tmp_path / "p"

    def code_of(content, *args):
        path.write_bytes(content)
        path.chmod(0o755)
        return run(path, *(args or ("info",)), code=7)

    for cut in (1, 50, 96, 4096, 3_000_000):
        code_of(data[:-cut])
    code_of(data + b"x")
    for at in (len(data) - 90, len(data) - 1, data.rindex(b'"family"')):
        code_of(data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
    at = len(data) - 200
    code_of(data[:at] + bytes([data[at] ^ 1]) + data[at + 1:], "info",
            "--verify")


@pytest.mark.parametrize("at", [9, 2_500_000])
@pytest.mark.parametrize("load", ["copy", "map"])
def test_changed_weights(bare, tmp_path, load, at):
    """Found at start, in every piece of the weights, and by any command."""
    data = bare.read_bytes()
    path = tmp_path / "p"
    at += len(data) - 96 - 50000 * 64
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
    path.chmod(0o755)
    for threads in ("1", "2"):
        result = run(path, "--tokens=1", "--print=tokens", f"--load={load}",
                     "-t", threads, code=7)
        assert b"hash" in result.stderr and not result.stdout


def test_load(bare):
    """Copied or mapped, the weights are the same; which one is said."""
    for load, how in (("auto", "copy"), ("copy", "copy"), ("map", "map")):
        result = run(bare, "--tokens=5,6", "--print=tokens", "-n", "4",
                     f"--load={load}")
        assert [int(x) for x in result.stdout.split(b",")] == \
            greedy([5, 6], 4, 512)
        assert (b"stay in the file" in result.stderr) == (how == "map")
        info = json.loads(run(bare, "info", "--json", f"--load={load}").stdout)
        assert info["memory"]["load"] == how
    run(bare, "--tokens=5", "--print=tokens", "--load=disk", code=2)


def test_no_address_space(bare):
    import resource

    def small():
        resource.setrlimit(resource.RLIMIT_AS, (40 << 20, 40 << 20))

    result = run(bare, "--tokens=5", "--print=tokens", "-t", "1", "-n", "8000",
                 code=5, preexec_fn=small)
    assert str(40 << 20).encode() in result.stderr


@pytest.mark.parametrize("load", ["auto", "map"])
def test_weights_truncated_while_running(build_folder, tmp_path, load):
    """Nothing of the file is needed once it is copied; a mapped one ends the
    run with its own exit code, not with a signal."""
    path = make_fake.make(tmp_path / "p", build_folder, external=True)
    process = subprocess.Popen(
        [path, "--tokens=5,6", "--print=tokens", "-n", "40", f"--load={load}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
        env=dict(os.environ, HEDDLE_FAKE_SLEEP_US="20000"))
    first = process.stdout.read(1)
    os.truncate(tmp_path / "p.weights", 0)
    out, errors = process.communicate(timeout=20)
    if load == "map":
        assert process.returncode == 7
        assert b"truncated" in errors
    else:
        assert process.returncode == 0
        assert [int(x) for x in (first + out).split(b",")] == \
            greedy([5, 6], 40, 512)


def test_external_weights(build_folder, tmp_path):
    path = make_fake.make(tmp_path / "p", build_folder, external=True)
    assert generate(path, "--tokens=5,6", "-n", "4") == greedy([5, 6], 4, 512)
    run(path, "info", "--verify")
    weights = tmp_path / "p.weights"
    data = weights.read_bytes()
    weights.write_bytes(data[:-1])
    run(path, "--tokens=5", "--print=tokens", code=7)
    weights.write_bytes(data[:-1] + b"x")
    run(path, "info", "--verify", code=7)
    weights.unlink()
    run(path, "--tokens=5", "--print=tokens", code=6)
