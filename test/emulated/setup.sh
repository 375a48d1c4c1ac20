#!/usr/bin/env bash
# Makes what emulator.py runs, in build/emulator: Bochs, a kernel, rom and init. Does
# nothing, quickly, when everything is there. Debian 12, as root or with sudo; two minutes.
source "$(dirname "$0")/../../scripts/lib.sh"

here=$ROOT/test/emulated
out=$BUILD/emulator
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Debian's kernel for virtual machines, the smallest of its kernels that has the drivers.
fetch_kernel() {
  say "fetching a kernel"
  private_apt "$work/here"
  apt-get -qq "${apt_options[@]}" update
  local package
  package=$(apt-cache "${apt_options[@]}" depends linux-image-cloud-amd64 |
    sed -n 's/^ *Depends: \(linux-image-.*-cloud-amd64\)$/\1/p')
  (cd "$work" && apt-get -qq "${apt_options[@]}" download "$package")
  dpkg-deb -x "$work/$package"_*.deb "$work/kernel"
  cp "$work"/kernel/boot/vmlinuz-* "$out/kernel"
}

# Bochs, of the Debian release after this one: the first with AVX512_BF16 and AVX-VNNI.
# Debian 12's package has neither, nor one without a window system. Without show-ips: that
# logs in a signal handler, and stops for good where the signal met a lock of the C library.
build_bochs() {
  say "building Bochs"
  local site
  site=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' |
    head -n 1)
  [ -n "$site" ] || die "apt knows no source of Debian 12"
  printf 'deb-src [signed-by=%s] %s trixie main\n' \
    /usr/share/keyrings/debian-archive-keyring.gpg "$site" >"$work/sources.list"
  private_apt "$work/next" -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
  apt-get -qq "${apt_options[@]}" update
  mkdir -p "$work/source" "$work/build"
  (cd "$work" && apt-get -qq "${apt_options[@]}" source --download-only --tar-only bochs)
  tar -xf "$work"/bochs_*.orig.tar.xz -C "$work/source" --strip-components=1
  patch -s -d "$work/source" -p1 <"$here/bochs.patch"
  (
    cd "$work/build"
    ../source/configure CC="ccache $LLVM_BIN/clang" CXX="ccache $LLVM_BIN/clang++" \
      CFLAGS="-O2 -w" CXXFLAGS="-O2 -w" \
      --enable-cpu-level=6 --enable-x86-64 --enable-avx --enable-evex --enable-all-optimizations \
      --with-nogui --disable-show-ips --disable-plugins --disable-docbook --disable-large-ramfile
    make -j"$JOBS"
  ) >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; die "Bochs does not build"; }
  cp "$work/build/bochs" "$out/bochs"
}

install_packages ca-certificates make patch xz-utils
[ -f "$out/kernel" ] || fetch_kernel
[ "$out/bochs" -nt "$here/bochs.patch" ] || build_bochs
if [ ! "$out/rom" -nt "$here/rom.S" ] || [ ! "$out/rom" -nt "$here/emulator.py" ]; then
  mapfile -t addresses < <("$PYTHON" "$here/emulator.py")
  "$LLVM_BIN/clang" -c --target=i386-linux-gnu "${addresses[@]}" "$here/rom.S" -o "$work/rom.o"
  "$LLVM_BIN/ld.lld" -m elf_i386 -Ttext=0xffff0000 --oformat=binary "$work/rom.o" -o "$out/rom"
fi
[ "$out/init" -nt "$here/init.cpp" ] ||
  "$LLVM_BIN/clang++" -std=c++20 -O2 -s -static "$here/init.cpp" -o "$out/init"
