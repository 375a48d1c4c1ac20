#!/usr/bin/env bash
# Compares the C++ sources with .clang-format: scripts/check-format.sh [--update].
# With --update it formats them instead.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=/usr/lib/llvm-22/bin:$PATH
mode=(--dry-run -Werror)
[ "${1:-}" != --update ] || mode=(-i)
git ls-files -z '*.cpp' '*.h' | xargs -0 clang-format "${mode[@]}"
