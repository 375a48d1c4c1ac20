//===- MappedFile.h - A regular file, mapped read-only ----------*- C++ -*-===//
#ifndef HEDDLE_SUPPORT_MAPPEDFILE_H
#define HEDDLE_SUPPORT_MAPPEDFILE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include <cstdint>

namespace heddle {

/// A whole file, mapped read-only. Only pages that are read become resident.
/// Holds no descriptor, so thousands of parts fit a small descriptor limit.
class MappedFile {
public:
  /// Opens without ever blocking: a FIFO, directory, socket or device is
  /// refused. Errors: InputOutput, naming the file.
  static llvm::Expected<MappedFile> open(llvm::StringRef path);

  /// The file's bytes as of `open`; may be empty.
  llvm::ArrayRef<uint8_t> bytes() const {
    if (!region)
      return {};
    return {reinterpret_cast<const uint8_t *>(region.const_data()),
            region.size()};
  }

private:
  llvm::sys::fs::mapped_file_region region;
};

} // namespace heddle

#endif // HEDDLE_SUPPORT_MAPPEDFILE_H
