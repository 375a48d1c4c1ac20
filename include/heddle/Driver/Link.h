//===- Link.h - Objects to a static program, with lld in-process -*- C++
//-*-===//
#ifndef HEDDLE_DRIVER_LINK_H
#define HEDDLE_DRIVER_LINK_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace heddle {

/// Where the tool keeps what programs of `arch` are linked from.
std::string findSysroot(llvm::StringRef arch);

/// Links `objects` with the runtime of `sysroot` to a static ELF. Needs no
/// toolchain. `jobs` threads; 0 = one per core. Errors: Unsupported if the
/// sysroot is missing; Bug with lld's words.
llvm::Error linkProgram(llvm::StringRef sysroot, llvm::StringRef arch,
                        llvm::ArrayRef<std::string> objects,
                        llvm::StringRef output, unsigned jobs);

} // namespace heddle

#endif // HEDDLE_DRIVER_LINK_H
