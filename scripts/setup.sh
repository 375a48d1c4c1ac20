#!/usr/bin/env bash
# Installs what Heddle is built with; --test adds what its tests need. Does
# nothing, quickly, when everything is there. Debian 12, as root or with sudo.
source "$(dirname "$0")/lib.sh"

with_tests=0
for argument in "$@"; do
  case $argument in
    --test) with_tests=1 ;;
    *) say "usage: scripts/setup.sh [--test]"; exit 2 ;;
  esac
done

build_packages=(
  clang-22 lld-22 liblld-22-dev libclang-rt-22-dev
  llvm-22-dev llvm-22-tools libmlir-22-dev mlir-22-tools
  cmake ninja-build ccache
  g++-12 libc6-dev # libstdc++ and glibc, static ones for the sysroot included
  zlib1g-dev libzstd-dev libfmt-dev
  libpcre2-dev liburing-dev nlohmann-json3-dev libcli11-dev libxxhash-dev
  python3 python3-dev python3-venv
)
# lit --timeout wants psutil. The AArch64 sysroot is made of the cross
# packages; clang finds them by itself.
test_packages=(
  python3-psutil clang-format-22 qemu-user
  gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross
)

# Debian's cross packages end at the C++ library. PCRE2 and liburing for arm64
# come from the arm64 archive, looked up through package lists of our own so that
# the system's architectures and lists stay as they are.
fetch_arm64_libraries() {
  local out=$BUILD/cross/aarch64 work
  [ -f "$out/lib/libpcre2-8.a" ] && [ -f "$out/lib/liburing.a" ] && return 0
  say "fetching libpcre2-dev and liburing-dev for arm64"
  mkdir -p "$out/lib" "$out/include"
  work=$(mktemp -d)
  # shellcheck disable=SC2064 # expanded now on purpose
  trap "rm -rf '$work'" RETURN
  private_apt "$work" -o APT::Architecture=arm64 -o APT::Architectures::=arm64
  apt-get -qq "${apt_options[@]}" update
  (cd "$work" && apt-get -qq "${apt_options[@]}" download libpcre2-dev liburing-dev)
  for package in "$work"/*_arm64.deb; do dpkg-deb -x "$package" "$work/root"; done
  cp -r "$work"/root/usr/include/{pcre2.h,liburing.h,liburing} "$out/include/"
  cp "$work"/root/usr/lib/aarch64-linux-gnu/lib{pcre2-8,uring}.a "$out/lib/"
}

mkdir -p "$BUILD"
if [ "$with_tests" = 0 ]; then
  install_packages "${build_packages[@]}"
else
  install_packages "${build_packages[@]}" "${test_packages[@]}"
fi
install_python demo scripts/requirements.txt --no-deps
if [ "$with_tests" = 1 ]; then
  install_python tests test/requirements.txt
  [ "$(uname -m)" != x86_64 ] || fetch_arm64_libraries
fi
