//===- AddedTokens.h - Tokens that match whole in a text -------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_ADDEDTOKENS_H
#define HEDDLE_RUNTIME_APP_ADDEDTOKENS_H

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace heddle::rt {

struct AddedToken {
  std::string text; // not empty
  int32_t id;
  bool control;        // matches only where it is asked for
  bool lstrip, rstrip; // takes the white space before, after it
};

/// Cuts a text at added tokens: the leftmost, of those the longest.
class AddedTokens {
public:
  explicit AddedTokens(std::vector<AddedToken> tokens);

  /// Calls `onText(begin, end)` for each stretch without a token, which may be
  /// empty, and `onToken` for each token, in order.
  void split(std::string_view text, bool control,
             const std::function<void(size_t, size_t)> &onText,
             const std::function<void(int32_t)> &onToken) const;

private:
  const AddedToken *matchAt(std::string_view text, size_t at,
                            bool control) const;
  std::vector<AddedToken> tokens; // sorted by text
  std::array<size_t, 257> begins; // of the tokens by first byte
};

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_ADDEDTOKENS_H
