//===- ChatMethods.cpp - Methods of strings, lists and mappings -----------===//

#include "ChatFunctions.h"
#include "heddle/runtime/ChatBytecode.h"

namespace heddle::rt {

namespace {

using Method = Value (*)(ChatHeap &, const Value &, Arguments);

/// The text of argument `i`; null if it is not given or None.
const std::string *textArgument(ChatHeap &heap, Arguments arguments, size_t i) {
  Value value = argument(arguments, i);
  if (value.kind == Value::Absent || value.kind == Value::None)
    return nullptr;
  if (value.kind != Value::String)
    heap.raiseType("given where a str is needed", value);
  return &value.text->bytes();
}

const Text &neededText(ChatHeap &heap, Arguments arguments, size_t i) {
  Value value = argument(arguments, i);
  if (value.kind != Value::String)
    heap.raiseType("given where a str is needed", value);
  return *value.text;
}

int64_t numberArgument(ChatHeap &heap, Arguments arguments, size_t i,
                       int64_t fallback) {
  Value value = argument(arguments, i);
  if (value.kind == Value::Absent)
    return fallback;
  if (!value.isInteger())
    heap.raiseType("given where an int is needed", value);
  return value.asInteger();
}

void atMost(ChatHeap &heap, Arguments arguments, size_t most) {
  if (arguments.size() > most)
    heap.raise("arguments = " + std::to_string(arguments.size()) + ", limit " +
               std::to_string(most));
}

Value strip(ChatHeap &heap, const Value &self, Arguments arguments, bool left,
            bool right) {
  atMost(heap, arguments, 1);
  const std::string *chars = textArgument(heap, arguments, 0);
  heap.chargeBytes(self.text->size() * (chars ? 1 + chars->size() / 8 : 1));
  auto [begin, end] = stripped(self.text->bytes(), chars, left, right);
  return heap.string(self.text->slice(begin, end));
}

Value split(ChatHeap &heap, const Value &self, Arguments arguments,
            bool fromRight) {
  const std::string *separator = textArgument(heap, arguments, 0);
  if (separator && separator->empty())
    heap.raise("separator = empty, limit a text");
  heap.chargeBytes(self.text->size() * 2);
  Values values;
  for (Text &part :
       splitText(*self.text, separator, numberArgument(heap, arguments, 1, -1),
                 fromRight))
    values.push_back(heap.string(std::move(part)));
  return heap.list(std::move(values));
}

/// startswith and endswith: of one text, or of any of a tuple.
Value matches(ChatHeap &heap, const Value &self, Arguments arguments,
              bool atEnd) {
  atMost(heap, arguments, 1);
  auto one = [&](const Value &value) {
    if (value.kind != Value::String)
      heap.raiseType("given where a str is needed", value);
    heap.charge(1 + value.text->size() / 16);
    const std::string &text = self.text->bytes(), &part = value.text->bytes();
    return atEnd ? text.ends_with(part) : text.starts_with(part);
  };
  if (arguments[0].kind != Value::Tuple)
    return Value::boolean(one(arguments[0]));
  for (const Value &value : *arguments[0].list)
    if (one(value))
      return Value::boolean(true);
  return Value::boolean(false);
}

/// The characters before the first or last place of a text; -1: none.
int64_t place(ChatHeap &heap, const Value &self, Arguments arguments,
              bool last) {
  atMost(heap, arguments, 1);
  const std::string &text = self.text->bytes(),
                    &part = neededText(heap, arguments, 0).bytes();
  heap.chargeBytes(text.size());
  size_t at = last ? text.rfind(part) : text.find(part);
  return at == std::string::npos ? -1
                                 : static_cast<int64_t>(countCharacters(
                                       std::string_view(text).substr(0, at)));
}

Value changed(ChatHeap &heap, const Value &self, Case how) {
  heap.chargeBytes(self.text->size() * 4);
  return heap.string(changeCase(*self.text, how));
}

Value count(ChatHeap &heap, const Value &self, Arguments arguments) {
  atMost(heap, arguments, 1);
  if (self.isList()) {
    int64_t found = 0;
    for (const Value &element : *self.list)
      found += heap.equal(element, arguments[0]);
    return Value::number(found);
  }
  const std::string &text = self.text->bytes(),
                    &part = neededText(heap, arguments, 0).bytes();
  heap.chargeBytes(text.size());
  if (part.empty())
    return Value::number(static_cast<int64_t>(countCharacters(text)) + 1);
  int64_t found = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos;
       at += part.size())
    ++found;
  return Value::number(found);
}

Value index(ChatHeap &heap, const Value &self, Arguments arguments) {
  int64_t at = -1;
  if (self.isList()) {
    for (size_t i = 0; at < 0 && i < self.list->size(); ++i)
      if (heap.equal((*self.list)[i], arguments[0]))
        at = static_cast<int64_t>(i);
  } else {
    at = place(heap, self, arguments, false);
  }
  if (at < 0)
    heap.raise("index() of what is not there");
  return Value::number(at);
}

Value join(ChatHeap &heap, const Value &self, Arguments arguments) {
  Text out;
  bool first = true;
  for (const Value &part : heap.iterate(arguments[0])) {
    if (part.kind != Value::String)
      heap.raiseType("given where a str is needed", part);
    if (!first)
      out.append(*self.text);
    first = false;
    out.append(*part.text);
    heap.checkBytes(out.size());
  }
  return heap.string(std::move(out));
}

Value isDigit(ChatHeap &heap, const Value &self, Arguments arguments) {
  atMost(heap, arguments, 0);
  heap.chargeBytes(self.text->size());
  for (char c : self.text->bytes()) {
    if (static_cast<unsigned char>(c) >= 0x80)
      (void)changeCase(*self.text, Case::Lower); // says what is unsupported
    if (c < '0' || c > '9')
      return Value::boolean(false);
  }
  return Value::boolean(!self.text->empty());
}

Value removed(ChatHeap &heap, const Value &self, Arguments arguments,
              bool atEnd) {
  const Text &text = *self.text, &part = neededText(heap, arguments, 0);
  bool fits = atEnd ? text.bytes().ends_with(part.bytes())
                    : text.bytes().starts_with(part.bytes());
  size_t cut = fits ? part.size() : 0;
  return heap.string(atEnd ? text.slice(0, text.size() - cut)
                           : text.slice(cut, text.size()));
}

Value get(ChatHeap &heap, const Value &self, Arguments arguments) {
  atMost(heap, arguments, 2);
  if (const Value *found = heap.find(*self.pairs, arguments[0]))
    return *found;
  Value fallback = argument(arguments, 1);
  return fallback.kind == Value::Absent ? Value::none() : fallback;
}

Value entries(ChatHeap &heap, const Value &self, bool keys, bool values) {
  Values out;
  for (auto &[key, value] : *self.pairs)
    out.push_back(keys && values ? heap.list({key, value}, Value::Tuple)
                  : keys         ? key
                                 : value);
  return heap.list(std::move(out));
}

Value cycle(ChatHeap &, const Value &self, Arguments arguments) {
  return arguments[(self.loop->next - 1) % arguments.size()];
}

/// Whether the arguments differ from those of the call before.
Value hasChanged(ChatHeap &heap, const Value &self, Arguments arguments) {
  Loop &loop = *self.loop;
  bool same = loop.hasChanged && loop.changed.size() == arguments.size();
  for (size_t i = 0; same && i < arguments.size(); ++i)
    same = heap.equal(loop.changed[i], arguments[i]);
  loop.hasChanged = true;
  loop.changed.assign(arguments.begin(), arguments.end());
  return Value::boolean(!same);
}

enum Owner : unsigned { kString = 1, kList = 2, kDict = 4, kLoop = 8 };

struct Entry {
  const char *name;
  unsigned owners;
  Method call;
};

#define METHOD(expression)                                                     \
  [](ChatHeap &heap, const Value &self, Arguments arguments) -> Value {        \
    (void)heap, (void)arguments;                                               \
    return expression;                                                         \
  }

// In the order of HEDDLE_CHAT_METHODS.
const Entry kEntries[] = {
    {"capitalize", kString, METHOD(changed(heap, self, Case::Capitalized))},
    {"changed", kLoop, hasChanged},
    {"copy", kList | kDict, METHOD(self)},
    {"count", kString | kList, count},
    {"cycle", kLoop, cycle},
    {"endswith", kString, METHOD(matches(heap, self, arguments, true))},
    {"find", kString,
     METHOD(Value::number(place(heap, self, arguments, false)))},
    {"get", kDict, get},
    {"index", kString | kList, index},
    {"isdigit", kString, isDigit},
    {"items", kDict, METHOD(entries(heap, self, true, true))},
    {"join", kString, join},
    {"keys", kDict, METHOD(entries(heap, self, true, false))},
    {"lower", kString, METHOD(changed(heap, self, Case::Lower))},
    {"lstrip", kString, METHOD(strip(heap, self, arguments, true, false))},
    {"removeprefix", kString, METHOD(removed(heap, self, arguments, false))},
    {"removesuffix", kString, METHOD(removed(heap, self, arguments, true))},
    {"replace", kString,
     METHOD(
         heap.string(replaced(heap, *self.text, neededText(heap, arguments, 0),
                              neededText(heap, arguments, 1),
                              numberArgument(heap, arguments, 2, -1))))},
    {"rfind", kString,
     METHOD(Value::number(place(heap, self, arguments, true)))},
    {"rsplit", kString, METHOD(split(heap, self, arguments, true))},
    {"rstrip", kString, METHOD(strip(heap, self, arguments, false, true))},
    {"split", kString, METHOD(split(heap, self, arguments, false))},
    {"startswith", kString, METHOD(matches(heap, self, arguments, false))},
    {"strip", kString, METHOD(strip(heap, self, arguments, true, true))},
    {"title", kString, METHOD(changed(heap, self, Case::Title))},
    {"upper", kString, METHOD(changed(heap, self, Case::Upper))},
    {"values", kDict, METHOD(entries(heap, self, false, true))},
};
#undef METHOD
static_assert(std::size(kEntries) == std::size(chat::kMethods));

unsigned ownerOf(const Value &value) {
  switch (value.kind) {
  case Value::String:
    return kString;
  case Value::List:
  case Value::Tuple:
    return kList;
  case Value::Dict:
    return kDict;
  case Value::LoopState:
    return kLoop;
  default:
    return 0;
  }
}

} // namespace

