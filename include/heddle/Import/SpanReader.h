//===- SpanReader.h - The one bounds-checked reader -------------*- C++ -*-===//
//
// Every importer reads bytes through SpanReader and sizes tensors through
// encodedBytes, so that each bound is computed in one place. Arithmetic on
// numbers from a file goes through the checked functions.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_IMPORT_SPANREADER_H
#define HEDDLE_IMPORT_SPANREADER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

namespace heddle::import {

/// a + b, a · b, and the next multiple of `align` (a power of two) that is at
/// least `value`; nothing if the result does not fit 64 bits.
std::optional<uint64_t> checkedAdd(uint64_t a, uint64_t b);
std::optional<uint64_t> checkedMul(uint64_t a, uint64_t b);
std::optional<uint64_t> checkedAlign(uint64_t value, uint64_t align);

/// `bytes` in single quotes for a message: cut after 64 bytes, everything but
/// printable ASCII as \xNN.
std::string quoted(llvm::StringRef bytes);

/// A Malformed failure: `FILE: FIELD = VALUE, limit LIMIT`.
llvm::Error malformed(llvm::StringRef file, const llvm::Twine &field,
                      const llvm::Twine &value, const llvm::Twine &limit);

/// How an encoding packs elements: `blockElems` consecutive elements of the
/// innermost dimension take `blockBytes` bytes.
struct BlockFormat {
  const char *name;
  int64_t blockElems, blockBytes;
};

/// The one size function: bytes that a tensor of `shape` (outermost first,
/// rank 1 to 4) takes. Each dimension must be in [1, 2^48), the innermost a
/// multiple of the block, the element and byte counts below 2^63.
/// Errors: Malformed, naming file, field, value and limit.
llvm::Expected<uint64_t> encodedBytes(llvm::StringRef file,
                                      const llvm::Twine &field,
                                      llvm::ArrayRef<int64_t> shape,
                                      const BlockFormat &format);

/// Reads little-endian values from a span, front to back. Each read names the
/// field it is for; a read past the end is Malformed and moves nothing.
class SpanReader {
public:
  SpanReader(llvm::StringRef file, llvm::ArrayRef<uint8_t> bytes)
      : file(file), span(bytes) {}

  uint64_t offset() const { return pos; }
  uint64_t remaining() const { return span.size() - pos; }
  llvm::StringRef fileName() const { return file; }

  /// Takes the next `n` bytes.
  llvm::Expected<llvm::ArrayRef<uint8_t>> take(uint64_t n,
                                               const llvm::Twine &field);

  /// Reads a number (bool is not one: its byte needs a check).
  template <typename T> llvm::Expected<T> read(const llvm::Twine &field) {
    static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
    auto bytes = take(sizeof(T), field);
    if (!bytes)
      return bytes.takeError();
    return llvm::support::endian::read<T>(bytes->data(),
                                          llvm::endianness::little);
  }

  /// Reads a byte that must be 0 or 1.
  llvm::Expected<bool> readBool(const llvm::Twine &field);

  /// Reads a u64 length, then that many bytes, of which at most `maxLength`
  /// are allowed. The result points into the span.
  llvm::Expected<llvm::StringRef> readString(const llvm::Twine &field,
                                             uint64_t maxLength = UINT64_MAX);

  /// Succeeds if `count` items of at least `itemBytes` each can be in the bytes
  /// that are left. Call before allocating for `count` items.
  llvm::Error checkCount(uint64_t count, uint64_t itemBytes,
                         const llvm::Twine &field) const;

private:
  llvm::StringRef file;
  llvm::ArrayRef<uint8_t> span;
  uint64_t pos = 0;
};

} // namespace heddle::import

#endif // HEDDLE_IMPORT_SPANREADER_H
