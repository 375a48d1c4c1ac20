//===- Utf8.cpp - Checked UTF-8 -------------------------------------------===//

#include "Utf8.h"
#include <algorithm>

namespace heddle::rt {

Utf8Step readUtf8(std::string_view text, size_t at) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned lead = byte(at);
  if (lead < 0x80)
    return {lead, 1, true, false};
  // The second byte's range excludes overlong forms, surrogates and what lies
  // beyond U+10FFFF (Unicode, table 3-7).
  unsigned low = 0x80, high = 0xbf;
  size_t length;
  uint32_t codePoint;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
    codePoint = lead & 0x1f;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    codePoint = lead & 0x0f;
    low = lead == 0xe0 ? 0xa0 : low;
    high = lead == 0xed ? 0x9f : high;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    codePoint = lead & 0x07;
    low = lead == 0xf0 ? 0x90 : low;
    high = lead == 0xf4 ? 0x8f : high;
  } else {
    return {0xfffd, 1, false, false};
  }
  for (size_t i = 1; i < length; ++i, low = 0x80, high = 0xbf) {
    if (at + i == text.size())
      return {0xfffd, i, false, true};
    if (byte(at + i) < low || byte(at + i) > high)
      return {0xfffd, i, false, false};
    codePoint = codePoint << 6 | (byte(at + i) & 0x3f);
  }
  return {codePoint, length, true, false};
}

void appendUtf8(std::string &text, uint32_t c) {
  auto put = [&](uint32_t byte) { text += static_cast<char>(byte); };
  if (c < 0x80)
    return put(c);
  if (c < 0x800) {
    put(0xc0 | c >> 6);
  } else {
    if (c < 0x10000) {
      put(0xe0 | c >> 12);
    } else {
      put(0xf0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3f));
    }
    put(0x80 | (c >> 6 & 0x3f));
  }
  put(0x80 | (c & 0x3f));
}

bool isSpace(uint32_t c) {
  return c == ' ' || (c >= 0x9 && c <= 0xd) || c == 0x85 || c == 0xa0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
         c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

std::string sanitizeUtf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    Utf8Step step = readUtf8(text, at);
    if (step.valid)
      result.append(text, at, step.length);
    else
      appendUtf8(result, 0xfffd);
    at += step.length;
  }
  return result;
}

std::string oneLine(std::string_view text, size_t limit) {
  std::string line;
  for (size_t at = 0; at < text.size();) {
    size_t length = readUtf8(text, at).length;
    auto c = static_cast<unsigned char>(text[at]);
    std::string part(text.substr(at, length));
    if (c < 0x20 || c == 0x7f) {
      static constexpr char digits[] = "0123456789abcdef";
      part = {'\\', 'x', digits[c >> 4], digits[c & 15]};
    }
    if (part.size() > limit - line.size())
      return line + "\u2026";
    line += part;
    at += length;
  }
  return line;
}

size_t incompleteTail(std::string_view text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xc0) == 0x80)
      continue;
    Utf8Step step = readUtf8(text, text.size() - back);
    return step.truncated && step.length == back ? back : 0;
  }
  return 0;
}

} // namespace heddle::rt
