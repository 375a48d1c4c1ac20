//===- ChatValue.cpp - The values of a chat template ----------------------===//

#include "ChatValue.h"
#include "ChatFunctions.h"
#include "Utf8.h"
#include "heddle/runtime/Failure.h"

namespace heddle::rt {

const char *typeName(const Value &value) {
  switch (value.kind) {
  case Value::Undefined:
  case Value::Absent:
    return "Undefined";
  case Value::None:
    return "NoneType";
  case Value::Bool:
    return "bool";
  case Value::Int:
    return "int";
  case Value::Float:
    return "float";
  case Value::String:
    return "str";
  case Value::List:
    return "list";
  case Value::Tuple:
    return "tuple";
  case Value::Dict:
    return "dict";
  case Value::Namespace:
    return "Namespace";
  case Value::LoopState:
    return "LoopContext";
  case Value::MacroCode:
    return "Macro";
  case Value::Global:
  case Value::Method:
    return "function";
  }
  return "";
}

void ChatHeap::tooMuch(const char *what, int64_t limit) {
  fail(ExitCode::Limit, "chat template, line " + std::to_string(line) + ": " +
                            what + " = more, limit " + std::to_string(limit));
}

void ChatHeap::raise(const std::string &message) {
  constexpr size_t kMost = 1000; // a template may say what it likes
  fail(ExitCode::Malformed, "chat template, line " + std::to_string(line) +
                                ": " + oneLine(message, kMost));
}

void ChatHeap::raiseType(const char *what, const Value &value) {
  if (value.kind == Value::Undefined)
    raise((value.text ? "'" + value.text->bytes() + "'"
                      : std::string("a value")) +
          " is undefined");
  raise(std::string(typeName(value)) + " " + what);
}

Value ChatHeap::string(Text text) {
  checkBytes(text.size());
  chargeBytes(text.size());
  Value value = Value::of(Value::String);
  value.text = &texts.emplace_back(std::move(text));
  return value;
}

Value ChatHeap::list(Values values, Value::Kind kind) {
  charge(1 + values.size() * 4);
  Value value = Value::of(kind);
  value.list = &lists.emplace_back(std::move(values));
  return value;
}

Value ChatHeap::dict(Pairs pairs, Value::Kind kind) {
  charge(1 + pairs.size() * 8);
  Value value = Value::of(kind);
  value.pairs = &dicts.emplace_back(std::move(pairs));
  return value;
}

Value ChatHeap::loop(Values items) {
  charge(1 + items.size() * 4);
  Value value = Value::of(Value::LoopState);
  value.loop = &loops.emplace_back();
  value.loop->items = std::move(items);
  return value;
}

Value ChatHeap::macro(Macro macro) {
  charge(8);
  Value value = Value::of(Value::MacroCode);
  value.macro = &macros.emplace_back(std::move(macro));
  return value;
}

Scope *ChatHeap::scope(Scope *parent) {
  charge(8);
  return &scopes.emplace_back(Scope{parent, {}});
}

Value ChatHeap::fromJson(const OrderedJson &json, int depth) {
  checkDepth(depth);
  switch (json.type()) {
  case OrderedJson::value_t::null:
    return Value::none();
  case OrderedJson::value_t::boolean:
    return Value::boolean(json.get<bool>());
  case OrderedJson::value_t::number_unsigned:
    if (json.get<uint64_t>() > uint64_t(INT64_MAX))
      raise("an integer = " + json.dump() + ", limit 9223372036854775807");
    [[fallthrough]];
  case OrderedJson::value_t::number_integer:
    return Value::number(json.get<int64_t>(), true);
  case OrderedJson::value_t::number_float:
    return Value::number(json.get<double>(), true);
  case OrderedJson::value_t::string:
    return string(Text(json.get_ref<const std::string &>(), true));
  case OrderedJson::value_t::array: {
    Values values;
    for (const OrderedJson &element : json)
      values.push_back(fromJson(element, depth + 1));
    return list(std::move(values));
  }
  case OrderedJson::value_t::object: {
    Pairs pairs;
    for (auto &[key, element] : json.items())
      pairs.emplace_back(string(Text(key, true)), fromJson(element, depth + 1));
    return dict(std::move(pairs));
  }
  default:
    raise("a value that is no JSON");
  }
}

bool ChatHeap::truth(const Value &value) {
  switch (value.kind) {
  case Value::Undefined:
  case Value::Absent:
  case Value::None:
    return false;
  case Value::Bool:
    return value.truth;
  case Value::Int:
    return value.integer != 0;
  case Value::Float:
    return value.real != 0;
  case Value::String:
    return !value.text->empty();
  case Value::List:
  case Value::Tuple:
    return !value.list->empty();
  case Value::Dict:
    return !value.pairs->empty();
  default:
    return true;
  }
}

Text ChatHeap::str(const Value &value, int depth) {
  switch (value.kind) {
  case Value::Undefined:
    return {};
  case Value::String:
    return *value.text;
  default:
    return repr(value, depth);
  }
}

Text ChatHeap::repr(const Value &value, int depth) {
  checkDepth(depth);
  charge(1);
  auto joined = [&](const char *open, const char *close, size_t count,
                    auto &&each) {
    Text out(open);
    for (size_t i = 0; i < count; ++i) {
      if (i)
        out.append(", ");
      each(i, out);
      checkBytes(out.size());
    }
    out.append(close);
    chargeBytes(out.size());
    return out;
  };
  switch (value.kind) {
  case Value::None:
    return Text("None");
  case Value::Bool:
    return Text(value.truth ? "True" : "False");
  case Value::Int:
    return Text(std::to_string(value.integer), value.user);
  case Value::Float:
    return Text(pythonFloat(value.real), value.user);
  case Value::String:
    chargeBytes(value.text->size() * 2);
    return pythonQuoted(*value.text);
  case Value::Undefined:
    return Text("Undefined");
  case Value::List:
  case Value::Tuple: {
    bool isList = value.kind == Value::List;
    bool single = !isList && value.list->size() == 1;
    return joined(isList ? "[" : "(",
                  isList   ? "]"
                  : single ? ",)"
                           : ")",
                  value.list->size(), [&](size_t i, Text &out) {
                    out.append(repr((*value.list)[i], depth + 1));
                  });
  }
  case Value::Dict:
    return joined("{", "}", value.pairs->size(), [&](size_t i, Text &out) {
      out.append(repr((*value.pairs)[i].first, depth + 1));
      out.append(": ");
      out.append(repr((*value.pairs)[i].second, depth + 1));
    });
  default:
    fail(ExitCode::Unsupported, "chat template, line " + std::to_string(line) +
                                    ": unsupported: the text of a " +
                                    typeName(value));
  }
}

bool ChatHeap::equal(const Value &a, const Value &b, int depth) {
  checkDepth(depth);
  charge(1);
  if (a.isNumber() && b.isNumber()) {
    if (a.isInteger() && b.isInteger())
      return a.asInteger() == b.asInteger();
    return a.asReal() == b.asReal();
  }
  if (a.kind != b.kind)
    return false;
  switch (a.kind) {
  case Value::Undefined:
  case Value::Absent:
  case Value::None:
    return true;
  case Value::String:
    if (a.text->size() == b.text->size())
      charge(a.text->size() / 16);
    return a.text->bytes() == b.text->bytes();
  case Value::List:
  case Value::Tuple:
    if (a.list->size() != b.list->size())
      return false;
    for (size_t i = 0; i < a.list->size(); ++i)
      if (!equal((*a.list)[i], (*b.list)[i], depth + 1))
        return false;
    return true;
  case Value::Dict:
    if (a.pairs->size() != b.pairs->size())
      return false;
    for (auto &[key, value] : *a.pairs) {
      const Value *other = find(*b.pairs, key);
      if (!other || !equal(value, *other, depth + 1))
        return false;
    }
    return true;
  case Value::Global:
    return a.integer == b.integer;
  default:
    return a.pairs == b.pairs; // the same object
  }
}

int ChatHeap::compare(const Value &a, const Value &b, int depth) {
  checkDepth(depth);
  charge(1);
  if (a.isNumber() && b.isNumber()) {
    if (a.isInteger() && b.isInteger()) {
      int64_t x = a.asInteger(), y = b.asInteger();
      return x < y ? -1 : x > y;
    }
    return a.asReal() < b.asReal() ? -1 : a.asReal() > b.asReal();
  }
  if (a.kind == Value::String && b.kind == Value::String) {
    charge(std::min(a.text->size(), b.text->size()) / 16);
    int order = a.text->bytes().compare(b.text->bytes());
    return order < 0 ? -1 : order > 0;
  }
  if (!a.isList() || a.kind != b.kind) {
    if (a.kind == Value::Undefined || b.kind == Value::Undefined)
      raiseType("", a.kind == Value::Undefined ? a : b);
    raise(std::string("no order between ") + typeName(a) + " and " +
          typeName(b));
  }
  for (size_t i = 0; i < a.list->size() && i < b.list->size(); ++i)
    if (!equal((*a.list)[i], (*b.list)[i], depth + 1))
      return compare((*a.list)[i], (*b.list)[i], depth + 1);
  return a.list->size() < b.list->size() ? -1 : a.list->size() > b.list->size();
}

bool ChatHeap::contains(const Value &container, const Value &item) {
  switch (container.kind) {
  case Value::String:
    if (item.kind != Value::String)
      raiseType("cannot be in a str", item);
    chargeBytes(container.text->size());
    return container.text->bytes().find(item.text->bytes()) !=
           std::string::npos;
  case Value::Undefined:
    return false;
  case Value::Dict:
    return find(*container.pairs, item) != nullptr;
  case Value::List:
  case Value::Tuple:
    for (const Value &element : *container.list)
      if (equal(element, item))
        return true;
    return false;
  default:
    raiseType("is not iterable", container);
  }
}

int64_t ChatHeap::length(const Value &value) {
  switch (value.kind) {
  case Value::Undefined:
    return 0;
  case Value::String:
    chargeBytes(value.text->size());
    return countCharacters(value.text->bytes());
  case Value::List:
  case Value::Tuple:
    return value.list->size();
  case Value::Dict:
    return value.pairs->size();
  case Value::LoopState:
    return value.loop->items.size();
  default:
    raiseType("has no length", value);
  }
}

Values ChatHeap::iterate(const Value &value) {
  Values values;
  switch (value.kind) {
  case Value::Undefined:
    break;
  case Value::String: {
    chargeBytes(value.text->size() * 8);
    std::vector<size_t> starts = characterStarts(value.text->bytes());
    for (size_t i = 0; i + 1 < starts.size(); ++i)
      values.push_back(string(value.text->slice(starts[i], starts[i + 1])));
    break;
  }
  case Value::List:
  case Value::Tuple:
    charge(value.list->size());
    return *value.list;
  case Value::Dict:
    charge(value.pairs->size());
    for (auto &[key, unused] : *value.pairs)
      values.push_back(key);
    break;
  default:
    raiseType("is not iterable", value);
  }
  return values;
}

const Value *ChatHeap::find(const Pairs &pairs, const Value &key) {
  for (auto &[known, value] : pairs)
    if (equal(known, key))
      return &value;
  return nullptr;
}

void ChatHeap::assign(Pairs &pairs, const Value &key, const Value &value) {
  if (key.kind > Value::String && key.kind != Value::Tuple)
    raiseType("cannot be a key", key);
  if (const Value *known = find(pairs, key))
    *const_cast<Value *>(known) = value;
  else
    pairs.emplace_back(key, value);
}

Value ChatHeap::attribute(const Value &object, const std::string &name) {
  if (object.kind == Value::Undefined)
    raiseType("", object);
  if (object.kind == Value::LoopState)
    return loopAttribute(*this, *object.loop, name);
  if (hasMethod(object, name)) {
    Value method = Value::of(Value::Method);
    method.text = nullptr;
    return method;
  }
  if (object.kind == Value::Dict || object.kind == Value::Namespace) {
    charge(1 + object.pairs->size() / 8);
    for (auto &[key, value] : *object.pairs)
      if (key.kind == Value::String && key.text->bytes() == name)
        return value;
  }
  Value undefined;
  undefined.text = string(name).text;
  return undefined;
}

Value ChatHeap::item(const Value &object, const Value &key) {
  if (object.kind == Value::Undefined)
    raiseType("", object);
  if (key.isInteger() && (object.isList() || object.kind == Value::String)) {
    int64_t at = key.asInteger(), size = length(object);
    if (at < 0)
      at += size;
    if (at < 0 || at >= size)
      return {};
    if (object.isList())
      return (*object.list)[at];
    std::vector<size_t> starts = characterStarts(object.text->bytes());
    return string(object.text->slice(starts[at], starts[at + 1]));
  }
  if (object.kind == Value::Dict)
    if (const Value *found = find(*object.pairs, key))
      return *found;
  if (key.kind == Value::String)
    return attribute(object, key.text->bytes());
  return {};
}

int64_t ChatHeap::index(const Value &value, const char *what) {
  if (!value.isInteger())
    raiseType(what, value);
  return value.asInteger();
}

Value ChatHeap::slice(const Value &object, const Value &start,
                      const Value &stop, const Value &step) {
  if (object.kind == Value::Undefined)
    raiseType("", object);
  if (!object.isList() && object.kind != Value::String)
    raiseType("cannot be sliced", object);
  int64_t by =
      step.kind == Value::None ? 1 : index(step, "is no step of a slice");
  if (by == 0)
    raise("slice step = 0, limit another");
  int64_t size = length(object);
  // As PySlice_AdjustIndices has it.
  auto bound = [&](const Value &value, int64_t fallback) {
    if (value.kind == Value::None)
      return fallback;
    int64_t at = index(value, "is no bound of a slice");
    if (at < 0)
      at = at + size < 0 ? (by < 0 ? -1 : 0) : at + size;
    else if (at >= size)
      at = by < 0 ? size - 1 : size;
    return at;
  };
  int64_t from = bound(start, by < 0 ? size - 1 : 0),
          to = bound(stop, by < 0 ? -1 : size);
  std::vector<int64_t> places;
  if (by > size)
    by = size + 1;
  else if (by < -size)
    by = -size - 1;
  for (int64_t at = from; by < 0 ? at > to : at < to; at += by)
    places.push_back(at);
  charge(places.size());
  if (object.isList()) {
    Values values;
    for (int64_t at : places)
      values.push_back((*object.list)[at]);
    return list(std::move(values), object.kind);
  }
  chargeBytes(object.text->size() * 2);
  std::vector<size_t> starts = characterStarts(object.text->bytes());
  if (by == 1)
    return string(from < to ? object.text->slice(starts[from], starts[to])
                            : Text());
  Text out;
  for (int64_t at : places)
    out.append(*object.text, starts[at], starts[at + 1]);
  return string(std::move(out));
}

} // namespace heddle::rt
