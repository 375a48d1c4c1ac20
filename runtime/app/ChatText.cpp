//===- ChatText.cpp - Text that knows where it comes from -----------------===//

#include "ChatText.h"
#include "Utf8.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <tuple>

namespace heddle::rt {

void Text::append(std::string_view bytes, bool isUser) {
  if (isUser || !marks.empty()) {
    marks.resize(content.size(), '\0');
    marks.append(bytes.size(), isUser ? '\1' : '\0');
  }
  content += bytes;
}

void Text::append(const Text &text, size_t begin, size_t end) {
  if (!text.marks.empty() || !marks.empty()) {
    marks.resize(content.size(), '\0');
    if (text.marks.empty())
      marks.append(end - begin, '\0');
    else
      marks.append(text.marks, begin, end - begin);
  }
  content.append(text.content, begin, end - begin);
}

Text Text::slice(size_t begin, size_t end) const {
  Text out;
  out.append(*this, begin, end);
  return out;
}

size_t countCharacters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  });
}

std::vector<size_t> characterStarts(std::string_view text) {
  std::vector<size_t> starts;
  for (size_t at = 0; at < text.size(); ++at)
    if ((static_cast<unsigned char>(text[at]) & 0xc0) != 0x80)
      starts.push_back(at);
  starts.push_back(text.size());
  return starts;
}

bool isPythonSpace(uint32_t c) {
  return isSpace(c) || (c >= 0x1c && c <= 0x1f);
}

namespace {

// Whether the character at `at` is to be stripped.
bool strips(std::string_view text, size_t at, const std::string *chars,
            size_t &length) {
  Utf8Step step = readUtf8(text, at);
  length = step.length;
  if (!chars)
    return isPythonSpace(step.codePoint);
  return chars->find(text.substr(at, length)) != std::string::npos;
}

size_t characterBefore(std::string_view text, size_t at) {
  --at;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80)
    --at;
  return at;
}

char asciiUpper(char c) { return c >= 'a' && c <= 'z' ? c - 32 : c; }
char asciiLower(char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }
bool isLetter(char c) { return asciiLower(c) >= 'a' && asciiLower(c) <= 'z'; }

using Ranges = std::span<const std::pair<uint32_t, uint32_t>>;

bool isIn(Ranges ranges, uint32_t c) {
  return std::any_of(ranges.begin(), ranges.end(), [&](auto &range) {
    return c >= range.first && c <= range.second;
  });
}

// Blocks whose characters are all printable, in any version of Unicode that
// has them.
constexpr std::pair<uint32_t, uint32_t> kPrintable[] = {
    {0xa1, 0xac},     {0xae, 0x377},    {0x400, 0x52f},    {0x2010, 0x2027},
    {0x2030, 0x205e}, {0x3001, 0x303f}, {0x3041, 0x3096},  {0x3099, 0x30ff},
    {0x4e00, 0x9ffc}, {0xac00, 0xd7a3}, {0x1f300, 0x1f64f}};
// White space, formats and private use, which Python escapes.
constexpr std::pair<uint32_t, uint32_t> kEscaped[] = {
    {0x7f, 0xa0},     {0xad, 0xad},     {0x1680, 0x1680},
    {0x2000, 0x200f}, {0x2028, 0x202f}, {0x205f, 0x206f},
    {0x3000, 0x3000}, {0xe000, 0xf8ff}, {0xfeff, 0xfeff}};

} // namespace

std::pair<size_t, size_t> stripped(std::string_view text,
                                   const std::string *chars, bool left,
                                   bool right) {
  size_t begin = 0, end = text.size(), length;
  while (left && begin < end && strips(text, begin, chars, length))
    begin += length;
  while (right && end > begin) {
    size_t before = characterBefore(text, end);
    if (!strips(text, before, chars, length))
      break;
    end = before;
  }
  return {begin, end};
}

std::vector<Text> splitText(const Text &text, const std::string *separator,
                            int64_t limit, bool fromRight) {
  std::string_view bytes = text.bytes();
  std::vector<std::pair<size_t, size_t>> gaps; // to cut out, in order
  size_t begin = 0, end = bytes.size();
  auto enough = [&] {
    return limit >= 0 && static_cast<int64_t>(gaps.size()) >= limit;
  };
  if (separator) {
    if (!fromRight)
      for (size_t at = 0; !enough() && (at = bytes.find(*separator, at)) !=
                                           std::string_view::npos;) {
        gaps.emplace_back(at, at + separator->size());
        at += separator->size();
      }
    else
      for (size_t stop = end; !enough() && stop >= separator->size();) {
        size_t at = bytes.rfind(*separator, stop - separator->size());
        if (at == std::string_view::npos)
          break;
        gaps.emplace_back(at, at + separator->size());
        stop = at;
      }
  } else {
    // What lies outside is not a part; the last part keeps the white space on
    // its far side if the limit ends the cutting.
    std::tie(begin, end) = stripped(bytes, nullptr, true, true);
    if (begin == end)
      return {};
    std::vector<std::pair<size_t, size_t>> all;
    for (size_t at = begin, length; at < end;) {
      size_t stop = at;
      while (stop < end && strips(bytes, stop, nullptr, length))
        stop += length;
      if (stop > at)
        all.emplace_back(at, stop);
      at = stop > at ? stop : at + readUtf8(bytes, at).length;
    }
    if (fromRight)
      std::reverse(all.begin(), all.end());
    for (auto &gap : all) {
      if (enough())
        break;
      gaps.push_back(gap);
    }
    if (limit >= 0 && gaps.size() == static_cast<size_t>(limit))
      (fromRight ? begin : end) = fromRight ? 0 : bytes.size();
  }
  if (fromRight)
    std::reverse(gaps.begin(), gaps.end());
  std::vector<Text> parts;
  size_t from = begin;
  for (auto &[cut, next] : gaps) {
    parts.push_back(text.slice(from, cut));
    from = next;
  }
  parts.push_back(text.slice(from, end));
  return parts;
}

