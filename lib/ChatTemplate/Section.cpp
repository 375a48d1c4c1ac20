//===- Section.cpp - Chats in the tokenizer section -----------------------===//
#include "../../runtime/app/ChatTemplate.h"
#include "heddle/ChatTemplate/ChatTemplate.h"
#include "heddle/Support/Error.h"
#include "heddle/runtime/ChatBytecode.h"
#include "heddle/runtime/Failure.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SmallSet.h"
#include "llvm/ADT/StringMap.h"
#include <set>

using llvm::json::Array;
using llvm::json::Value;

namespace heddle::chat {

namespace {

// Longer tokens than this are not looked for in a template.
constexpr size_t kLongestToken = 256;

struct ToJson {
  Value operator()(std::monostate) const { return nullptr; }
  Value operator()(bool v) const { return v; }
  Value operator()(int64_t v) const { return v; }
  Value operator()(double v) const { return v; }
  Value operator()(const std::string &v) const {
    return llvm::json::fixUTF8(v);
  }
};

struct ToNlohmann {
  nlohmann::json operator()(std::monostate) const { return nullptr; }
  template <typename T> nlohmann::json operator()(const T &v) const {
    return v;
  }
  nlohmann::json operator()(const std::string &v) const {
    return llvm::json::fixUTF8(v);
  }
};

/// Names and texts of the tokens that transformers hands to a template.
std::vector<std::string> variables(const import::Tokenizer &tokenizer) {
  std::vector<std::string> out;
  auto add = [&](const char *name, std::optional<int64_t> id) {
    if (id && *id >= 0 && *id < int64_t(tokenizer.tokens.size())) {
      out.push_back(name);
      out.push_back(llvm::json::fixUTF8(tokenizer.tokens[*id]));
    }
  };
  add("bos_token", tokenizer.bos);
  if (!tokenizer.eos.empty())
    add("eos_token", tokenizer.eos[0]);
  add("unk_token", tokenizer.unknown);
  add("pad_token", tokenizer.padding);
  return out;
}

/// User-defined tokens that the template writes: they are control tokens of its
/// format, whatever the tokenizer calls them.
std::vector<int64_t> namedTokens(const import::Tokenizer &tokenizer,
                                 const Code &code) {
  llvm::StringMap<int64_t> tokens;
  std::set<size_t> sizes;
  for (size_t i = 0; i < tokenizer.types.size(); ++i) {
    const std::string &text = tokenizer.tokens[i];
    // White space is no word of a format.
    if (tokenizer.types[i] != import::TokenType::UserDefined ||
        text.size() > kLongestToken || llvm::StringRef(text).trim().empty())
      continue;
    tokens.try_emplace(text, i);
    sizes.insert(text.size());
  }
  std::set<int64_t> found;
  for (const Constant &constant : code.constants)
    if (const auto *text = std::get_if<std::string>(&constant))
      for (size_t at = 0; at < text->size(); ++at)
        for (size_t size : sizes) {
          if (size > text->size() - at)
            break;
          auto it = tokens.find(llvm::StringRef(*text).substr(at, size));
          if (it != tokens.end())
            found.insert(it->second);
        }
  return {found.begin(), found.end()};
}

/// The control or named token that follows an answer.
std::optional<int64_t> findEndOfTurn(const import::Tokenizer &tokenizer,
                                     const std::vector<int64_t> &named,
                                     const rt::ChatCode &code) {
  static constexpr char answer[] = "heddle-answer";
  std::string text;
  try {
    rt::Conversation conversation;
    conversation.generationPrompt = false;
    rt::addMessage(conversation, "user", "heddle-question");
    rt::addMessage(conversation, "assistant", answer);
    text = rt::ChatTemplate(code).render(conversation).bytes();
  } catch (const rt::Failure &) {
    return std::nullopt; // it takes other conversations only
  }
  llvm::StringRef rest = text;
  size_t at = rest.rfind(answer);
  if (at == rest.npos)
    return std::nullopt;
  rest = rest.drop_front(at + sizeof(answer) - 1).ltrim();
  std::optional<int64_t> best;
  for (size_t i = 0; i < tokenizer.types.size(); ++i) {
    const std::string &token = tokenizer.tokens[i];
    if ((tokenizer.types[i] == import::TokenType::Control ||
         llvm::is_contained(named, int64_t(i))) &&
        !token.empty() && rest.starts_with(token) &&
        (!best || token.size() > tokenizer.tokens[*best].size()))
      best = i;
  }
  return best;
}

} // namespace

llvm::Error addChatFields(const import::Tokenizer &tokenizer,
                          llvm::json::Object &section,
                          std::optional<int64_t> &endOfTurn) {
  if (tokenizer.chatTemplate.empty())
    return llvm::Error::success();
  auto code = compileTemplate(llvm::json::fixUTF8(tokenizer.chatTemplate),
                              tokenizer.chatSource);
  if (!code) {
    std::string wrong;
    llvm::Error rest = llvm::handleErrors(
        code.takeError(), [&](std::unique_ptr<Failure> failure) -> llvm::Error {
          if (failure->code == ExitCode::Malformed) {
            wrong = failure->message;
            return llvm::Error::success();
          }
          failure->hint = "`heddle compile MODEL --chat-template=none -o PROG` "
                          "makes a program that takes raw text";
          return llvm::Error(std::move(failure));
        });
    if (rest)
      return rest;
    warning(wrong + "; the program takes raw text only (`--raw`)");
    section["chat_error"] = llvm::json::fixUTF8(wrong);
    return llvm::Error::success();
  }
  rt::ChatCode run;
  run.instructions = code->instructions;
  run.variables = variables(tokenizer);
  Array constants, words{kBytecodeVersion}, control;
  for (int32_t word : code->instructions)
    words.push_back(word);
  for (const Constant &constant : code->constants) {
    constants.push_back(std::visit(ToJson(), constant));
    run.constants.push_back(std::visit(ToNlohmann(), constant));
  }
  std::vector<int64_t> named = namedTokens(tokenizer, *code);
  for (int64_t id : named)
    control.push_back(id);
  endOfTurn = findEndOfTurn(tokenizer, named, run);
  section["chat_code"] = std::move(words);
  section["chat_constants"] = std::move(constants);
  section["chat_variables"] = Array(run.variables);
  if (!control.empty())
    section["chat_control"] = std::move(control);
  return llvm::Error::success();
}

} // namespace heddle::chat
