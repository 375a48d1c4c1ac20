//===- ChatTemplate.h - Renders conversations ------------------*- C++ -*-===//
//
// Runs the code that lib/ChatTemplate writes (docs/chat-templates.md). Part of
// programs, and of the compiler, which tries a template.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_RUNTIME_APP_CHATTEMPLATE_H
#define HEDDLE_RUNTIME_APP_CHATTEMPLATE_H

#include "ChatText.h"
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace heddle::rt {

/// The fields of a tokenizer section that are about chats.
struct ChatCode {
  std::vector<int32_t> instructions;     // chat_code, without the version
  std::vector<nlohmann::json> constants; // chat_constants
  std::vector<std::string> variables;    // chat_variables: name, text, name, …
};

struct Conversation {
  /// An array of objects with a `role`.
  nlohmann::ordered_json messages = nlohmann::ordered_json::array();
  /// What else the template sees, by name.
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();
  bool generationPrompt = true;
  /// Its strings count as the template's (control tokens in them match).
  bool trusted = false;
};

class ChatTemplate {
public:
  /// Throws Failure(Malformed) for code that refers outside of itself.
  explicit ChatTemplate(ChatCode code);

  /// The text. Throws Failure: Malformed where the template raises (a
  /// conversation it does not take), Limit (ChatHeap's), Unsupported.
  Text render(const Conversation &conversation) const;

private:
  ChatCode code;
};

/// Adds a message, of the user's words alone.
void addMessage(Conversation &conversation, const std::string &role,
                const std::string &content);

/// Reads [{"role": …, "content": …}, …], or an object of `messages` and other
/// variables; throws Failure(Malformed) naming `file`.
Conversation parseConversation(const std::string &text,
                               const std::string &file);

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_CHATTEMPLATE_H
