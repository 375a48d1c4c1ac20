# The mini-sysroots that `heddle compile` links programs from, with lld
# in-process and no toolchain on the user's machine:
#
#   build/lib/heddle/sysroot/{x86_64,aarch64}/
#     crt1.o crti.o crtbeginT.o crtend.o crtn.o
#     libc.a libm.a libmvec.a libgcc.a libgcc_eh.a libstdc++.a
#     libpcre2-8.a liburing.a libheddle_runtime.a
#
# Every directory holds the same names, so one link line serves all (S is the
# directory, OBJECTS the generated code):
#
#   ld.lld -static --gc-sections --eh-frame-hdr -o PROG
#     S/crt1.o S/crti.o S/crtbeginT.o OBJECTS…
#     S/libheddle_runtime.a S/libpcre2-8.a S/liburing.a S/libstdc++.a
#     --start-group S/libgcc.a S/libgcc_eh.a S/libc.a S/libm.a S/libmvec.a --end-group
#     S/crtend.o S/crtn.o
#
# `--eh-frame-hdr` is needed: without it a static program cannot unwind.
# `main` is in libheddle_runtime.a; crt1.o pulls it in.
#
# libm.a here is always an archive. Debian's for x86-64 is a linker script with
# absolute paths over libm-2.36.a and libmvec.a; what it names is copied. AArch64
# has no static libmvec, so an empty archive stands in.

set(HEDDLE_SYSROOT_DIR "${CMAKE_BINARY_DIR}/lib/heddle/sysroot")

# Sets OUT to the file NAME of the toolchain for TRIPLE, or to "".
function(_heddle_toolchain_file out triple name)
  execute_process(
    COMMAND ${CMAKE_CXX_COMPILER} --target=${triple} -print-file-name=${name}
    OUTPUT_VARIABLE path OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  # An unknown name comes back as it went in.
  if(NOT IS_ABSOLUTE "${path}" OR NOT EXISTS "${path}")
    set(path "")
  endif()
  set(${out} "${path}" PARENT_SCOPE)
endfunction()

# Copies the toolchain's part of the sysroot of ARCH at configure time. EXTRA
# is a directory searched before the toolchain's. Sets OUT to what is missing.
function(_heddle_copy_toolchain out arch triple extra)
  set(dir "${HEDDLE_SYSROOT_DIR}/${arch}")
  file(MAKE_DIRECTORY "${dir}")
  set(missing "")
  foreach(name IN ITEMS crt1.o crti.o crtbeginT.o crtend.o crtn.o libc.a
                        libgcc.a libgcc_eh.a libstdc++.a libpcre2-8.a
                        liburing.a)
    if(EXISTS "${extra}/${name}")
      set(path "${extra}/${name}")
    else()
      _heddle_toolchain_file(path ${triple} ${name})
    endif()
    if(path)
      file(COPY_FILE "${path}" "${dir}/${name}" ONLY_IF_DIFFERENT)
    else()
      list(APPEND missing ${name})
    endif()
  endforeach()

  _heddle_toolchain_file(libm ${triple} libm.a)
  set(libmvec "")
  if(libm)
    file(READ "${libm}" magic LIMIT 7 HEX)
    if(NOT magic STREQUAL "213c617263683e") # "!<arch>"
      file(READ "${libm}" script)
      string(REGEX MATCH "[^ ()]*libmvec[^ ()]*\\.a" libmvec "${script}")
      string(REGEX MATCH "[^ ()]*libm-[^ ()]*\\.a" libm "${script}")
    endif()
  endif()
  if(libm AND EXISTS "${libm}")
    file(COPY_FILE "${libm}" "${dir}/libm.a" ONLY_IF_DIFFERENT)
  else()
    list(APPEND missing libm.a)
  endif()
  if(libmvec)
    file(COPY_FILE "${libmvec}" "${dir}/libmvec.a" ONLY_IF_DIFFERENT)
  else()
    file(WRITE "${dir}/libmvec.a" "!<arch>\n")
  endif()
  set(${out} "${missing}" PARENT_SCOPE)
endfunction()

# Builds runtime/ by itself into the sysroot of ARCH, always optimised. Further
# arguments go to CMake.
function(_heddle_standalone_runtime arch)
  set(build "${CMAKE_BINARY_DIR}/runtime-${arch}")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS
    "${CMAKE_SOURCE_DIR}/runtime/*" "${CMAKE_SOURCE_DIR}/include/heddle/runtime/*")
  add_custom_command(
    OUTPUT "${HEDDLE_SYSROOT_DIR}/${arch}/libheddle_runtime.a"
    COMMAND ${CMAKE_COMMAND} -S "${CMAKE_SOURCE_DIR}/runtime" -B "${build}"
            -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF
            -DCMAKE_ARCHIVE_OUTPUT_DIRECTORY=${build}/lib
            -DCMAKE_C_COMPILER_LAUNCHER=${CMAKE_C_COMPILER_LAUNCHER}
            -DCMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER}
            -DCMAKE_MAKE_PROGRAM=${CMAKE_MAKE_PROGRAM} ${ARGN}
    COMMAND ${CMAKE_COMMAND} --build "${build}" --target heddle_runtime -j 1
    COMMAND ${CMAKE_COMMAND} -E copy "${build}/lib/libheddle_runtime.a"
            "${HEDDLE_SYSROOT_DIR}/${arch}/libheddle_runtime.a"
    DEPENDS ${sources} "${CMAKE_SOURCE_DIR}/cmake/toolchains/aarch64-linux-gnu.cmake"
    COMMENT "Runtime for the ${arch} sysroot" VERBATIM)
