"""heddle run: what is in the cache is what the model's files, the tool and the machine make; nothing
stale is run, and where there is no cache it runs all the same."""

import os
import resource
import shutil
import subprocess

import pytest
from transformers import LlamaConfig

from tiny_hf import make

ANSWER = ("--tokens=1,2,3", "-n", "4", "--print=tokens", "--ignore-eos", "-t", "1")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model"
    make(LlamaConfig, 3, layers=1).save_pretrained(path)
    return path


@pytest.fixture
def model(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


@pytest.fixture
def go(heddle, tmp_path):
    def go(model, *arguments, code=0, limit=None, **env):
        env = {"HEDDLE_CACHE_DIR": str(tmp_path / "cache"), "TMPDIR": str(tmp_path / "tmp"), **env}
        (tmp_path / "tmp").mkdir(exist_ok=True)
        done = subprocess.run(
            [heddle.heddle, "run", model, *(arguments or ANSWER)], capture_output=True, text=True, timeout=60,
            env={k: v for k, v in env.items() if v is not None}, check=False,
            preexec_fn=lambda: limit and resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        assert done.returncode == code, done.stderr
        assert not list((tmp_path / "tmp").iterdir())
        return done
    return go


def programs(tmp_path):
    return sorted(path for path in (tmp_path / "cache").iterdir() if os.access(path, os.X_OK) and path.name[:5] == "model")


def test_compiled_once(go, model, tmp_path):
    first = go(model)
    assert first.stdout.count(",") == 3 and "heddle: packing" in first.stderr
    assert go(model).stdout == first.stdout and "packing" not in go(model).stderr
    # The same bytes elsewhere are the same model.
    assert "packing" not in go(shutil.copytree(model, tmp_path / "copy" / "model")).stderr
    assert len(programs(tmp_path)) == 1


@pytest.mark.parametrize("name, content", (
    ("chat_template.jinja", "{{ messages[0].content }}"), ("generation_config.json", '{"temperature": 0.5}'),
    ("config.json", None), ("model.safetensors", None)))
def test_changed_files(go, model, tmp_path, name, content):
    """Any file that counts: made, changed in place with its size and time kept, taken away again."""
    go(model)
    path = model / name
    if content:
        before = path.read_text() if path.exists() else None
        path.write_text(content)
        assert "packing" in go(model).stderr
        path.write_text(before) if before else path.unlink()
        assert "packing" not in go(model).stderr
    else:
        old = path.stat()
        data = bytearray(path.read_bytes())
        at = data.index(b"silu") if name == "config.json" else len(data) - 1
        data[at:at + 1] = b"x" if name == "config.json" else bytes([data[at] ^ 1])
        path.write_bytes(data)
        os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
        done = go(model, code=4 if name == "config.json" else 0)
        assert "xilu" in done.stderr or "packing" in done.stderr
    assert len(programs(tmp_path)) == (1 if name == "config.json" else 2)


@pytest.mark.parametrize("env", (
    {"HEDDLE_CACHE_DIR": None}, {"HEDDLE_CACHE_DIR": "", "HOME": ""}, {"HEDDLE_CACHE_DIR": "/proc/none"},
    {"HEDDLE_CACHE_DIR": None, "HOME": "/dev/null"}))
def test_no_cache(go, model, env):
    done = go(model, **env)
    assert done.stdout.count(",") == 3
    assert done.stderr.splitlines()[0].startswith("heddle: warning: ") and "is not kept" in done.stderr
    assert go(model, "--no-such-flag", code=2, **env).stdout == ""


def test_full_disk(go, model, tmp_path):
    """One line, and nothing that a later run would take for a program."""
    for limit in (10, 5000, 2_000_000):
        done = go(model, code=6, limit=limit)
        assert sum("error: " in line for line in done.stderr.splitlines()) == 1 and done.stdout == ""
        assert not programs(tmp_path)
    assert go(model).stdout.count(",") == 3


def test_no_model(go, tmp_path):
    assert "none" in go(tmp_path / "none", code=6).stderr
    go("--help", code=2)
