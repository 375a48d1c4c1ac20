# Cross builds for AArch64 Linux with clang and Debian's cross packages.
#
#   cmake -S runtime -B … --toolchain cmake/toolchains/aarch64-linux-gnu.cmake
#
# HEDDLE_CROSS_PREFIX (optional) holds include/ and lib/ of what those packages
# lack; Sysroot.cmake sets it. Never add -I/usr/include here: it would put the
# native glibc's headers before the target's.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER clang-22)
set(CMAKE_CXX_COMPILER clang++-22)
set(CMAKE_C_COMPILER_TARGET aarch64-linux-gnu)
set(CMAKE_CXX_COMPILER_TARGET aarch64-linux-gnu)
set(CMAKE_AR /usr/lib/llvm-22/bin/llvm-ar CACHE FILEPATH "")
set(CMAKE_RANLIB /usr/lib/llvm-22/bin/llvm-ranlib CACHE FILEPATH "")
# A program does not link before the sysroot exists; probe with archives.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES HEDDLE_CROSS_PREFIX)
if(HEDDLE_CROSS_PREFIX)
  list(PREPEND CMAKE_PREFIX_PATH "${HEDDLE_CROSS_PREFIX}")
  foreach(language IN ITEMS C CXX)
    set(CMAKE_${language}_FLAGS_INIT "-isystem ${HEDDLE_CROSS_PREFIX}/include")
  endforeach()
endif()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
