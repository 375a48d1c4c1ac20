"""Templates rendered by the probe and by Jinja2 as transformers sets it."""

import json
import os
import pathlib
import subprocess

from transformers.utils import chat_template_utils

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HEDDLE_BUILD_DIR", ROOT / "build"))
PROBE = BUILD / "bin/chat-probe"
TOKENIZERS = pathlib.Path(os.environ.get("HEDDLE_TOKENIZERS", ROOT.parent / "shared/data/tokenizers"))


def render(cases, timeout=100):
    """Each case is {"template", "messages", variables…}; gives the probe's answers."""
    done = subprocess.run([PROBE], input=json.dumps(cases), capture_output=True, text=True,
                          timeout=timeout)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def reference(case):
    """What transformers makes of a case: text, or the exception."""
    variables = {k: v for k, v in case.items() if k not in ("template", "messages")}
    variables = {"tools": None, "documents": None, "add_generation_prompt": True, **variables}
    try:
        template = chat_template_utils._compile_jinja_template(case["template"])
        return template.render(messages=case["messages"], **variables)
    except Exception as error:  # whatever Python raises
        return error


def differences(cases):
    """Cases whose text is another, or that fail on one side alone."""
    out = []
    for case, got in zip(cases, render(cases), strict=True):
        want = reference(case)
        same = got.get("code") == 3 if isinstance(want, Exception) else got.get("text") == want
        if not same:
            out.append((case, got, repr(want)))
    return out


def assert_same(cases):
    wrong = differences(cases)
    assert not wrong, f"{len(wrong)} of {len(cases)} differ, first:\n" + "\n".join(map(str, (wrong[0][0]["template"], *wrong[0])))
