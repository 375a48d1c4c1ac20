#!/usr/bin/env bash
# Compares docs/generated with what the build generates from the .td files:
# scripts/check-docs.sh [--update] [BUILD_DIR]. With --update it copies instead.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
update=
if [ "${1:-}" = --update ]; then
  update=1
  shift
fi
build=${1:-$root/build}
status=0
for path in dialects/Heddle/HeddleDialect.md dialects/HeddleRT/HeddleRTDialect.md passes/Passes.md; do
  from=$build/include/heddle/$path
  to=$root/docs/generated/${path##*/}
  if [ -n "$update" ]; then
    mkdir -p "$root/docs/generated"
    cp "$from" "$to"
  elif ! diff -u "$to" "$from"; then
    status=1
  fi
done
[ "$status" -eq 0 ] || echo "docs/generated is stale: scripts/check-docs.sh --update" >&2
exit "$status"
