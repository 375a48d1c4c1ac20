//===- chat-probe.cpp - Renders conversations -----------------------------===//
//
// chat-probe          reads from standard input a JSON list of cases, each a
//                     conversation with its `template`, and prints a JSON list
//                     of {"text", "user"}, or {"code", "error"}. "user" has a 1
//                     for every byte of the text that is the user's, else a 0.
// chat-probe TEMPLATE prints the code of a template, an instruction a line.
//
// The tests run this built with the address and undefined-behaviour sanitizers.
//
//===----------------------------------------------------------------------===//
#include "ChatCode.h"
#include "heddle/Support/Error.h"
#include "heddle/Support/MappedFile.h"
#include "heddle/runtime/ChatBytecode.h"
#include "heddle/runtime/Failure.h"
#include "llvm/ADT/StringExtras.h"
#include <iostream>
#include <iterator>

using namespace heddle;
using Json = nlohmann::ordered_json;

static rt::ChatCode compile(const std::string &text) {
  auto code = chat::compileTemplate(text, "template");
  if (!code)
    llvm::handleAllErrors(code.takeError(), [](const Failure &failure) {
      rt::fail(rt::ExitCode(static_cast<int>(failure.code)), failure.message);
    });
  return programOf(*code);
}

static Json run(Json &item) {
  try {
    rt::ChatCode code = compile(item["template"]);
    item.erase("template");
    // Tokens are the template's, as in a program.
    for (const char *name : {"bos_token", "eos_token"})
      if (item.contains(name)) {
        code.variables.insert(code.variables.end(), {name, item[name]});
        item.erase(name);
      }
    rt::Text out = rt::ChatTemplate(std::move(code))
                       .render(rt::parseConversation(item.dump(), "case"));
    std::string user;
    for (size_t i = 0; i < out.size(); ++i)
      user += out.isUser(i) ? '1' : '0';
    return {{"text", out.bytes()}, {"user", user}};
  } catch (const rt::Failure &failure) {
    return {{"code", static_cast<int>(failure.code)},
            {"error", failure.message}};
  }
}

static int printCode(const char *path) {
  static const char *const names[] = {
#define X(name) #name,
      HEDDLE_CHAT_OPS(X)
#undef X
  };
  auto file = MappedFile::open(path);
  if (!file)
    return report(file.takeError());
  auto code = chat::compileTemplate(llvm::toStringRef(file->bytes()), path);
  if (!code)
    return report(code.takeError());
  for (size_t at = 0; at < code->instructions.size(); at += 3) {
    int32_t a = code->instructions[at + 1], b = code->instructions[at + 2];
    std::cout << at / 3 << ": " << names[code->instructions[at]] << ' ' << a
              << ' ' << b << '\n';
  }
  for (size_t i = 0; i < code->constants.size(); ++i)
    std::cout << "constant " << i << ": "
              << std::visit(
                     [](const auto &value) {
                       if constexpr (std::is_same_v<decltype(value),
                                                    const std::monostate &>)
                         return Json().dump();
                       else
                         return Json(value).dump();
                     },
                     code->constants[i])
              << '\n';
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2)
    return printCode(argv[1]);
  std::string input{std::istreambuf_iterator<char>(std::cin), {}};
  Json results = Json::array();
  for (Json &item : Json::parse(input))
    results.push_back(run(item));
  std::cout << results.dump() << '\n';
  return 0;
}
