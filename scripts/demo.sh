#!/usr/bin/env bash
# Builds Heddle, compiles a model and lets the compiled program continue a
# prompt: scripts/demo.sh [MODEL] [PROMPT]. What is up to date is not made again.
source "$(dirname "$0")/lib.sh"

model=${1:-}
prompt=${2:-The capital of France is}

say "1/3 setup and build"
scripts/setup.sh
scripts/build.sh
[ -n "$model" ] || model=$(smollm_gguf)
[ -e "$model" ] || { say "error: no such model: $model"; exit 6; }

# One program for each model path; a readable name for the usual case.
program=$BUILD/demo/$(basename "${model%.gguf}")-$(printf %s "$model" | cksum | cut -d' ' -f1)
mkdir -p "$BUILD/demo"
newer=$(find "$model" "$BUILD/bin/heddle" "$BUILD"/lib/heddle/sysroot/*/libheddle_runtime.a \
  ! -type d -newer "$program" -print -quit 2>/dev/null || echo none)
if [ -z "$newer" ]; then
  say "2/3 compiled already: $program"
else
  say "2/3 compiling $model"
  "$BUILD/bin/heddle" compile "$model" -o "$program"
fi

say "3/3 $program generate --raw -n 48 -- '$prompt'"
printf '%s\n' "$prompt"
"$program" generate --raw -n 48 -- "$prompt"
printf '\n'
