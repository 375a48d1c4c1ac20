//===- ChatTemplate.h - Chat templates to bytecode --------------*- C++ -*-===//
//
// The subset of Jinja 3.1
// (https://jinja.palletsprojects.com/en/stable/templates) of
// docs/chat-templates.md, with the settings of transformers: trim_blocks,
// lstrip_blocks, break and continue, the tag `generation`.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_CHATTEMPLATE_CHATTEMPLATE_H
#define HEDDLE_CHATTEMPLATE_CHATTEMPLATE_H

#include "heddle/Import/Tokenizer.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace heddle::chat {

using Constant =
    std::variant<std::monostate, bool, int64_t, double, std::string>;

/// The code of a template (include/heddle/runtime/ChatBytecode.h).
struct Code {
  std::vector<int32_t> instructions; // three numbers each
  std::vector<Constant> constants;   // each once
};

/// Translates a template; `where` begins the messages (a file and a field).
/// Errors: Malformed, with the line, for what Jinja's grammar has not;
/// Unsupported, with all that is beyond the subset and the lines; Limit for
/// more than 256 KiB or nesting deeper than 100.
llvm::Expected<Code> compileTemplate(llvm::StringRef text,
                                     const std::string &where);

/// Adds to a tokenizer section (docs/program-format.md) what programs need for
/// chats: the code, what the template sees, tokens that it names. `endOfTurn`
/// becomes the token that the template puts after an answer, if it puts one.
/// One that Jinja could not read is a warning: the program takes raw text.
/// Errors: those of compileTemplate, but for Malformed.
llvm::Error addChatFields(const import::Tokenizer &tokenizer,
                          llvm::json::Object &section,
                          std::optional<int64_t> &endOfTurn);

} // namespace heddle::chat

#endif // HEDDLE_CHATTEMPLATE_CHATTEMPLATE_H