Text changeCase(const Text &text, Case how) {
  Text out;
  std::string changed = text.bytes();
  bool begins = true; // a word, or the text
  for (char &c : changed) {
    if (static_cast<unsigned char>(c) >= 0x80)
      fail(ExitCode::Unsupported,
           "chat template: unsupported: upper and lower case beyond ASCII");
    char was = c;
    bool upper = how == Case::Upper || (how != Case::Lower && begins);
    c = upper ? asciiUpper(c) : asciiLower(c);
    if (how == Case::Title)
      begins = !isLetter(was);
    else if (how == Case::WordTitle)
      begins = isPythonSpace(static_cast<unsigned char>(was)) ||
               std::string_view("-({[<").find(was) != std::string_view::npos;
    else
      begins = false;
  }
  // Byte by byte the same place, hence the same origin.
  for (size_t at = 0; at < changed.size(); ++at)
    out.append(std::string_view(changed).substr(at, 1), text.isUser(at));
  return out;
}

Text pythonQuoted(const Text &text) {
  const std::string &bytes = text.bytes();
  char quote = bytes.find('\'') != std::string::npos &&
                       bytes.find('"') == std::string::npos
                   ? '"'
                   : '\'';
  Text out(std::string(1, quote));
  for (size_t at = 0; at < bytes.size();) {
    Utf8Step step = readUtf8(bytes, at);
    uint32_t c = step.codePoint;
    bool user = text.isUser(at);
    if (c == static_cast<unsigned char>(quote) || c == '\\') {
      out.append("\\", user);
      out.append(text, at, at + 1);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out.append(c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t", user);
    } else if (c < 0x20 || isIn(kEscaped, c)) {
      char escape[8];
      snprintf(escape, sizeof(escape), c < 0x100 ? "\\x%02x" : "\\u%04x", c);
      out.append(escape, user);
    } else if (c < 0x7f || isIn(kPrintable, c)) {
      out.append(text, at, at + step.length);
    } else {
      char name[16];
      snprintf(name, sizeof(name), "U+%04X", c);
      fail(ExitCode::Unsupported,
           std::string("chat template: unsupported: the repr of text with ") +
               name);
    }
    at += step.length;
  }
  out.append(std::string_view(&quote, 1));
  return out;
}

Text jsonQuoted(const Text &text, bool ascii) {
  const std::string &bytes = text.bytes();
  Text out("\"");
  for (size_t at = 0; at < bytes.size();) {
    Utf8Step step = readUtf8(bytes, at);
    uint32_t c = step.codePoint;
    bool user = text.isUser(at);
    static constexpr std::string_view plain = "\"\\\b\f\n\r\t",
                                      letters = "\"\\bfnrt";
    char escape[16];
    if (size_t known = c < 0x80 ? plain.find(static_cast<char>(c))
                                : std::string_view::npos;
        known != std::string_view::npos) {
      out.append("\\", user);
      out.append(letters.substr(known, 1), user);
    } else if (c < 0x20 || (ascii && c >= 0x7f && c < 0x10000)) {
      snprintf(escape, sizeof(escape), "\\u%04x", c);
      out.append(escape, user);
    } else if (ascii && c >= 0x10000) {
      snprintf(escape, sizeof(escape), "\\u%04x\\u%04x", 0xd7c0 + (c >> 10),
               0xdc00 + (c & 0x3ff));
      out.append(escape, user);
    } else {
      out.append(text, at, at + step.length);
    }
    at += step.length;
  }
  out.append("\"");
  return out;
}

std::string pythonFloat(double value) {
  if (std::isnan(value))
    return "nan";
  if (std::isinf(value))
    return value < 0 ? "-inf" : "inf";
  char buffer[64];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value,
                                    std::chars_format::scientific);
  std::string text(buffer, end);
  size_t mark = text.find('e');
  int exponent = atoi(text.c_str() + mark + 1);
  std::string sign = text[0] == '-' ? "-" : "", digits;
  for (char c : text.substr(0, mark))
    if (c >= '0' && c <= '9')
      digits += c;
  auto count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    std::string out = sign + digits[0];
    if (count > 1)
      out += "." + digits.substr(1);
    snprintf(buffer, sizeof(buffer), "e%c%02d", exponent < 0 ? '-' : '+',
             std::abs(exponent));
    return out + buffer;
  }
  if (exponent < 0)
    return sign + "0." + std::string(-exponent - 1, '0') + digits;
  if (exponent + 1 >= count)
    return sign + digits + std::string(exponent + 1 - count, '0') + ".0";
  return sign + digits.substr(0, exponent + 1) + "." +
         digits.substr(exponent + 1);
}

} // namespace heddle::rt
