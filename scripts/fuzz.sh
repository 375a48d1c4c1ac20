#!/usr/bin/env bash
# Fuzzes one target or all of them: scripts/fuzz.sh [SECONDS] [TARGET…] (60; docs/fuzzing.md).
# What is learned stays in build/fuzz/TARGET; a finding is build/fuzz/TARGET-crash-….
source "$(dirname "$0")/lib.sh"

seconds=${1:-60}
shift || true
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(gguf safetensors config tokenizer-json token-text chat-template)
"$CMAKE" --build "$BUILD" --target "${targets[@]/#/fuzz-}" -j "$JOBS" >&2
status=0
for target in "${targets[@]}"; do
  mkdir -p "$BUILD/fuzz/$target"
  log=$BUILD/fuzz/$target.log dict=test/fuzz/corpus/$target.dict
  options=()
  [ ! -f "$dict" ] || options+=("-dict=$dict")
  # An answer takes 2 s and 64 MiB + 4 × the header; the sanitizers, four times that.
  "$BUILD/bin/fuzz-$target" "$BUILD/fuzz/$target" "test/fuzz/corpus/$target" "${options[@]}" \
    -max_total_time="$seconds" -max_len=65536 -timeout=8 -malloc_limit_mb=256 -rss_limit_mb=2048 \
    -artifact_prefix="$BUILD/fuzz/$target-" -print_final_stats=1 >"$log" 2>&1 || {
    # Time is the clock's: on a machine that stood still, any input is slow once.
    artifact=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
    if grep -q "ERROR: libFuzzer: timeout" "$log" &&
      "$BUILD/bin/fuzz-$target" -timeout=8 "$artifact" >/dev/null 2>&1; then
      say "$target: a timeout that does not repeat"
    else
      say "$target: a finding"
      tail -n 40 "$log" >&2
      status=1
    fi
  }
  say "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions," \
    "$(find "$BUILD/fuzz/$target" -type f | wc -l) inputs kept"
done
exit "$status"
