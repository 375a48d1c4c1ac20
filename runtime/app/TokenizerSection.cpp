//===- TokenizerSection.cpp - The tokenizer section of a program ----------===//

#include "TokenizerSection.h"
#include "heddle/runtime/ChatBytecode.h"
#include "heddle/runtime/Failure.h"
#include <limits>

using nlohmann::json;

namespace heddle::rt {

void badTokenizer(const std::string &what) {
  fail(ExitCode::Malformed, "tokenizer: " + what);
}

// A tree of a hundred thousand strings takes longer than the first token: the
// long lists go into flat tables as they are read, the rest into a tree.
class TokenizerSection::Reader final : public json::json_sax_t {
public:
  explicit Reader(TokenizerSection &section) : section(section) {}

  bool null() override { return value(nullptr); }
  bool boolean(bool v) override { return value(v); }
  bool number_integer(int64_t v) override { return value(v); }
  bool number_float(double v, const std::string &) override { return value(v); }
  bool binary(json::binary_t &) override { return false; }
  bool number_unsigned(uint64_t v) override {
    if (!numbers || depth != 2 || v > kLargest)
      return value(v);
    numbers->push_back(static_cast<int32_t>(v));
    return true;
  }
  bool string(std::string &v) override {
    if (list != List::Tokens || depth != 2)
      return value(std::move(v));
    section.tokens.add(v);
    return true;
  }
  bool start_object(size_t) override {
    return ++depth == 1 || value(json::object());
  }
  bool start_array(size_t) override {
    if (depth != 1)
      return false;
    ++depth;
    if (field == "tokens") {
      list = List::Tokens;
      section.tokens = {};
    } else if (isNumbers(field)) {
      list = List::Numbers;
      numbers = &section.lists[field];
      numbers->clear();
    } else {
      list = List::Small;
      section.fields[field] = json::array();
    }
    return true;
  }
  bool end_object() override { return --depth == 0; }
  bool end_array() override {
    --depth;
    list = List::None;
    numbers = nullptr;
    return true;
  }
  bool key(std::string &name) override {
    field = name;
    return true;
  }
  bool parse_error(size_t, const std::string &,
                   const nlohmann::detail::exception &) override {
    return false;
  }

private:
  enum class List { None, Tokens, Numbers, Small };
  static constexpr uint64_t kLargest = std::numeric_limits<int32_t>::max();

  static bool isNumbers(std::string_view name) {
    return name == "token_types" || name == "merges" || name == "merge_ranks" ||
           name == "matching" || name == "chat_code" || name == "chat_control";
  }
  bool value(json v) {
    if (depth == 0 || depth > 2)
      return false;
    if (list == List::Tokens)
      badTokenizer("tokens[" + std::to_string(section.tokens.size()) +
                   "] = " + v.dump() + ", limit a string");
    if (list == List::Numbers || isNumbers(field) || field == "tokens")
      badTokenizer(field + " = " + v.dump() + ", limit " +
                   (field == "tokens" ? "an array of strings"
                                      : "an array of integers below 2^31"));
    if (list == List::Small)
      section.fields[field].push_back(std::move(v));
    else
      section.fields[field] = std::move(v);
    return true;
  }

  TokenizerSection &section;
  int depth = 0;
  std::string field;
  List list = List::None;
  std::vector<int32_t> *numbers = nullptr;
};

TokenizerSection::TokenizerSection(const std::string &text) {
  Reader reader(*this);
  if (!json::sax_parse(text, &reader))
    badTokenizer("JSON = not an object, limit one object of lists");
}

std::vector<int32_t> TokenizerSection::numbers(const char *field) {
  auto it = lists.find(field);
  return it == lists.end() ? std::vector<int32_t>() : std::move(it->second);
}

bool TokenizerSection::has(const char *field) const {
  auto it = fields.find(field);
  return it != fields.end() && it->is_string() &&
         !it->get_ref<const std::string &>().empty();
}

std::string TokenizerSection::string(const char *field) const {
  auto it = fields.find(field);
  if (it == fields.end() || !it->is_string())
    badTokenizer(std::string(field) + " = absent, limit a string");
  return it->get<std::string>();
}

std::vector<std::string> TokenizerSection::strings(const char *field) const {
  std::vector<std::string> values;
  auto it = fields.find(field);
  if (it == fields.end())
    return values;
  if (!it->is_array())
    badTokenizer(std::string(field) + " = " + it->dump() +
                 ", limit an array of strings");
  for (const json &value : *it) {
    if (!value.is_string())
      badTokenizer(std::string(field) + "[" + std::to_string(values.size()) +
                   "] = " + value.dump() + ", limit a string");
    values.push_back(value.get<std::string>());
  }
  return values;
}

bool TokenizerSection::flag(const char *field) const {
  auto it = fields.find(field);
  if (it == fields.end() || it->is_null())
    return false;
  if (!it->is_boolean())
    badTokenizer(std::string(field) + " = " + it->dump() +
                 ", limit true or false");
  return it->get<bool>();
}

static int32_t readId(const json &value, const char *field, size_t limit) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() >= limit)
    badTokenizer(std::string(field) + " = " + value.dump() + ", limit " +
                 std::to_string(limit - 1));
  return value.get<int32_t>();
}

std::optional<int32_t> TokenizerSection::id(const char *field,
                                            size_t limit) const {
  auto it = fields.find(field);
  if (it == fields.end() || it->is_null())
    return std::nullopt;
  return readId(*it, field, limit);
}

std::optional<ChatCode> TokenizerSection::chat() {
  if (has("chat_error"))
    fail(ExitCode::Malformed, string("chat_error"),
         "`--raw` takes the prompt as it is");
  ChatCode code;
  code.instructions = numbers("chat_code");
  if (code.instructions.empty())
    return std::nullopt;
  if (code.instructions[0] != chat::kBytecodeVersion)
    badTokenizer("chat_code[0] = " + std::to_string(code.instructions[0]) +
                 ", limit version " + std::to_string(chat::kBytecodeVersion));
  code.instructions.erase(code.instructions.begin());
  if (auto it = fields.find("chat_constants");
      it != fields.end() && it->is_array())
    code.constants.assign(it->begin(), it->end());
  code.variables = strings("chat_variables");
  return code;
}

} // namespace heddle::rt
