//===- Lexer.cpp - The tokens of a chat template --------------------------===//
//
// White space goes as in Jinja's lexer with trim_blocks and lstrip_blocks.
//
//===----------------------------------------------------------------------===//
#include "Syntax.h"
#include "heddle/Import/SpanReader.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ConvertUTF.h"

namespace heddle::chat {

namespace {

bool isBlank(char c) { return llvm::StringRef(" \t\n\v\f\r").contains(c); }
bool isNameStart(char c) {
  return llvm::isAlpha(c) || c == '_' || (c & 0x80) != 0;
}
bool isNameChar(char c) { return isNameStart(c) || llvm::isDigit(c); }

/// One kind of newline, and none at the end.
std::string normalizeNewlines(llvm::StringRef text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n')
      continue;
    out += text[i] == '\r' ? '\n' : text[i];
  }
  if (!out.empty() && out.back() == '\n')
    out.pop_back();
  return out;
}

void appendUtf8(std::string &out, uint32_t codePoint) {
  char buffer[UNI_MAX_UTF8_BYTES_PER_CODE_POINT], *end = buffer;
  if (llvm::ConvertCodePointToUTF8(codePoint, end))
    out.append(buffer, end);
}

class Lexer {
public:
  Lexer(llvm::StringRef text, const std::string &where)
      : text(text), where(where) {}

  llvm::Expected<std::vector<Token>> run() {
    while (at < text.size())
      if (llvm::Error error = outside())
        return std::move(error);
    add(Token::End, "");
    return std::move(tokens);
  }

private:
  void add(Token::Kind kind, std::string value) {
    tokens.push_back({kind, std::move(value), line});
  }
  llvm::Error fails(const llvm::Twine &message) {
    return syntaxError(where, line, message);
  }
  void advance(size_t end) {
    line += text.slice(at, end).count('\n');
    if (end > at)
      lineStarting = text[end - 1] == '\n';
    at = end;
  }
  size_t skipBlanks(size_t from) const {
    while (from < text.size() && isBlank(text[from]))
      ++from;
    return from;
  }

  /// Text up to the next tag, without the white space that the tag takes away.
  void data(size_t end, char sign, bool isBlock) {
    llvm::StringRef piece = text.slice(at, end);
    bool starting = lineStarting;
    int begin = line;
    advance(end);
    if (sign == '-') {
      piece = piece.rtrim(" \t\n\v\f\r");
    } else if (sign != '+' && isBlock) {
      size_t lineAt = piece.rfind('\n') + 1; // npos + 1 is 0
      if ((lineAt > 0 || starting) &&
          llvm::all_of(piece.drop_front(lineAt), isBlank))
        piece = piece.take_front(lineAt);
    }
    if (!piece.empty())
      tokens.push_back({Token::Data, piece.str(), begin});
  }

  /// Takes the end of a tag, `-` or `+` and `close`, with the white space that
  /// goes with it.
  bool closes(size_t from, llvm::StringRef close, bool trims, size_t &end) {
    llvm::StringRef rest = text.drop_front(from);
    if (rest.consume_front("-") && rest.consume_front(close)) {
      end = skipBlanks(text.size() - rest.size());
      return true;
    }
    rest = text.drop_front(from);
    if (trims && rest.starts_with("+"))
      rest = rest.drop_front();
    else if (trims && rest.starts_with(close) &&
             rest.drop_front(close.size()).starts_with("\n")) {
      end = from + close.size() + 1;
      return true;
    }
    if (!rest.starts_with(close))
      return false;
    end = text.size() - rest.size() + close.size();
    return true;
  }

