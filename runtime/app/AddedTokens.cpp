//===- AddedTokens.cpp - Tokens that match whole in a text ----------------===//

#include "AddedTokens.h"
#include "Utf8.h"
#include <algorithm>

namespace heddle::rt {

namespace {

unsigned char byteAt(std::string_view text, size_t at) {
  return static_cast<unsigned char>(text[at]);
}

// Bytes of the white space that begins at `at`; 0 if there is none.
size_t spaceAt(std::string_view text, size_t at) {
  Utf8Step step = readUtf8(text, at);
  return isSpace(step.codePoint) ? step.length : 0;
}

} // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> all) : tokens(std::move(all)) {
  std::sort(tokens.begin(), tokens.end(),
            [](const AddedToken &a, const AddedToken &b) {
              return a.text != b.text ? a.text < b.text : a.id < b.id;
            });
  size_t at = 0;
  for (size_t byte = 0; byte <= 256; ++byte) {
    while (at < tokens.size() && byteAt(tokens[at].text, 0) < byte)
      ++at;
    begins[byte] = at;
  }
}

const AddedToken *AddedTokens::matchAt(const Text &given, size_t at,
                                       Control control) const {
  std::string_view text = given.bytes();
  auto allowed = [&](const AddedToken &token, size_t size) {
    if (control == Control::OfTemplate)
      return !(token.control || token.named) || !given.hasUser(at, at + size);
    return !token.control || control == Control::Anywhere;
  };
  // The tokens that begin as the text does are neighbours: one byte more, and
  // fewer of them.
  auto low = tokens.begin() + begins[byteAt(text, at)];
  auto high = tokens.begin() + begins[byteAt(text, at) + 1];
  const AddedToken *best = nullptr;
  for (size_t depth = 1; low != high; ++depth) {
    for (bool found = false; low != high && low->text.size() == depth; ++low)
      if (!found && allowed(*low, depth)) {
        best = &*low;
        found = true;
      }
    if (at + depth == text.size())
      break;
    unsigned char byte = byteAt(text, at + depth);
    low = std::lower_bound(low, high, byte,
                           [&](const AddedToken &t, unsigned char b) {
                             return byteAt(t.text, depth) < b;
                           });
    high = std::upper_bound(low, high, byte,
                            [&](unsigned char b, const AddedToken &t) {
                              return b < byteAt(t.text, depth);
                            });
  }
  return best;
}

void AddedTokens::split(const Text &given, Control control,
                        const std::function<void(size_t, size_t)> &onText,
                        const std::function<void(int32_t)> &onToken) const {
  std::string_view text = given.bytes();
  size_t done = 0;
  for (size_t at = 0; !tokens.empty() && at < text.size();) {
    const AddedToken *token = matchAt(given, at, control);
    if (!token) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->text.size();
    while (token->lstrip && begin > done) {
      size_t before = begin - 1;
      while (before > done && (byteAt(text, before) & 0xc0) == 0x80)
        --before;
      if (!spaceAt(text, before))
        break;
      begin = before;
    }
    for (size_t space;
         token->rstrip && end < text.size() && (space = spaceAt(text, end));)
      end += space;
    onText(done, begin);
    onToken(token->id);
    at = done = end;
  }
  onText(done, text.size());
}

} // namespace heddle::rt
