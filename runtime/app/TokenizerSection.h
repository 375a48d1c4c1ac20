//===- TokenizerSection.h - The tokenizer section of a program -*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_TOKENIZERSECTION_H
#define HEDDLE_RUNTIME_APP_TOKENIZERSECTION_H

#include "ChatTemplate.h"
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace heddle::rt {

/// A list of texts in one piece of memory.
class Strings {
public:
  void add(std::string_view text) {
    pool += text;
    ends.push_back(pool.size());
  }
  size_t size() const { return ends.size(); }
  std::string_view operator[](size_t i) const {
    size_t begin = i ? ends[i - 1] : 0;
    return std::string_view(pool).substr(begin, ends[i] - begin);
  }

private:
  std::string pool;
  std::vector<size_t> ends;
};

/// Throws Failure(Malformed) for the tokenizer section.
[[noreturn]] void badTokenizer(const std::string &what);

/// The section (docs/program-format.md), its long lists in flat tables.
class TokenizerSection {
public:
  /// Throws Failure (malformed) naming the field.
  explicit TokenizerSection(const std::string &text);

  Strings tokens;
  /// A list of integers, each in [0, 2^31); empty if absent.
  std::vector<int32_t> numbers(const char *field);

  /// Whether there is such a string, not empty.
  bool has(const char *field) const;
  std::string string(const char *field) const;
  std::vector<std::string> strings(const char *field) const;
  /// Absent and null are false.
  bool flag(const char *field) const;
  /// An id below `limit`.
  std::optional<int32_t> id(const char *field, size_t limit) const;
  /// The chat template; none if there is none. Call once.
  std::optional<ChatCode> chat();

private:
  class Reader;
  std::map<std::string, std::vector<int32_t>, std::less<>> lists;
  nlohmann::json fields = nlohmann::json::object();
};

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_TOKENIZERSECTION_H
