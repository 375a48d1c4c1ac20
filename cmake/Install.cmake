# The install tree of `cmake --install build --prefix P`:
#
#   P/bin/{heddle,heddle-opt}
#   P/lib/libHeddleCore.so
#   P/lib/heddle/sysroot/…         what programs are linked from
#   P/lib/cmake/Heddle/…           find_package(Heddle)
#   P/include/heddle/…             headers, TableGen files and what they generate
#
# Nothing in it knows where it lies, so it may be moved as a whole. LLVM and MLIR
# stay where the system has them.
include(CMakePackageConfigHelpers)

function(heddle_install)
  set_target_properties(HeddleCore PROPERTIES INSTALL_RPATH "${LLVM_LIBRARY_DIR}")
  set_target_properties(heddle heddle-opt PROPERTIES
    INSTALL_RPATH "$ORIGIN/../lib;${LLVM_LIBRARY_DIR}")
  # What a plugin or an embedding tool is compiled with. libMLIR is built with NDEBUG, which
  # changes the size of pass statistics.
  target_compile_features(HeddleCore INTERFACE cxx_std_20)
  target_compile_definitions(HeddleCore INTERFACE $<INSTALL_INTERFACE:NDEBUG>)
  target_include_directories(HeddleCore INTERFACE $<INSTALL_INTERFACE:include>)

  install(TARGETS heddle heddle-opt RUNTIME DESTINATION bin)
  install(TARGETS HeddleCore EXPORT HeddleTargets LIBRARY DESTINATION lib)
  foreach(tree IN ITEMS "${CMAKE_SOURCE_DIR}" "${CMAKE_BINARY_DIR}")
    install(DIRECTORY "${tree}/include/heddle" DESTINATION include
      FILES_MATCHING PATTERN "*.h" PATTERN "*.td" PATTERN "*.inc" PATTERN "CMakeFiles" EXCLUDE)
  endforeach()

  set(package lib/cmake/Heddle)
  configure_package_config_file("${CMAKE_SOURCE_DIR}/cmake/HeddleConfig.cmake.in"
    "${CMAKE_BINARY_DIR}/HeddleConfig.cmake" INSTALL_DESTINATION ${package})
  write_basic_package_version_file("${CMAKE_BINARY_DIR}/HeddleConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion)
  install(EXPORT HeddleTargets NAMESPACE Heddle:: DESTINATION ${package})
  install(FILES "${CMAKE_BINARY_DIR}/HeddleConfig.cmake"
                "${CMAKE_BINARY_DIR}/HeddleConfigVersion.cmake"
    DESTINATION ${package})
endfunction()
