//===- Utf8.h - Checked UTF-8 ----------------------------------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_UTF8_H
#define HEDDLE_RUNTIME_APP_UTF8_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace heddle::rt {

/// Result of reading one sequence.
struct Utf8Step {
  uint32_t codePoint; // U+FFFD if invalid
  size_t length;      // bytes consumed: the sequence or its maximal subpart
  bool valid;
  bool truncated; // invalid only because the text ends here
};

/// Reads the sequence at `at` < text.size().
Utf8Step readUtf8(std::string_view text, size_t at);

void appendUtf8(std::string &text, uint32_t codePoint);

/// Unicode's White_Space.
bool isSpace(uint32_t codePoint);

/// The text with each maximal invalid subpart replaced by U+FFFD, as Python's
/// errors='replace' does.
std::string sanitizeUtf8(std::string_view text);

/// The text on one line: control characters as \xNN, and `limit` bytes of it at
/// most, whole characters.
std::string oneLine(std::string_view text, size_t limit = std::string::npos);

/// Bytes at the end of `text` that may become a character with what follows.
size_t incompleteTail(std::string_view text);

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_UTF8_H
