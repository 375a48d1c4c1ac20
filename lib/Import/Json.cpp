//===- Json.cpp - JSON from a checkpoint, checked -------------------------===//
#include "heddle/Import/Json.h"
#include "heddle/Import/SpanReader.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include <fmt/format.h>

namespace heddle::import {

// The string literal that `text` starts with, quotes included; all of it if
// none is closed.
static llvm::StringRef literalOf(llvm::StringRef text) {
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      return text.take_front(i + 1);
  }
  return text;
}

static llvm::Expected<llvm::json::Value> parseValue(llvm::StringRef file,
                                                    llvm::StringRef text) {
  auto value = llvm::json::parse(text);
  if (!value)
    return malformed(file, "JSON " + quoted(text.take_front(24)),
                     quoted(llvm::toString(value.takeError())),
                     "JSON in UTF-8");
  return value;
}

namespace {
/// Walks the tokens of a text without recursion. It need not know all of JSON:
/// what it lets through the parser still judges.
class Scanner {
public:
  Scanner(llvm::StringRef file, llvm::StringRef text, JsonLimits limits)
      : file(file), text(text), limits(limits) {}
  llvm::Error run();

private:
  llvm::Error open(bool isObject);
  llvm::Error count(uint64_t &of, const char *what, uint64_t limit);
  llvm::Error key(llvm::StringRef literal);

  static constexpr size_t kMaxDepth = 64;
  struct Level {
    bool isObject;
    llvm::StringSet<> keys;
  };
  llvm::StringRef file, text;
  JsonLimits limits;
  uint64_t commas = 0, objects = 0;
  size_t at = 0;
  bool keyNext = false;
  std::vector<Level> levels;
};
} // namespace

llvm::Error Scanner::count(uint64_t &of, const char *what, uint64_t limit) {
  if (++of <= limit)
    return llvm::Error::success();
  return failure(ExitCode::Limit,
                 fmt::format("{}: {} in JSON = {} or more, limit {}",
                             file.str(), what, of, limit));
}

llvm::Error Scanner::open(bool isObject) {
  if (isObject)
    if (llvm::Error error = count(objects, "objects", limits.objects))
      return error;
  if (levels.size() == kMaxDepth)
    return malformed(file, "JSON nesting at byte " + llvm::Twine(at),
                     llvm::Twine(levels.size() + 1), llvm::Twine(kMaxDepth));
  levels.push_back({isObject, {}});
  keyNext = isObject;
  return llvm::Error::success();
}

llvm::Error Scanner::key(llvm::StringRef literal) {
  // Decoded, so that "a" and "\u0061" are one key.
  std::string name;
  if (literal.contains('\\')) {
    auto value = parseValue(file, literal);
    if (!value)
      return value.takeError();
    name = value->getAsString()->str();
  } else {
    name = literal.substr(1, literal.size() < 2 ? 0 : literal.size() - 2).str();
  }
  if (llvm::StringRef(name).contains('\0'))
    return malformed(file, "JSON key at byte " + llvm::Twine(at), quoted(name),
                     "no NUL");
  if (!levels.back().keys.insert(name).second)
    return malformed(file, "JSON key at byte " + llvm::Twine(at),
                     "duplicate " + quoted(name), "unique keys");
  return llvm::Error::success();
}

llvm::Error Scanner::run() {
  for (; at < text.size(); ++at) {
    char c = text[at];
    if (c == '"') {
      llvm::StringRef token = literalOf(text.drop_front(at));
      if (keyNext && !levels.empty()) {
        if (llvm::Error error = key(token))
          return error;
        keyNext = false;
      }
      at += token.size() - 1;
    } else if (c == '{' || c == '[') {
      if (llvm::Error error = open(c == '{'))
        return error;
    } else if (c == '}' || c == ']') {
      if (!levels.empty())
        levels.pop_back();
      keyNext = false;
    } else if (c == ',') {
      keyNext = !levels.empty() && levels.back().isObject;
      if (llvm::Error error = count(commas, "commas", limits.commas))
        return error;
    }
  }
  return llvm::Error::success();
}

