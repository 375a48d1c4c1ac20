//===- AddedTokens.h - Tokens that match whole in a text -------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_ADDEDTOKENS_H
#define HEDDLE_RUNTIME_APP_ADDEDTOKENS_H

#include "ChatText.h"
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace heddle::rt {

struct AddedToken {
  std::string text; // not empty
  int32_t id;
  bool control;        // matches only where it is asked for
  bool named;          // by the chat template: control within a conversation
  bool lstrip, rstrip; // takes the white space before, after it
};

/// Cuts a text at added tokens: the leftmost, of those the longest.
class AddedTokens {
public:
  explicit AddedTokens(std::vector<AddedToken> tokens);

  /// Where control tokens match.
  enum class Control { Nowhere, Anywhere, OfTemplate };

  /// Calls `onText(begin, end)` for each stretch without a token, which may be
  /// empty, and `onToken` for each token, in order.
  void split(const Text &text, Control control,
             const std::function<void(size_t, size_t)> &onText,
             const std::function<void(int32_t)> &onToken) const;

private:
  const AddedToken *matchAt(const Text &text, size_t at, Control control) const;
  std::vector<AddedToken> tokens; // sorted by text
  std::array<size_t, 257> begins; // of the tokens by first byte
};

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_ADDEDTOKENS_H