  llvm::Error outside() {
    size_t begin = at;
    do {
      begin = text.find('{', begin);
    } while (begin != text.npos &&
             (begin + 1 == text.size() ||
              !llvm::StringRef("{%#").contains(text[begin + 1])) &&
             ++begin);
    if (begin == text.npos) {
      data(text.size(), '+', false);
      return llvm::Error::success();
    }
    char kind = text[begin + 1];
    size_t inside = begin + 2;
    char sign = inside < text.size() ? text[inside] : ' ';
    bool isSign = sign == '-' || sign == '+';
    data(begin, isSign ? sign : ' ', kind != '{');
    inside += isSign;
    if (kind == '#')
      return comment(inside);
    if (kind == '%')
      if (size_t end = rawBegin(inside))
        return raw(end);
    advance(inside);
    add(kind == '%' ? Token::BlockBegin : Token::OutputBegin, "");
    return tag(kind == '%' ? "%}" : "}}", kind == '%');
  }

  llvm::Error comment(size_t inside) {
    size_t close = text.find("#}", inside), end;
    if (close == text.npos)
      return fails("a comment without its end");
    bool minus = close > inside && text[close - 1] == '-';
    if (!closes(minus ? close - 1 : close, "#}", true, end) ||
        (close > inside && text[close - 1] == '+'))
      end = close + 2;
    advance(end);
    return llvm::Error::success();
  }

  /// Where the text of a `raw` tag begins, or 0.
  size_t rawBegin(size_t from) {
    from = skipBlanks(from);
    if (!text.drop_front(from).starts_with("raw"))
      return 0;
    size_t end;
    return closes(skipBlanks(from + 3), "%}", false, end) ? end : 0;
  }

  llvm::Error raw(size_t begin) {
    advance(begin);
    for (size_t open = at; (open = text.find("{%", open)) != text.npos;
         open += 2) {
      size_t from = open + 2, end;
      char sign = from < text.size() ? text[from] : ' ';
      bool isSign = sign == '-' || sign == '+';
      from = skipBlanks(from + isSign);
      if (!text.drop_front(from).starts_with("endraw") ||
          !closes(skipBlanks(from + 6), "%}", true, end))
        continue;
      data(open, isSign ? sign : ' ', true);
      advance(end);
      return llvm::Error::success();
    }
    return fails("raw without endraw");
  }

  llvm::Error tag(llvm::StringRef close, bool isBlock) {
    std::string open; // brackets
    while (true) {
      advance(skipBlanks(at));
      if (at == text.size())
        return fails("a tag without its end");
      if (size_t end; open.empty() && closes(at, close, isBlock, end)) {
        add(isBlock ? Token::BlockEnd : Token::OutputEnd, "");
        advance(end);
        return llvm::Error::success();
      }
      char c = text[at];
      if (isNameStart(c)) {
        size_t end = at;
        while (end < text.size() && isNameChar(text[end]))
          ++end;
        add(Token::Name, text.slice(at, end).str());
        advance(end);
      } else if (llvm::isDigit(c)) {
        number();
      } else if (c == '"' || c == '\'') {
        if (llvm::Error error = string(c))
          return error;
      } else if (llvm::Error error = sign(open)) {
        return error;
      }
    }
  }

  size_t digits(size_t from, llvm::StringRef allowed) {
    while (from < text.size() &&
           (allowed.contains(text[from]) ||
            (text[from] == '_' && from + 1 < text.size() &&
             allowed.contains(text[from + 1]))))
      ++from;
    return from;
  }

