//===- Confined.h - Text of strangers in a process of its own ---*- C++ -*-===//
//
// MLIR's parsers and passes recurse and allocate as a text says. What checkText
// cannot see in it must not end the tool with a signal.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_DRIVER_CONFINED_H
#define HEDDLE_DRIVER_CONFINED_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>

namespace heddle {

/// Runs `work` in a child process and gives its exit status. One that a signal
/// ends is that of a line that names `file`: Limit if it was the memory (4 GiB
/// and 1 KiB for each byte of the file) or a CpuLimit, else Malformed. Call it
/// before there are threads.
int confined(llvm::StringRef file, llvm::function_ref<int()> work);

/// While it lives, a confined process may use as much more processor time.
class CpuLimit {
public:
  explicit CpuLimit(uint64_t seconds);
  ~CpuLimit();
  CpuLimit(const CpuLimit &) = delete;
  CpuLimit &operator=(const CpuLimit &) = delete;
};

} // namespace heddle

#endif // HEDDLE_DRIVER_CONFINED_H
