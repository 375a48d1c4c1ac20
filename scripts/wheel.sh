#!/usr/bin/env bash
# Makes the wheel of the build in build/, without building again, and prints its path:
# scripts/wheel.sh [DIRECTORY]. Its files are those that `pip wheel .` makes after a build of
# its own: both are the install tree and the Python package, put together by pyproject.toml.
source "$(dirname "$0")/lib.sh"

out=${1:-$BUILD/dist}
tree=$BUILD/wheel-tree/heddle
[ -f "$BUILD/build.ninja" ] || die "no build: scripts/build.sh"
rm -rf "$tree" "$out"/heddle-*.whl
# The components of pyproject.toml's install.components.
for component in Unspecified python; do
  "$CMAKE" --install "$BUILD" --component "$component" --prefix "$tree" >/dev/null
done
cp python/heddle/*.py "$tree"
# Without CMake the wheel would be one for every platform.
"$VENV_PYTHON" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
  --wheel-dir "$out" --config-settings=sdist.inclusion-mode=manual --config-settings=sdist.exclude=.git \
  --config-settings=wheel.cmake=false --config-settings=wheel.platlib=true \
  "--config-settings=wheel.packages=${tree#"$ROOT"/}" .
wheels=("$out"/heddle-*.whl)
printf '%s\n' "${wheels[0]}"
