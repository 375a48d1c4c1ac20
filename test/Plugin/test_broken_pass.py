"""A plugin's pass that breaks the IR stops the compile with its name, and what it was given
is saved so that heddle-opt does it again."""

import os
import subprocess
from pathlib import Path

from tiny_gguf import Tiny, write

REFUSED = Path(os.environ["HEDDLE_BUILD_DIR"]) / "test" / "Plugin" / "Refused.so"


def test_broken_pass(heddle, tmp_path, monkeypatch):
    monkeypatch.setenv("HEDDLE_TEST_PLUGIN", "break")
    model = write(tmp_path / "tiny.gguf", Tiny(layers=1))
    done = heddle("compile", model, "-o", tmp_path / "out", "--quiet", f"--plugin={REFUSED}", code=70)
    reproducer = tmp_path / "out.fuse.reproducer.mlir"
    error, hint = done.stderr.splitlines()
    assert error.startswith(f"heddle: error: {model}: phase fuse: refused-break: ") and "terminator" in error
    assert hint == f"hint: heddle-opt --run-reproducer {reproducer}"
    assert sorted(tmp_path.iterdir()) == [reproducer, model]

    def again(*plugin):
        return subprocess.run([os.environ["HEDDLE_OPT"], *plugin, "--run-reproducer", reproducer],
                              capture_output=True, text=True, timeout=60, check=False)

    failed = again(f"--plugin={REFUSED}")
    assert failed.returncode == 1 and "terminator" in failed.stderr
    # Without that pass it is the module before it, which is whole.
    text = reproducer.read_text()
    assert "refused-break" in text
    reproducer.write_text(text.replace(",refused-break", ""))
    assert again().returncode == 0
