//===- SpanReader.cpp - The one bounds-checked reader ---------------------===//
#include "heddle/Import/SpanReader.h"
#include "heddle/Support/Error.h"
#include "llvm/ADT/StringExtras.h"
#include <fmt/format.h>

namespace heddle::import {

std::optional<uint64_t> checkedAdd(uint64_t a, uint64_t b) {
  uint64_t sum;
  if (__builtin_add_overflow(a, b, &sum))
    return std::nullopt;
  return sum;
}

std::optional<uint64_t> checkedMul(uint64_t a, uint64_t b) {
  uint64_t product;
  if (__builtin_mul_overflow(a, b, &product))
    return std::nullopt;
  return product;
}

std::optional<uint64_t> checkedAlign(uint64_t value, uint64_t align) {
  auto sum = checkedAdd(value, align - 1);
  if (!sum)
    return std::nullopt;
  return *sum & ~(align - 1);
}

std::string quoted(llvm::StringRef bytes) {
  std::string text = "'";
  for (unsigned char c : bytes.take_front(64)) {
    if (c >= 0x20 && c < 0x7f)
      text += static_cast<char>(c);
    else
      text += fmt::format("\\x{:02x}", c);
  }
  return text + (bytes.size() > 64 ? "…'" : "'");
}

llvm::Error malformed(llvm::StringRef file, const llvm::Twine &field,
                      const llvm::Twine &value, const llvm::Twine &limit) {
  return failure(
      ExitCode::Malformed,
      (file + ": " + field + " = " + value + ", limit " + limit).str());
}

llvm::Expected<uint64_t> encodedBytes(llvm::StringRef file,
                                      const llvm::Twine &field,
                                      llvm::ArrayRef<int64_t> shape,
                                      const BlockFormat &format) {
  constexpr int64_t kMaxDim = int64_t{1} << 48;
  if (shape.empty() || shape.size() > 4)
    return malformed(file, field + " rank", llvm::Twine(shape.size()),
                     "1 to 4");
  // Each dimension is tested by itself: a product can wrap to anything.
  uint64_t count = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 1 || shape[i] >= kMaxDim)
      return malformed(file, field + " dimension " + llvm::Twine(i),
                       llvm::Twine(shape[i]), "1 to 2^48 - 1");
    auto product = checkedMul(count, static_cast<uint64_t>(shape[i]));
    if (!product || *product > INT64_MAX)
      return malformed(file, field + " element count",
                       llvm::Twine(count) + " * " + llvm::Twine(shape[i]),
                       "2^63 - 1");
    count = *product;
  }
  if (shape.back() % format.blockElems != 0)
    return malformed(file, field + " row length", llvm::Twine(shape.back()),
                     "a multiple of the " + llvm::Twine(format.blockElems) +
                         " elements of a " + format.name + " block");
  auto bytes = checkedMul(count / static_cast<uint64_t>(format.blockElems),
                          static_cast<uint64_t>(format.blockBytes));
  if (!bytes || *bytes > INT64_MAX)
    return malformed(file, field + " size",
                     llvm::Twine(count) + " " + format.name + " elements",
                     "2^63 - 1 bytes");
  return *bytes;
}

llvm::Expected<llvm::ArrayRef<uint8_t>>
SpanReader::take(uint64_t n, const llvm::Twine &field) {
  // remaining() cannot wrap (pos <= size), so no sum is needed here.
  if (n > remaining())
    return malformed(
        file, field, llvm::Twine(n) + " bytes at offset " + llvm::Twine(pos),
        "the " + llvm::Twine(remaining()) + " bytes left in the file");
  auto bytes = span.slice(pos, n);
  pos += n;
  return bytes;
}

llvm::Expected<bool> SpanReader::readBool(const llvm::Twine &field) {
  auto byte = read<uint8_t>(field);
  if (!byte)
    return byte.takeError();
  if (*byte > 1)
    return malformed(file, field, llvm::Twine(unsigned(*byte)), "0 or 1");
  return *byte == 1;
}

llvm::Expected<llvm::StringRef> SpanReader::readString(const llvm::Twine &field,
                                                       uint64_t maxLength) {
  SpanReader saved = *this;
  auto length = read<uint64_t>(field + " length");
  if (!length)
    return length.takeError();
  if (*length > maxLength) {
    *this = saved;
    return malformed(file, field + " length", llvm::Twine(*length),
                     llvm::Twine(maxLength));
  }
  auto bytes = take(*length, field);
  if (!bytes) {
    *this = saved;
    return bytes.takeError();
  }
  return llvm::toStringRef(*bytes);
}

llvm::Error SpanReader::checkCount(uint64_t count, uint64_t itemBytes,
                                   const llvm::Twine &field) const {
  auto bytes = checkedMul(count, itemBytes);
  if (bytes && *bytes <= remaining())
    return llvm::Error::success();
  return malformed(file, field, llvm::Twine(count),
                   llvm::Twine(remaining() / itemBytes) + " (" +
                       llvm::Twine(remaining()) + " bytes left in the file)");
}

} // namespace heddle::import