llvm::Expected<llvm::json::Object>
parseObject(llvm::StringRef file, llvm::StringRef text, JsonLimits limits) {
  if (llvm::Error error = Scanner(file, text, limits).run())
    return std::move(error);
  auto value = parseValue(file, text);
  if (!value)
    return value.takeError();
  if (!value->getAsObject())
    return malformed(file, "JSON", quoted(text.take_front(24)), "one object");
  return std::move(*value->getAsObject());
}

// The text up to a comma or bracket that is not within a string or brackets.
static llvm::StringRef valueOf(llvm::StringRef text) {
  size_t depth = 0, at = 0;
  for (; at < text.size(); ++at) {
    char c = text[at];
    if (c == '"')
      at += literalOf(text.drop_front(at)).size() - 1;
    else if (c == '{' || c == '[')
      ++depth;
    else if (depth == 0 && (c == ',' || c == '}' || c == ']'))
      break;
    else if (c == '}' || c == ']')
      --depth;
  }
  return text.take_front(at);
}

llvm::Error forEachMember(
    llvm::StringRef file, llvm::StringRef text, JsonLimits limits,
    llvm::function_ref<llvm::Error(llvm::StringRef, const llvm::json::Value &)>
        take) {
  if (llvm::Error error = Scanner(file, text, limits).run())
    return error;
  llvm::StringRef rest = text;
  auto eat = [&](char c) {
    rest = rest.ltrim(" \t\r\n");
    return rest.consume_front(llvm::StringRef(&c, 1));
  };
  auto bad = [&](const char *limit) {
    return malformed(file,
                     "JSON at byte " + llvm::Twine(text.size() - rest.size()),
                     quoted(rest.take_front(24)), limit);
  };
  if (!eat('{'))
    return bad("{");
  for (bool first = true; !eat('}'); first = false) {
    if (!first && !eat(','))
      return bad(", or }");
    rest = rest.ltrim(" \t\r\n");
    if (!rest.starts_with("\""))
      return bad("a key");
    llvm::StringRef literal = literalOf(rest);
    auto key = parseValue(file, literal);
    if (!key)
      return key.takeError();
    rest = rest.drop_front(literal.size());
    if (!eat(':'))
      return bad(":");
    llvm::StringRef slice = valueOf(rest);
    auto value = parseValue(file, slice);
    if (!value)
      return value.takeError();
    rest = rest.drop_front(slice.size());
    if (llvm::Error error = take(*key->getAsString(), *value))
      return error;
  }
  if (!rest.trim(" \t\r\n").empty())
    return bad("the end");
  return llvm::Error::success();
}

static MetaValue scalar(const llvm::json::Value &value) {
  if (auto b = value.getAsBoolean())
    return *b;
  if (auto i = value.getAsInteger())
    return *i;
  if (auto u = value.getAsUINT64())
    return *u;
  if (auto d = value.getAsNumber())
    return *d;
  if (auto s = value.getAsString())
    return s->str();
  return std::monostate();
}

// The elements as `get` reads them, if it can read each.
template <typename T, typename Get>
static std::optional<MetaValue> listOf(const llvm::json::Array &array,
                                       Get get) {
  std::vector<T> values;
  for (const llvm::json::Value &value : array) {
    auto one = get(value);
    if (!one)
      return std::nullopt;
    values.emplace_back(*one);
  }
  return values;
}

static MetaValue list(const llvm::json::Array &array) {
  using llvm::json::Value;
  if (auto ints = listOf<int64_t>(
          array, [](const Value &v) { return v.getAsInteger(); }))
    return *ints;
  if (auto numbers =
          listOf<double>(array, [](const Value &v) { return v.getAsNumber(); }))
    return *numbers;
  return *listOf<std::string>(array,
                              [](const Value &v) -> std::optional<std::string> {
                                if (auto text = v.getAsString())
                                  return text->str();
                                return llvm::formatv("{0}", v).str();
                              });
}

void flatten(const llvm::json::Object &object, llvm::StringRef prefix,
             std::vector<std::pair<std::string, MetaValue>> &metadata) {
  for (const auto &[key, value] : object) {
    std::string name = (prefix + llvm::StringRef(key)).str();
    if (const llvm::json::Object *inner = value.getAsObject())
      flatten(*inner, name + ".", metadata);
    else if (const llvm::json::Array *array = value.getAsArray())
      metadata.emplace_back(name, list(*array));
    else
      metadata.emplace_back(name, scalar(value));
  }
}

} // namespace heddle::import
