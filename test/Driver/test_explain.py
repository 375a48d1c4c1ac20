"""heddle explain: what became of each kernel."""

import json

import pytest

from tiny_gguf import Tiny, write


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write(tmp_path_factory.mktemp("explain") / "tiny.gguf",
                 Tiny(layers=3, hidden=64, ff=96, encoding="Q8_0", tied=False))


def explain(heddle, model, *flags):
    return json.loads(heddle("explain", model, "--json", "--target=x86-64-v3", *flags).stdout)["kernels"]


def test_kernels(heddle, model):
    decode = [k for k in explain(heddle, model) if k["step"] == "decode"]
    named = {k["kernel"]: k for k in decode}
    mlp = named["rms_norm+convert_rows+linear+linear+glu+convert_rows"]
    assert mlp["times"] == 3 and mlp["instruction"] == "avx2.pmaddubsw"
    # gate and up: 96 x 64 codes and an f16 scale for 32.
    assert mlp["weight_bytes"] == 2 * 96 * (64 + 2 * 2)
    assert mlp["operations_per_token"] == 2 * 2 * 96 * 64
    attention = named["attention+convert_rows"]
    assert attention["cache_bytes_per_position"] == 2 * 2 * 16 * 4
    assert {k["step"] for k in explain(heddle, model)} == {"decode", "batch", "prefill"}


def test_numeric_mode(heddle, model):
    kernels = explain(heddle, model, "--numeric=f32")
    assert {k["instruction"] for k in kernels} == {"f32 fma", ""}
    assert not any("convert" in k["kernel"] for k in kernels)


def test_predictions(heddle, model):
    slow, fast = ([k["predicted_us"] for k in explain(heddle, model, "--gop-s=1000", f"--dram-gb-s={dram}")
                   if k["step"] == "decode"] for dram in (1, 2))
    assert sum(slow) > 0 and all(abs(s - 2 * f) < 1e-9 or s == f for s, f in zip(slow, fast))
    deep = explain(heddle, model, "--dram-gb-s=1", "--depth=100")
    assert sum(k.get("predicted_us", 0) for k in deep) > sum(slow)
    assert not any("predicted_us" in k for k in explain(heddle, model))


def test_generic_path_is_named(heddle, model):
    assert not any(k["generic"] for k in explain(heddle, model, "--numeric=f32"))
    forced = ("--numeric=f32", "-p", "set-schedules.generic=rms_norm")
    found = {name for k in explain(heddle, model, *forced) for name in k["generic"]}
    assert found == {"heddle.rms_norm"}
    assert "on the generic path: heddle.rms_norm" in heddle("explain", model, *forced).stdout


def test_selected_rows(heddle, model):
    """Of a prompt, the head computes the rows whose logits are wanted."""
    kernels = explain(heddle, model)
    for step in ("decode", "batch", "prefill"):
        rows = [k for k in kernels if k["step"] == step and k["selected_rows"]]
        assert sum(k["weight_bytes"] for k in rows) == max(k["weight_bytes"] for k in kernels)
        assert all(k["times"] == 1 for k in rows)


@pytest.fixture(scope="module")
def program(heddle, model):
    out = model.with_suffix("")
    heddle("compile", model, "-o", out, "--quiet", "--target=x86-64-v2,x86-64-v3")
    return out


def test_program(heddle, model, program):
    """A program tells what explain says of the model it was made from."""
    for flags in (), ("--json",), ("--dram-gb-s=1", "--gop-s=10", "--depth=3"):
        said = heddle("explain", model, "--target=x86-64-v2,x86-64-v3", *flags).stdout
        assert heddle("explain", program, *flags).stdout == said
    assert {k["step"] for k in json.loads(heddle("explain", program, "--json").stdout)["kernels"]} == {
        f"{step}.{level}" for step in ("decode", "batch", "prefill") for level in ("x86-64-v2", "x86-64-v3")}


def test_program_refused(heddle, program, tmp_path):
    # The program has said why.
    done = heddle("explain", program, "--measure", "--depth=256", code=5)
    assert "depth = 256, limit 255" in done.stderr
    assert "takes no numeric" in heddle("explain", program, "--numeric=f32", code=2).stderr
    bytes_ = bytearray(program.read_bytes())
    damaged = tmp_path / "damaged"
    at = int.from_bytes(bytes_[-88:-80], "little")
    bytes_[at + 10] ^= 1
    damaged.write_bytes(bytes_)
    assert "manifest is not what was written" in heddle("explain", damaged, code=7).stderr
    damaged.write_bytes(bytes_[:-1])
    assert "trailer = absent" in heddle("explain", damaged, code=3).stderr
    damaged.write_bytes(bytes_[:64])
    assert "trailer = absent" in heddle("explain", damaged, code=3).stderr


def check_measured(out, kernels):
    """Every kernel that explain lists is timed; together they are their step."""
    assert [k["kernel"] for k in out["kernels"]] == [k["kernel"] for k in kernels]
    assert out["dram_gb_s"] > 0 and all(dot["gop_s"] > 0 for dot in out["dot"])
    tokens = {step["step"]: step["tokens"] for step in out["steps"]}
    assert tokens == {"decode": 1, "batch": 16, "prefill": 256 - out["steps"][0]["depth"]}
    for step in out["steps"]:
        own = [k for k in out["kernels"] if k["step"] == step["step"]]
        assert all(k["measured_us"] > 0 and k["predicted_us"] >= 0 for k in own)
        for k in own:
            assert ("share" in k) == (k["predicted_us"] > 0)
            if "share" in k:
                assert k["share"] == pytest.approx(k["predicted_us"] / k["measured_us"])
        assert any("share" in k for k in own)
        assert sum(k["measured_us"] for k in own) == pytest.approx(step["measured_us"], rel=0.25)
        assert sum(k["predicted_us"] for k in own) == pytest.approx(step["predicted_us"])


def test_measure(heddle, model, tmp_path):
    kernels = json.loads(heddle("explain", model, "--json").stdout)["kernels"]
    out = tmp_path / "native"
    heddle("compile", model, "-o", out, "--quiet")
    flags = "--measure", "-t", 1
    check_measured(json.loads(heddle("explain", out, "--json", *flags).stdout), kernels)
    # Of a model, a program is compiled for it.
    check_measured(json.loads(heddle("explain", model, "--json", "--depth=100", *flags).stdout), kernels)
    text = heddle("explain", out, *flags).stdout
    assert text.count(" us at the limits, ") > len(kernels) / 4 and "decode of 1 at depth 0: " in text


def test_measure_level(heddle, program):
    """Of several levels the one that runs is measured."""
    out = json.loads(heddle("explain", program, "--json", "--measure").stdout)
    ran = {k["step"] for k in out["kernels"] if "measured_us" in k}
    assert ran == {"decode.x86-64-v3", "batch.x86-64-v3", "prefill.x86-64-v3"}
    assert {step["step"] for step in out["steps"]} == ran


@pytest.mark.parametrize("flags, code", ((["--measure", "--gop-s=1"], 2), (["-t", "1"], 2), (["--measure", "-t", "0"], 2), (["--depth=-1"], 2), (["--numeric=f7"], 2)))
def test_refused(heddle, model, flags, code):
    assert heddle("explain", model, *flags, code=code).stderr.startswith("heddle: error: ")

