#!/usr/bin/env bash
# Builds and runs every test: scripts/test.sh [FILTER] [--full]. FILTER is a
# regular expression over lit's test names and an expression for pytest -k, or
# the path of a test file or directory. The last line counts everything:
# `N passed, N failed, N skipped`; the exit status is 0 if nothing failed.
source "$(dirname "$0")/lib.sh"

filter=
full=
for argument in "$@"; do
  case $argument in
    --full) full=--full ;;
    -*) say "usage: scripts/test.sh [FILTER] [--full]"; exit 2 ;;
    *) filter=$argument ;;
  esac
done

results=$BUILD/test-results
passed=0 failed=0 skipped=0
finish() {
  local status=$?
  [ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1 # setup or build
  printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  [ "$failed" -eq 0 ] || exit 1
}
trap finish EXIT
# A run that was ended is no success, whatever had passed by then.
trap 'failed=$((failed + 1)); exit 1' HUP INT TERM

# count RUNNER STATUS FILE: adds a runner's results. One that ended badly
# without naming a failed test counts as a failure itself.
count() {
  local p f s
  read -r p f s < <("$PYTHON" scripts/count_results.py "$1" "$3") || { p=0 f=0 s=0; }
  if [ "$2" -ne 0 ] && [ "$f" -eq 0 ]; then
    say "$1 itself failed with status $2"
    f=1
  fi
  say "$1: $p passed, $f failed, $s skipped"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

scripts/setup.sh --test
scripts/build.sh

export PATH=$BUILD/bin:$LLVM_BIN:$PATH
export HEDDLE_BUILD_DIR=$BUILD
export HEDDLE_BIN=$BUILD/bin/heddle
export HEDDLE_OPT=$BUILD/bin/heddle-opt
export HEDDLE_GGUF_PROBE=$BUILD/bin/gguf-probe
export PYTHONPATH=$BUILD/python${PYTHONPATH:+:$PYTHONPATH}
export PYTHONDONTWRITEBYTECODE=1
rm -rf "$results"
mkdir -p "$results"

# A path picks the runner by what it names; a word goes to both.
lit_filter=$filter
lit_wanted=1 pytest_wanted=1
pytest_arguments=(test)
if [ -n "$filter" ] && [ -e "$filter" ]; then
  path=$(realpath --relative-to=test "$filter")
  lit_filter="(^|:: )${path//./[.]}"
  pytest_arguments=("$filter")
  case $filter in
    *.py) lit_wanted=0 ;;
    *.mlir | *.test) pytest_wanted=0 ;;
  esac
elif [ -n "$filter" ]; then
  pytest_arguments+=(-k "$filter")
fi

if [ "$lit_wanted" = 1 ]; then
  status=0
  "$LLVM_BIN/lit" -s -v -j "$JOBS" --timeout 600 --allow-empty-runs \
    ${lit_filter:+--filter "$lit_filter"} -o "$results/lit.json" "$BUILD/test" || status=$?
  count lit "$status" "$results/lit.json"
fi
if [ "$pytest_wanted" = 1 ]; then
  # The runtime's tests use a real program if there is one, else fakes.
  program=$results/smollm
  if [ -z "${HEDDLE_TEST_PROGRAM:-}" ] &&
    "$HEDDLE_BIN" compile "$(smollm_gguf)" -o "$program" --quiet; then
    export HEDDLE_TEST_PROGRAM=$program
  fi
  status=0
  "$VENV_PYTHON" -m pytest -c test/pytest.ini --rootdir test -q --durations=25 $full \
    --junit-xml="$results/pytest.xml" "${pytest_arguments[@]}" || status=$?
  [ "$status" -ne 5 ] || status=0 # no test matches
  count pytest "$status" "$results/pytest.xml"
fi
if [ $((passed + failed + skipped)) -eq 0 ]; then
  say "no test matches '$filter'"
  failed=1
fi
