//===- ChatTemplate.cpp - Renders conversations ---------------------------===//

#include "ChatTemplate.h"
#include "ChatMachine.h"
#include "Utf8.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>

namespace heddle::rt {

using chat::Op;

namespace {

/// How many `a` may be at most, or -1 for those of the stack's checks.
int64_t limitOf(Op op, const ChatCode &code) {
  auto steps = static_cast<int64_t>(code.instructions.size() / 3);
  switch (op) {
  case Op::Text:
  case Op::Constant:
  case Op::Load:
  case Op::Store:
  case Op::StoreAttribute:
  case Op::Attribute:
  case Op::Default:
    return static_cast<int64_t>(code.constants.size());
  case Op::Jump:
  case Op::JumpIfFalse:
  case Op::JumpIfFalseOrPop:
  case Op::JumpIfTrueOrPop:
  case Op::MakeMacro:
  case Op::NextItem:
  case Op::EndItem:
  case Op::KeepItem:
  case Op::Break:
    return steps;
  case Op::Filter:
    return std::size(chat::kFilters);
  case Op::Test:
    return std::size(chat::kTests);
  case Op::Method:
    return std::size(chat::kMethods);
  default:
    return int64_t(INT32_MAX) + 1;
  }
}

[[noreturn]] void badCode(size_t at) {
  fail(ExitCode::Malformed,
       "tokenizer: chat_code[" + std::to_string(at) +
           "] = a number that refers to nothing, limit what the compiler "
           "writes");
}

/// The words that name a speaker belong to the format, whoever gives them, so
/// that a template may build a control token of one.
bool isKnownRole(const std::string &role) {
  static constexpr std::string_view known[] = {"system", "developer", "user",
                                               "assistant", "tool"};
  return std::find(std::begin(known), std::end(known), role) != std::end(known);
}

Value messagesOf(ChatHeap &heap, const Conversation &conversation) {
  Values messages;
  for (const OrderedJson &message : conversation.messages) {
    Value value = heap.fromJson(message);
    if (value.kind == Value::Dict)
      for (auto &[key, field] : *value.pairs)
        if (key.text->bytes() == "role" && field.kind == Value::String &&
            isKnownRole(field.text->bytes()))
          field = heap.string(field.text->bytes());
    messages.push_back(value);
  }
  return heap.list(std::move(messages));
}

} // namespace

ChatTemplate::ChatTemplate(ChatCode given) : code(std::move(given)) {
  const std::vector<int32_t> &words = code.instructions;
  if (words.size() % 3 != 0)
    badCode(words.size());
  for (size_t at = 0; at < words.size(); at += 3) {
    if (words[at] < 0 || words[at] > static_cast<int32_t>(Op::End))
      badCode(at);
    auto op = static_cast<Op>(words[at]);
    if (words[at + 1] < 0 || words[at + 1] >= limitOf(op, code))
      badCode(at + 1);
    int64_t most = op == Op::Default ? static_cast<int64_t>(words.size() / 3)
                   : op == Op::NextItem
                       ? static_cast<int64_t>(code.constants.size()) + 1
                       : int64_t(1) << 20;
    if (words[at + 2] < 0 || words[at + 2] >= most)
      badCode(at + 2);
  }
}

Text ChatTemplate::render(const Conversation &conversation) const {
  ChatMachine machine(code);
  ChatHeap &heap = machine.heap;
  // As apply_chat_template of transformers, which calls this without tools.
  machine.define("tools", Value::none());
  machine.define("documents", Value::none());
  for (size_t i = 0; i + 1 < code.variables.size(); i += 2)
    machine.define(code.variables[i], heap.string(code.variables[i + 1]));
  machine.define("messages", messagesOf(heap, conversation));
  machine.define("add_generation_prompt",
                 Value::boolean(conversation.generationPrompt));
  for (auto &[name, value] : conversation.variables.items())
    machine.define(name, heap.fromJson(value));
  Text text = machine.run();
  return conversation.trusted ? Text(text.bytes()) : text;
}

void addMessage(Conversation &conversation, const std::string &role,
                const std::string &content) {
  conversation.messages.push_back(
      {{"role", role}, {"content", sanitizeUtf8(content)}});
}

Conversation parseConversation(const std::string &text,
                               const std::string &file) {
  // Deep nesting is cut off before it is built: the parser itself is no
  // recursion, but what takes its tree apart is.
  auto shallow = [](int depth, OrderedJson::parse_event_t, OrderedJson &) {
    if (depth > ChatHeap::kDepth)
      fail(ExitCode::Limit, "conversation: nesting = deeper, limit " +
                                std::to_string(ChatHeap::kDepth));
    return true;
  };
  OrderedJson json = OrderedJson::parse(sanitizeUtf8(text), shallow,
                                        /*allow_exceptions=*/false);
  auto bad = [&](const std::string &field, const std::string &limit) {
    fail(ExitCode::Malformed, file + ": " + field + ", limit " + limit);
  };
  if (json.is_discarded())
    bad("JSON = not a value", "a list of messages");
  Conversation conversation;
  if (json.is_object()) {
    auto messages = json.find("messages");
    if (messages == json.end())
      bad("messages = absent", "a list of messages");
    conversation.messages = *messages;
    for (auto &[name, value] : json.items())
      if (name == "add_generation_prompt" && value.is_boolean())
        conversation.generationPrompt = value.get<bool>();
      else if (name != "messages")
        conversation.variables[name] = value;
  } else {
    conversation.messages = std::move(json);
  }
  if (!conversation.messages.is_array())
    bad("messages = not a list", "a list of messages");
  for (size_t i = 0; i < conversation.messages.size(); ++i) {
    const OrderedJson &message = conversation.messages[i];
    std::string at = "messages[" + std::to_string(i) + "]";
    if (!message.is_object())
      bad(at + " = not an object", "an object with role and content");
    auto role = message.find("role");
    if (role == message.end() || !role->is_string())
      bad(at + ".role = not a string", "a string");
  }
  return conversation;
}

} // namespace heddle::rt
