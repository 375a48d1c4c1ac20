//===- ChatMachine.h - The interpreter of chat templates -------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_CHATMACHINE_H
#define HEDDLE_RUNTIME_APP_CHATMACHINE_H

#include "ChatFunctions.h"
#include "ChatTemplate.h"
#include "heddle/runtime/ChatBytecode.h"
#include <map>

namespace heddle::rt {

/// One rendering.
class ChatMachine {
public:
  explicit ChatMachine(const ChatCode &code);

  ChatHeap heap;
  /// A variable that the template sees, if it names it.
  void define(const std::string &name, const Value &value);
  Text run();

private:
  struct Frame {
    size_t values, loops;
    Scope *scope;
  };

  void execute(size_t at, int depth);
  void arithmetic(chat::Op op);
  Value add(const Value &a, const Value &b);
  Value multiply(const Value &a, const Value &b);
  Value integers(chat::Op op, const Value &a, const Value &b);
  Value reals(chat::Op op, const Value &a, const Value &b);
  Value repeated(const Value &value, int64_t count);
  Value comparison(chat::Op op, const Value &a, const Value &b);
  void call(int32_t plain, int32_t named, int depth);
  Value callMacro(const Macro &macro, Arguments plain, Arguments named,
                  int depth);
  Value callGlobal(int32_t id, Arguments plain, Arguments named);
  Value load(int32_t name);
  void store(int32_t name, const Value &value);
  void write(const Value &value);
  void unpack(int32_t count);
  Values take(size_t count);

  void push(const Value &value) { stack.push_back(value); }
  Value pop();
  Loop &loop();
  void popScope();
  [[noreturn]] void broken();
  const Text &textOf(int32_t constant);

  const ChatCode &code;
  Values constants;
  std::map<std::string, int32_t> names; // of constants
  Values stack;
  std::vector<Text> outputs;
  std::vector<Value> loops;
  Values finished; // kept by the last loop that ended
  Scope *scope;
};

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_CHATMACHINE_H
