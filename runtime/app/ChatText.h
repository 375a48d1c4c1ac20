//===- ChatText.h - Text that knows where it comes from --------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_CHATTEXT_H
#define HEDDLE_RUNTIME_APP_CHATTEXT_H

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace heddle::rt {

/// UTF-8 with the origin of every byte: the template or the user (whoever
/// wrote the conversation). What is made of text keeps the origins of its
/// parts.
class Text {
public:
  Text() = default;
  explicit Text(std::string bytes, bool user = false)
      : content(std::move(bytes)), marks(user ? content.size() : 0, '\1') {}
  /// `user` as user() gives it.
  Text(std::string bytes, std::string user)
      : content(std::move(bytes)), marks(std::move(user)) {}

  const std::string &bytes() const { return content; }
  /// One byte for each: not 0 if the user's. Empty if none is.
  const std::string &user() const { return marks; }
  size_t size() const { return content.size(); }
  bool empty() const { return content.empty(); }

  void append(std::string_view bytes, bool isUser = false);
  void append(const Text &text) { append(text, 0, text.size()); }
  void append(const Text &text, size_t begin, size_t end);
  Text slice(size_t begin, size_t end) const;
  /// Whether the user wrote any byte of [begin, end).
  bool hasUser(size_t begin, size_t end) const {
    return std::string_view(marks)
               .substr(marks.empty() ? 0 : begin, end - begin)
               .find('\1') != std::string_view::npos;
  }
  /// Whether the user wrote the byte at `at`.
  bool isUser(size_t at) const { return !marks.empty() && marks[at] != 0; }

private:
  std::string content, marks;
};

/// Characters of a text; the byte where each begins, and the end.
size_t countCharacters(std::string_view text);
std::vector<size_t> characterStarts(std::string_view text);

/// Python's str.isspace of one character.
bool isPythonSpace(uint32_t codePoint);

/// [begin, end) of `text` without the characters of `chars` (null: white
/// space) on the left, the right.
std::pair<size_t, size_t> stripped(std::string_view text,
                                   const std::string *chars, bool left,
                                   bool right);

/// str.split and str.rsplit; no separator: white space. A negative limit is
/// none.
std::vector<Text> splitText(const Text &text, const std::string *separator,
                            int64_t limit, bool fromRight);

enum class Case { Upper, Lower, Capitalized, Title, WordTitle };
/// Of ASCII; throws Failure(Unsupported) for other text. Title is str.title,
/// WordTitle Jinja's filter.
Text changeCase(const Text &text, Case how);

/// repr() and the JSON of a string. repr() throws Failure(Unsupported) where
/// it is not known whether Python would escape a character.
Text pythonQuoted(const Text &text);
Text jsonQuoted(const Text &text, bool ascii);

/// repr() of a float.
std::string pythonFloat(double value);

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_CHATTEXT_H
