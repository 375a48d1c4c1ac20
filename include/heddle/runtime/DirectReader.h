//===- DirectReader.h - Parallel reads past the page cache -----*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_DIRECTREADER_H
#define HEDDLE_RUNTIME_DIRECTREADER_H

#include <cstdint>
#include <memory>
#include <span>
#include <string>

struct io_uring;

namespace heddle::rt {

/// Reads pieces of a file straight into memory, many at a time: through
/// io_uring where the system has it, else one by one on whatever threads call.
class DirectReader {
public:
  /// Offset, bytes and address are multiples of 4096.
  struct Piece {
    uint64_t offset, bytes;
    uint8_t *into;
  };

  /// Opens the file of descriptor `fd` again. One that cannot be read past the
  /// page cache is read through it.
  explicit DirectReader(int fd);
  ~DirectReader();
  DirectReader(const DirectReader &) = delete;
  DirectReader &operator=(const DirectReader &) = delete;

  bool hasRing() const { return ring != nullptr; }
  /// Reads `pieces`, sorted by offset, small neighbours in one read and large
  /// pieces in several; `each` is called as one is there. 0, an errno or
  /// kEndOfFile. Needs a ring.
  template <typename Each>
  int readAll(std::span<const Piece> pieces, Each each) {
    return readRuns(
        pieces,
        [](void *arg, size_t piece) { (*static_cast<Each *>(arg))(piece); },
        &each);
  }
  /// Reads one: 0, an errno or kEndOfFile (ReadAt.h). Any thread may call it.
  int read(const Piece &piece) const;

private:
  int readRuns(std::span<const Piece> pieces, void (*each)(void *, size_t),
               void *arg);

  int file = -1;
  std::unique_ptr<io_uring> ring;
};

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_DIRECTREADER_H
