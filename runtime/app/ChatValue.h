//===- ChatValue.h - The values of a chat template -------------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_CHATVALUE_H
#define HEDDLE_RUNTIME_APP_CHATVALUE_H

#include "ChatText.h"
#include <deque>
#include <nlohmann/json.hpp>

namespace heddle::rt {

using OrderedJson = nlohmann::ordered_json;

struct Value;
struct Loop;
struct Macro;
using Values = std::vector<Value>;
using Pairs = std::vector<std::pair<Value, Value>>;

/// A Python value. What it points to belongs to a ChatHeap. Only namespaces and
/// loops change once they are made.
struct Value {
  enum Kind : uint8_t {
    Undefined,
    Absent, // an argument that is not given
    None,
    Bool,
    Int,
    Float,
    String,
    List,
    Tuple,
    Dict,
    Namespace,
    LoopState,
    MacroCode,
    Global, // a function, by its number
    Method  // a method that is not called
  } kind = Undefined;
  bool user = false; // of a number: the conversation's
  union {
    bool truth;
    int64_t integer = 0;
    double real;
    const Text *text; // of Undefined its name, or null
    const Values *list;
    Pairs *pairs;
    Loop *loop;
    const Macro *macro;
  };

  static Value none() { return of(None); }
  static Value absent() { return of(Absent); }
  static Value of(Kind kind) {
    Value v;
    v.kind = kind;
    return v;
  }
  static Value boolean(bool b) {
    Value v = of(Bool);
    v.truth = b;
    return v;
  }
  static Value number(int64_t i, bool user = false) {
    Value v = of(Int);
    v.integer = i;
    v.user = user;
    return v;
  }
  static Value number(double d, bool user = false) {
    Value v = of(Float);
    v.real = d;
    v.user = user;
    return v;
  }
  bool isNumber() const { return kind == Bool || kind == Int || kind == Float; }
  bool isInteger() const { return kind == Bool || kind == Int; }
  /// Of a number.
  int64_t asInteger() const { return kind == Bool ? truth : integer; }
  double asReal() const {
    return kind == Float ? real : static_cast<double>(asInteger());
  }
  bool isList() const { return kind == List || kind == Tuple; }
};

struct Scope {
  Scope *parent;
  std::vector<std::pair<int32_t, Value>> variables; // by constants of names
};

struct Loop {
  Values items, kept;
  size_t next = 0;        // index of the item at hand, and one
  bool completed = false; // a body came to its end
  Values changed;
  bool hasChanged = false;
};

struct Macro {
  int32_t entry;
  std::vector<int32_t> parameters; // constants
  Scope *scope;
};

/// Owns what one rendering makes, and counts what it costs. Everything lives
/// until the end, so that nothing is freed by recursion.
class ChatHeap {
public:
  static constexpr int64_t kSteps = 20'000'000;
  static constexpr int kDepth = 100;
  static constexpr size_t kBytes = size_t(16) << 20;
  static constexpr int64_t kRange = 100'000; // as the sandbox of Jinja

  /// Counts work. Throws Failure(Limit) when it is too much.
  void charge(uint64_t steps) {
    if ((left -= static_cast<int64_t>(std::min<uint64_t>(steps, kSteps))) < 0)
      tooMuch("steps", kSteps);
  }
  void chargeBytes(uint64_t bytes) { charge(1 + bytes / 4); }
  /// Throws where `depth` is too deep.
  void checkDepth(int depth) {
    if (depth > kDepth)
      tooMuch("depth", kDepth);
  }
  void checkBytes(uint64_t bytes) {
    if (bytes > kBytes)
      tooMuch("bytes", kBytes);
  }
  [[noreturn]] void tooMuch(const char *what, int64_t limit);
  /// Throws Failure(Malformed): what Python would raise.
  [[noreturn]] void raise(const std::string &message);
  [[noreturn]] void raiseType(const char *what, const Value &value);

  Value string(Text text);
  Value string(std::string text) { return string(Text(std::move(text))); }
  Value list(Values values, Value::Kind kind = Value::List);
  Value dict(Pairs pairs, Value::Kind kind = Value::Dict);
  Value loop(Values items);
  Value macro(Macro macro);
  Scope *scope(Scope *parent);
  /// Everything in it is the user's.
  Value fromJson(const OrderedJson &json, int depth = 0);

  // What Python's operations of these names do.
  bool truth(const Value &value);
  Text str(const Value &value, int depth = 0);
  Text repr(const Value &value, int depth = 0);
  bool equal(const Value &a, const Value &b, int depth = 0);
  /// -1, 0, 1 of values that have an order.
  int compare(const Value &a, const Value &b, int depth = 0);
  bool contains(const Value &container, const Value &item);
  int64_t length(const Value &value);
  Values iterate(const Value &value);
  Value attribute(const Value &object, const std::string &name);
  Value item(const Value &object, const Value &key);
  Value slice(const Value &object, const Value &start, const Value &stop,
              const Value &step);
  const Value *find(const Pairs &pairs, const Value &key);
  void assign(Pairs &pairs, const Value &key, const Value &value);

  int line = 0; // of the template, for messages

private:
  int64_t index(const Value &value, const char *what);
  int64_t left = kSteps;
  std::deque<Text> texts;
  std::deque<Values> lists;
  std::deque<Pairs> dicts;
  std::deque<Loop> loops;
  std::deque<Macro> macros;
  std::deque<Scope> scopes;
};

/// Python's name of a value's type.
const char *typeName(const Value &value);

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_CHATVALUE_H
