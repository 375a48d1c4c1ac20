//===- PreTokenizer.h - Splitting text before BPE --------------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_PRETOKENIZER_H
#define HEDDLE_RUNTIME_APP_PRETOKENIZER_H

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace heddle::rt {

/// Named splitting patterns, compiled; each cuts the pieces of the one before.
class PreTokenizer {
public:
  /// `names` as in the tokenizer's "pre"; throws Failure(Unsupported) naming
  /// an unknown one.
  explicit PreTokenizer(const std::vector<std::string> &names);
  ~PreTokenizer();
  PreTokenizer(const PreTokenizer &) = delete;
  PreTokenizer &operator=(const PreTokenizer &) = delete;

  /// Calls `sink` with the pieces of `text` (valid UTF-8) in order; together
  /// they are the text.
  using Sink = std::function<void(std::string_view)>;
  void split(std::string_view text, const Sink &sink) const;

private:
  struct Stage;
  // `older` stands for `text` in patterns of properties.
  void splitFrom(size_t stage, std::string_view text, std::string_view older,
                 const Sink &sink) const;
  std::vector<std::unique_ptr<Stage>> stages;
};

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_PRETOKENIZER_H