endfunction()

# heddle_add_sysroots(): target `heddle_sysroots`, part of `all`. Call it after
# add_subdirectory(runtime), whose static library `heddle_runtime` goes into the
# native sysroot. The AArch64 one is made where `scripts/setup.sh --test` has
# installed the cross packages, and skipped with a message elsewhere; `heddle
# compile --target=aarch64` then says that its sysroot is missing.
function(heddle_add_sysroots)
  set(native ${CMAKE_SYSTEM_PROCESSOR})
  set(archs ${native})
  _heddle_copy_toolchain(missing ${native} ${native}-linux-gnu "")
  if(missing)
    message(FATAL_ERROR "sysroot ${native}: no ${missing}; run scripts/setup.sh")
  endif()
  if(HEDDLE_SANITIZED)
    # Programs run without the sanitizers' runtime: build theirs without them.
    _heddle_standalone_runtime(${native} -DCMAKE_C_COMPILER=${CMAKE_C_COMPILER}
      -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER})
  else()
    set(archive "${HEDDLE_SYSROOT_DIR}/${native}/libheddle_runtime.a")
    add_custom_command(OUTPUT "${archive}"
      COMMAND ${CMAKE_COMMAND} -E copy $<TARGET_FILE:heddle_runtime> "${archive}"
      DEPENDS heddle_runtime VERBATIM)
  endif()

  if(NOT native STREQUAL "aarch64")
    set(prefix "${CMAKE_SOURCE_DIR}/build/cross/aarch64")
    _heddle_copy_toolchain(missing aarch64 aarch64-linux-gnu "${prefix}/lib")
    if(missing)
      file(REMOVE_RECURSE "${HEDDLE_SYSROOT_DIR}/aarch64")
      message(STATUS "Sysroot for aarch64 skipped, no ${missing} "
                     "(scripts/setup.sh --test installs them)")
    else()
      # Header-only libraries, the same on every architecture.
      foreach(header IN ITEMS nlohmann CLI xxhash.h xxh3.h)
        if(EXISTS "/usr/include/${header}")
          file(COPY "/usr/include/${header}" DESTINATION "${prefix}/include")
        endif()
      endforeach()
      _heddle_standalone_runtime(aarch64 -DHEDDLE_CROSS_PREFIX=${prefix}
        --toolchain "${CMAKE_SOURCE_DIR}/cmake/toolchains/aarch64-linux-gnu.cmake")
      list(APPEND archs aarch64)
    endif()
  endif()

  list(TRANSFORM archs PREPEND "${HEDDLE_SYSROOT_DIR}/" OUTPUT_VARIABLE archives)
  list(TRANSFORM archives APPEND "/libheddle_runtime.a")
  add_custom_target(heddle_sysroots ALL DEPENDS ${archives})
  install(DIRECTORY "${HEDDLE_SYSROOT_DIR}" DESTINATION lib/heddle)
endfunction()