bool hasMethod(const Value &value, const std::string &name) {
  unsigned owner = ownerOf(value);
  for (const Entry &entry : kEntries)
    if ((entry.owners & owner) && name == entry.name)
      return true;
  return false;
}

Value applyMethod(ChatHeap &heap, int32_t id, const Value &value,
                  Arguments arguments) {
  const Entry &entry = kEntries[id];
  if (value.kind == Value::Undefined)
    heap.raiseType("", value);
  if (!(entry.owners & ownerOf(value)))
    heap.raise(std::string(typeName(value)) + " has no method " + entry.name);
  if (arguments.size() < static_cast<size_t>(chat::kMethods[id].needed))
    heap.raise("arguments = " + std::to_string(arguments.size()) + ", limit " +
               std::to_string(chat::kMethods[id].needed));
  return entry.call(heap, value, arguments);
}

Text replaced(ChatHeap &heap, const Text &text, const Text &from,
              const Text &to, int64_t most) {
  const std::string &bytes = text.bytes();
  heap.chargeBytes(bytes.size());
  Text out;
  size_t done = 0;
  for (size_t at = 0; most != 0;) {
    // An empty text is found before each character and at the end.
    size_t found = from.empty() ? at : bytes.find(from.bytes(), at);
    if (found == std::string::npos || found > bytes.size())
      break;
    out.append(text, done, found);
    out.append(to);
    heap.checkBytes(out.size());
    heap.charge(1 + to.size() / 4);
    done = found + from.size();
    at = done;
    if (from.empty()) {
      if (++at > bytes.size())
        break;
      while (at < bytes.size() &&
             (static_cast<unsigned char>(bytes[at]) & 0xc0) == 0x80)
        ++at;
    }
    if (most > 0)
      --most;
  }
  out.append(text, done, bytes.size());
  return out;
}

Value loopAttribute(ChatHeap &heap, const Loop &loop, const std::string &name) {
  auto count = static_cast<int64_t>(loop.items.size()),
       index = static_cast<int64_t>(loop.next);
  if (name == "index")
    return Value::number(index);
  if (name == "index0")
    return Value::number(index - 1);
  if (name == "revindex")
    return Value::number(count - index + 1);
  if (name == "revindex0")
    return Value::number(count - index);
  if (name == "first")
    return Value::boolean(index == 1);
  if (name == "last")
    return Value::boolean(index == count);
  if (name == "length")
    return Value::number(count);
  // Those of recursive loops alone are deeper.
  if (name == "depth" || name == "depth0")
    return Value::number(int64_t(name == "depth"));
  if (name == "previtem" && index > 1)
    return loop.items[index - 2];
  if (name == "nextitem" && index < count)
    return loop.items[index];
  if (name == "cycle" || name == "changed")
    return Value::of(Value::Method);
  Value undefined;
  undefined.text = heap.string(name).text;
  return undefined;
}

} // namespace heddle::rt