  void number() {
    static constexpr llvm::StringLiteral decimal = "0123456789";
    llvm::StringRef rest = text.drop_front(at);
    auto based = [&](llvm::StringRef prefix, llvm::StringRef allowed) {
      if (!rest.starts_with_insensitive(prefix))
        return false;
      size_t end = digits(at + 2, allowed);
      if (end == at + 2)
        return false;
      std::string value;
      llvm::APInt parsed;
      for (char c : text.slice(at + 2, end))
        if (c != '_')
          value += c;
      unsigned radix = prefix[1] == 'x' ? 16 : prefix[1] == 'o' ? 8 : 2;
      if (llvm::StringRef(value).getAsInteger(radix, parsed))
        return false;
      add(Token::Integer, llvm::toString(parsed, 10, /*Signed=*/false));
      advance(end);
      return true;
    };
    if (based("0x", "0123456789abcdefABCDEF") || based("0o", "01234567") ||
        based("0b", "01"))
      return;
    size_t end = digits(at, decimal), whole = end;
    // Not in `x.0.1`: what follows a dot is an index.
    bool afterDot = at > 0 && text[at - 1] == '.';
    if (!afterDot && end + 1 < text.size() && text[end] == '.' &&
        llvm::isDigit(text[end + 1]))
      end = digits(end + 1, decimal);
    if (!afterDot && end < text.size() && (text[end] | 32) == 'e') {
      size_t exponent = end + 1;
      if (exponent < text.size() &&
          (text[exponent] == '+' || text[exponent] == '-'))
        ++exponent;
      if (exponent < text.size() && llvm::isDigit(text[exponent]))
        end = digits(exponent, decimal);
    }
    std::string value;
    for (char c : text.slice(at, end))
      if (c != '_')
        value += c;
    add(end > whole ? Token::Float : Token::Integer, value);
    advance(end);
  }

  /// The escapes of Python.
  llvm::Error string(char quote) {
    int begin = line;
    std::string value;
    size_t i = at + 1;
    for (; i < text.size() && text[i] != quote; ++i) {
      if (text[i] != '\\') {
        value += text[i];
        continue;
      }
      if (++i == text.size())
        break;
      static constexpr llvm::StringLiteral names = "\\'\"abfnrtv",
                                           values = "\\'\"\a\b\f\n\r\t\v";
      char c = text[i];
      if (size_t known = names.find(c); known != llvm::StringRef::npos) {
        value += values[known];
      } else if (c == '\n') {
        continue;
      } else if (c >= '0' && c <= '7') {
        size_t end = i;
        while (end < text.size() && end < i + 3 && text[end] >= '0' &&
               text[end] <= '7')
          ++end;
        unsigned code = 0;
        (void)text.slice(i, end).getAsInteger(8, code);
        appendUtf8(value, code);
        i = end - 1;
      } else if (size_t count = c == 'x'   ? 2
                                : c == 'u' ? 4
                                : c == 'U' ? 8
                                           : 0) {
        uint32_t code;
        llvm::StringRef hex = text.substr(i + 1, count);
        if (hex.size() != count || hex.getAsInteger(16, code) ||
            code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
          return fails("an escape that is no character");
        appendUtf8(value, code);
        i += count;
      } else if (c == 'N') {
        return fails("an escape by name");
      } else {
        value += '\\';
        value += c;
      }
    }
    if (i >= text.size())
      return fails("a string without its end");
    tokens.push_back({Token::String, std::move(value), begin});
    advance(i + 1);
    return llvm::Error::success();
  }

  llvm::Error sign(std::string &open) {
    static constexpr llvm::StringLiteral known[] = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    llvm::StringRef rest = text.drop_front(at);
    const llvm::StringLiteral *found = llvm::find_if(
        known, [&](llvm::StringRef s) { return rest.starts_with(s); });
    if (found == std::end(known))
      return fails("unexpected " + import::quoted(rest.take_front(1)));
    if (llvm::StringRef("([{").contains(found->front())) {
      open += *found == "(" ? ')' : *found == "[" ? ']' : '}';
    } else if (llvm::StringRef(")]}").contains(found->front())) {
      if (open.empty() || open.back() != found->front())
        return fails("unexpected '" + *found + "'");
      open.pop_back();
    }
    add(Token::Operator, found->str());
    advance(at + found->size());
    return llvm::Error::success();
  }

  llvm::StringRef text;
  std::string where;
  std::vector<Token> tokens;
  size_t at = 0;
  int line = 1;
  bool lineStarting = true;
};

} // namespace

llvm::Expected<std::vector<Token>> readTokens(llvm::StringRef text,
                                              const std::string &where) {
  std::string source = normalizeNewlines(text);
  return Lexer(source, where).run();
}

} // namespace heddle::chat
