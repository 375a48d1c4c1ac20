//===- ChatCode.h - What was compiled as a program has it -------*- C++ -*-===//
#ifndef HEDDLE_TEST_CHATTEMPLATE_CHATCODE_H
#define HEDDLE_TEST_CHATTEMPLATE_CHATCODE_H

#include "../../runtime/app/ChatTemplate.h"
#include "heddle/ChatTemplate/ChatTemplate.h"

/// Without variables.
inline heddle::rt::ChatCode programOf(const heddle::chat::Code &code) {
  heddle::rt::ChatCode out;
  out.instructions = code.instructions;
  for (const heddle::chat::Constant &constant : code.constants)
    out.constants.push_back(std::visit(
        [](const auto &value) -> nlohmann::json {
          if constexpr (std::is_same_v<decltype(value), const std::monostate &>)
            return nullptr;
          else
            return value;
        },
        constant));
  return out;
}

#endif // HEDDLE_TEST_CHATTEMPLATE_CHATCODE_H
