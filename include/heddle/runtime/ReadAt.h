//===- ReadAt.h - A part of a file, whole or not at all --------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_READAT_H
#define HEDDLE_RUNTIME_READAT_H

#include <cerrno>
#include <cstdint>
#include <unistd.h>

namespace heddle::rt {

/// What a read ends with where the file does, among errno values.
constexpr int kEndOfFile = -1;

/// Reads (bytes,) from `offset` of the file. 0, an errno or kEndOfFile.
inline int readAt(int file, uint64_t offset, uint64_t bytes, void *into) {
  for (uint64_t done = 0; done < bytes;) {
    ssize_t n = pread(file, static_cast<uint8_t *>(into) + done, bytes - done,
                      static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return n < 0 ? errno : kEndOfFile;
    done += static_cast<uint64_t>(n);
  }
  return 0;
}

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_READAT_H
