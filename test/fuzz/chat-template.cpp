//===- chat-template.cpp - Fuzzes chat templates and conversations --------===//
//
// A template, and after a NUL the JSON of a conversation (none: a system
// message, a question and an answer). What compiles is run.
//
//===----------------------------------------------------------------------===//
#include "../../runtime/app/Utf8.h"
#include "../ChatTemplate/ChatCode.h"
#include "Fuzz.h"
#include "heddle/runtime/Failure.h"

using namespace heddle;

namespace {

rt::Conversation conversationOf(llvm::StringRef text) {
  if (!text.empty())
    return rt::parseConversation(text.str(), "conversation");
  rt::Conversation conversation;
  rt::addMessage(conversation, "system", " be brief\n");
  rt::addMessage(conversation, "user", "Why? \xc3\xa9 <s>");
  rt::addMessage(conversation, "assistant", "x</think>Because.");
  return conversation;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::StringRef rest(reinterpret_cast<const char *>(data), size);
  // The importer hands over valid text only (addChatFields).
  auto code = chat::compileTemplate(
      rt::sanitizeUtf8(fuzz::nextText(rest).str()), "template");
  if (!code) {
    fuzz::refused(code.takeError());
    return 0;
  }
  try {
    // Code that the compiler wrote refers to nothing outside of itself.
    rt::ChatCode program = programOf(*code);
    program.variables = {"bos_token", "<s>", "eos_token", "</s>"};
    rt::ChatTemplate chatTemplate(std::move(program));
    rt::Text text = chatTemplate.render(conversationOf(fuzz::nextText(rest)));
    fuzz::require(text.user().empty() || text.user().size() == text.size(),
                  "bytes of no origin");
    fuzz::require(rt::sanitizeUtf8(text.bytes()) == text.bytes(),
                  "half a character");
  } catch (const rt::Failure &failure) {
    fuzz::require(!llvm::StringRef(failure.message).contains("chat_code"),
                  "code that is called malformed: " + failure.message);
    fuzz::refused(llvm::make_error<Failure>(
        ExitCode(static_cast<int>(failure.code)), failure.message));
  }
  return 0;
}
