#!/usr/bin/env bash
# Configures and builds: scripts/build.sh [PRESET] (release, the default, into
# build/; asan and dev into build/PRESET). HEDDLE_JOBS sets the number of jobs.
source "$(dirname "$0")/lib.sh"

preset=${1:-release}
dir=$BUILD
[ "$preset" = release ] || dir=$BUILD/$preset
# Ninja configures again by itself when a CMake file changes; the presets are
# not one it knows of, and what scripts/setup.sh installs it only finds when it
# configures.
pybind11=("$BUILD"/venv/lib/python3*/site-packages/pybind11/share/cmake/pybind11/pybind11Config.cmake)
if [ ! -f "$dir/build.ninja" ] || [ CMakePresets.json -nt "$dir/build.ninja" ] ||
  [ "$BUILD/cross/aarch64/lib/liburing.a" -nt "$dir/build.ninja" ] ||
  [ "${pybind11[0]}" -nt "$dir/build.ninja" ]; then
  say "configuring $preset"
  "$CMAKE" --preset "$preset"
fi
say "building $preset"
"$CMAKE" --build --preset "$preset" -j "$JOBS"
