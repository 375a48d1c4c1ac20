//===- ChatFilters.cpp - Filters and tests of chat templates --------------===//

#include "ChatFunctions.h"
#include "heddle/runtime/ChatBytecode.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <charconv>
#include <cmath>
#include <list>

namespace heddle::rt {

namespace {

using Filter = Value (*)(ChatHeap &, const Value &, Arguments);
using Test = bool (*)(ChatHeap &, const Value &, Arguments);

bool isGiven(const Value &value) { return value.kind != Value::Absent; }

bool flag(ChatHeap &heap, Arguments arguments, size_t i, bool fallback) {
  Value value = argument(arguments, i);
  return isGiven(value) ? heap.truth(value) : fallback;
}

/// A value's attribute by a path, a.b.0; the value itself without one.
Value byPath(ChatHeap &heap, Value value, const Value &path) {
  if (!isGiven(path) || path.kind == Value::None)
    return value;
  if (path.isInteger())
    return heap.item(value, path);
  if (path.kind != Value::String)
    heap.raiseType("is no attribute", path);
  const std::string &names = path.text->bytes();
  for (size_t at = 0; at <= names.size();) {
    size_t dot = std::min(names.find('.', at), names.size());
    std::string name = names.substr(at, dot - at);
    int64_t number;
    auto [end, error] =
        std::from_chars(name.data(), name.data() + name.size(), number);
    bool isNumber = error == std::errc() && end == name.data() + name.size() &&
                    name[0] != '-';
    value = heap.item(value, isNumber ? Value::number(number)
                                      : heap.string(std::move(name)));
    at = dot + 1;
  }
  return value;
}

Value text(ChatHeap &heap, const Value &value) {
  return value.kind == Value::String ? value : heap.string(heap.str(value));
}

Value changed(ChatHeap &heap, const Value &value, Case how) {
  Value string = text(heap, value);
  heap.chargeBytes(string.text->size() * 4);
  return heap.string(changeCase(*string.text, how));
}

Value trim(ChatHeap &heap, const Value &value, Arguments arguments) {
  Value string = text(heap, value), chars = argument(arguments, 0);
  bool given = isGiven(chars) && chars.kind != Value::None;
  if (given && chars.kind != Value::String)
    heap.raiseType("given where a str is needed", chars);
  heap.chargeBytes(string.text->size());
  auto [begin, end] = stripped(
      string.text->bytes(), given ? &chars.text->bytes() : nullptr, true, true);
  return heap.string(string.text->slice(begin, end));
}

Value fallback(ChatHeap &heap, const Value &value, Arguments arguments) {
  bool missing = value.kind == Value::Undefined ||
                 (flag(heap, arguments, 1, false) && !heap.truth(value));
  if (!missing)
    return value;
  Value other = argument(arguments, 0);
  return isGiven(other) ? other : heap.string(Text());
}

Value join(ChatHeap &heap, const Value &value, Arguments arguments) {
  Text between, out;
  if (isGiven(argument(arguments, 0)))
    between = heap.str(arguments[0]);
  bool first = true;
  for (const Value &element : heap.iterate(value)) {
    if (!first)
      out.append(between);
    first = false;
    out.append(heap.str(byPath(heap, element, argument(arguments, 1))));
    heap.checkBytes(out.size());
    heap.charge(1 + between.size() / 4);
  }
  return heap.string(std::move(out));
}

Value absolute(ChatHeap &heap, const Value &value, Arguments) {
  if (value.kind == Value::Float)
    return Value::number(std::fabs(value.real), value.user);
  if (!value.isInteger() || value.asInteger() == INT64_MIN)
    heap.raiseType("has no absolute value", value);
  return Value::number(std::abs(value.asInteger()), value.user);
}

bool parseReal(const std::string &text, double &value) {
  auto [begin, end] = stripped(text, nullptr, true, true);
  const char *from = text.data() + begin, *to = text.data() + end;
  if (from < to && *from == '+')
    ++from;
  auto [stop, error] = std::from_chars(from, to, value);
  return error == std::errc() && stop == to && from != to;
}

Value toInt(ChatHeap &heap, const Value &value, Arguments arguments) {
  Value base = argument(arguments, 1), other = argument(arguments, 0);
  int64_t radix = isGiven(base) && base.isInteger() ? base.asInteger() : 10;
  if (radix < 2 || radix > 36)
    heap.raise("base = " + std::to_string(radix) + ", limit 2 to 36");
  if (value.isInteger())
    return Value::number(value.asInteger(), value.user);
  double real = 0;
  bool isReal = value.kind == Value::Float;
  if (isReal)
    real = value.real;
  if (value.kind == Value::String) {
    const std::string &bytes = value.text->bytes();
    auto [begin, end] = stripped(bytes, nullptr, true, true);
    const char *from = bytes.data() + begin, *to = bytes.data() + end;
    if (from < to && *from == '+')
      ++from;
    int64_t number;
    auto [stop, error] =
        std::from_chars(from, to, number, static_cast<int>(radix));
    if (error == std::errc() && stop == to && from != to)
      return Value::number(number, true);
    isReal = parseReal(bytes, real);
  }
  if (isReal && std::fabs(real) < 9e18)
    return Value::number(static_cast<int64_t>(real), true);
  return isGiven(other) ? other : Value::number(int64_t(0));
}

Value toFloat(ChatHeap &, const Value &value, Arguments arguments) {
  if (value.isNumber())
    return Value::number(value.asReal(), value.user);
  double real;
  if (value.kind == Value::String && parseReal(value.text->bytes(), real))
    return Value::number(real, true);
  Value other = argument(arguments, 0);
  return isGiven(other) ? other : Value::number(0.0);
}

Value items(ChatHeap &heap, const Value &value, Arguments) {
  if (value.kind == Value::Undefined)
    return heap.list({});
  if (value.kind != Value::Dict)
    heap.raiseType("is no mapping", value);
  Values out;
  for (auto &[key, element] : *value.pairs)
    out.push_back(heap.list({key, element}, Value::Tuple));
  return heap.list(std::move(out));
}

Value end(ChatHeap &heap, const Value &value, bool last) {
  Values values = heap.iterate(value);
  return values.empty() ? Value() : last ? values.back() : values.front();
}

Value reverse(ChatHeap &heap, const Value &value, Arguments) {
  Values values = heap.iterate(value);
  std::reverse(values.begin(), values.end());
  if (value.kind != Value::String)
    return heap.list(std::move(values));
  Text out;
  for (const Value &character : values)
    out.append(*character.text);
  return heap.string(std::move(out));
}

/// What values are ordered and told apart by: strings in lower case.
Value keyOf(ChatHeap &heap, const Value &value, const Value &path, bool cased) {
  Value key = byPath(heap, value, path);
  return key.kind == Value::String && !cased ? changed(heap, key, Case::Lower)
                                             : key;
}

Value sorted(ChatHeap &heap, Values values, const Value &path, bool cased,
             bool descending) {
  // A list's sort is stable, and safe where NaN makes the order inconsistent.
  std::list<std::pair<Value, Value>> keyed;
  for (const Value &value : values)
    keyed.emplace_back(keyOf(heap, value, path, cased), value);
  keyed.sort([&](auto &a, auto &b) {
    int order = heap.compare(a.first, b.first);
    return descending ? order > 0 : order < 0;
  });
  values.clear();
  for (auto &[key, value] : keyed)
    values.push_back(value);
  return heap.list(std::move(values));
}

Value sort(ChatHeap &heap, const Value &value, Arguments arguments) {
  return sorted(heap, heap.iterate(value), argument(arguments, 2),
                flag(heap, arguments, 1, false),
                flag(heap, arguments, 0, false));
}

Value dictSort(ChatHeap &heap, const Value &value, Arguments arguments) {
  Value by = argument(arguments, 1);
  int64_t place = isGiven(by) && heap.str(by).bytes() == "value";
  Value pairs = items(heap, value, {});
  return sorted(heap, *pairs.list, Value::number(place),
                flag(heap, arguments, 0, false),
                flag(heap, arguments, 2, false));
}

Value unique(ChatHeap &heap, const Value &value, Arguments arguments) {
  Values kept, keys;
  for (const Value &element : heap.iterate(value)) {
    Value key = keyOf(heap, element, argument(arguments, 1),
                      flag(heap, arguments, 0, false));
    if (std::none_of(keys.begin(), keys.end(), [&](const Value &known) {
          return heap.equal(known, key);
        })) {
      keys.push_back(key);
      kept.push_back(element);
    }
  }
  return heap.list(std::move(kept));
}

Value extreme(ChatHeap &heap, const Value &value, int wanted) {
  Value best, bestKey;
  bool first = true;
  for (const Value &element : heap.iterate(value)) {
    Value key = keyOf(heap, element, Value::absent(), false);
    if (first || heap.compare(key, bestKey) == wanted) {
      best = element;
      bestKey = key;
    }
    first = false;
  }
  return best;
}

Value sum(ChatHeap &heap, const Value &value, Arguments arguments) {
  Value total = argument(arguments, 1);
  if (!isGiven(total))
    total = Value::number(int64_t(0));
  for (const Value &element : heap.iterate(value)) {
    Value number = byPath(heap, element, argument(arguments, 0));
    if (!number.isNumber() || !total.isNumber())
      heap.raiseType("cannot be summed", number);
    bool user = total.user || number.user;
    int64_t whole;
    if (total.kind == Value::Float || number.kind == Value::Float)
      total = Value::number(total.asReal() + number.asReal(), user);
    else if (__builtin_add_overflow(total.asInteger(), number.asInteger(),
                                    &whole))
      heap.raise("an integer of more than 64 bits");
    else
      total = Value::number(whole, user);
  }
  return total;
}

int32_t named(ChatHeap &heap, const Value &name, bool isTest) {
  std::string text = name.kind == Value::String ? name.text->bytes() : "";
  int32_t id = isTest ? chat::findFunction(chat::kTests, text)
                      : chat::findFunction(chat::kFilters, text);
  if (id < 0)
    fail(ExitCode::Unsupported,
         "chat template, line " + std::to_string(heap.line) +
             ": unsupported: " + (isTest ? "test '" : "filter '") + text + "'");
  return id;
}

void needArguments(ChatHeap &heap, const chat::Function &function,
                   Arguments arguments) {
  if (arguments.size() < static_cast<size_t>(function.needed))
    heap.raise(std::string(function.name) +
               ": arguments = " + std::to_string(arguments.size()) +
               ", limit at least " + std::to_string(function.needed));
}

Value map(ChatHeap &heap, const Value &value, Arguments arguments) {
  Values out;
  Value name = argument(arguments, 0);
  int32_t id = isGiven(name) ? named(heap, name, false) : -1;
  for (const Value &element : heap.iterate(value)) {
    if (id >= 0) {
      out.push_back(applyFilter(heap, id, element, arguments.subspan(1)));
      continue;
    }
    Value found = byPath(heap, element, argument(arguments, 1));
    Value other = argument(arguments, 2);
    out.push_back(found.kind == Value::Undefined && isGiven(other) ? other
                                                                   : found);
  }
  return heap.list(std::move(out));
}

/// select, reject and, by the attribute that comes first, selectattr and
/// rejectattr.
Value chosen(ChatHeap &heap, const Value &value, Arguments arguments,
             bool byAttribute, bool wanted) {
  Value path = Value::absent();
  if (byAttribute) {
    path = arguments[0];
    arguments = arguments.subspan(1);
  }
  int32_t id =
      arguments.empty() ? -1 : named(heap, arguments[0], /*isTest=*/true);
  Values kept;
  for (const Value &element : heap.iterate(value)) {
    Value tested = byPath(heap, element, path);
    bool passes = id < 0 ? heap.truth(tested)
                         : applyTest(heap, id, tested, arguments.subspan(1));
    if (passes == wanted)
      kept.push_back(element);
  }
  return heap.list(std::move(kept));
}

Value replace(ChatHeap &heap, const Value &value, Arguments arguments) {
  Value count = argument(arguments, 2);
  bool limited = isGiven(count) && count.kind != Value::None;
  if (limited && !count.isInteger())
    heap.raiseType("given where an int is needed", count);
  return heap.string(replaced(heap, *text(heap, value).text,
                              heap.str(arguments[0]), heap.str(arguments[1]),
                              limited ? count.asInteger() : -1));
}

Value json(ChatHeap &heap, const Value &value, Arguments arguments) {
  Value indent = argument(arguments, 1), separators = argument(arguments, 2);
  int64_t width = -1;
  if (isGiven(indent) && indent.kind != Value::None) {
    if (!indent.isInteger() || indent.asInteger() > 64)
      heap.raiseType("is no indent, limit 64", indent);
    width = std::max<int64_t>(indent.asInteger(), 0);
  }
  Text comma(width >= 0 ? "," : ", "), colon(": ");
  if (isGiven(separators) && separators.kind != Value::None) {
    if (!separators.isList() || separators.list->size() != 2)
      heap.raiseType("is no pair of separators", separators);
    comma = heap.str((*separators.list)[0]);
    colon = heap.str((*separators.list)[1]);
  }
  return heap.string(toJson(heap, value, flag(heap, arguments, 0, false), width,
                            flag(heap, arguments, 3, false), comma, colon));
}

#define FILTER(expression)                                                     \
  [](ChatHeap &heap, const Value &value, Arguments arguments) -> Value {       \
    (void)heap, (void)arguments;                                               \
    return expression;                                                         \
  }

namespace filter {
constexpr Filter Abs = absolute, DefaultValue = fallback, DictSort = dictSort,
                 Float = toFloat, Int = toInt, Items = items, Join = join,
                 Map = map, Replace = replace, Reverse = reverse, Sort = sort,
                 Sum = sum, ToJson = json, Trim = trim, Unique = unique;
constexpr Filter Capitalize = FILTER(changed(heap, value, Case::Capitalized)),
                 First = FILTER(end(heap, value, false)),
                 Last = FILTER(end(heap, value, true)),
                 Length = FILTER(Value::number(heap.length(value))),
                 Lower = FILTER(changed(heap, value, Case::Lower)),
                 Max = FILTER(extreme(heap, value, 1)),
                 Min = FILTER(extreme(heap, value, -1)),
                 Reject = FILTER(chosen(heap, value, arguments, false, false)),
                 RejectAttr =
                     FILTER(chosen(heap, value, arguments, true, false)),
                 Safe = FILTER(text(heap, value)),
                 Select = FILTER(chosen(heap, value, arguments, false, true)),
                 SelectAttr =
                     FILTER(chosen(heap, value, arguments, true, true)),
                 Title = FILTER(changed(heap, value, Case::WordTitle)),
                 ToList = FILTER(heap.list(heap.iterate(value))),
                 ToString = FILTER(text(heap, value)),
                 Upper = FILTER(changed(heap, value, Case::Upper));
} // namespace filter

#define X(name, id, needed, arguments) filter::id,
const Filter kFilters[] = {HEDDLE_CHAT_FILTERS(X)};
#undef X

int order(ChatHeap &heap, const Value &value, Arguments arguments) {
  return heap.compare(value, arguments[0]);
}

int64_t divided(ChatHeap &heap, const Value &value, const Value &by) {
  if (!value.isInteger() || !by.isInteger())
    heap.raiseType("cannot be divided", value.isInteger() ? by : value);
  if (by.asInteger() == 0)
    heap.raise("division by zero");
  return by.asInteger() == -1 ? 0 : value.asInteger() % by.asInteger();
}

#define TEST(expression)                                                       \
  [](ChatHeap &heap, const Value &value, Arguments arguments) -> bool {        \
    (void)heap, (void)arguments;                                               \
    return expression;                                                         \
  }

namespace test {
constexpr Test IsUnequal = TEST(!heap.equal(value, arguments[0])),
               IsEqual = TEST(heap.equal(value, arguments[0])),
               IsLess = TEST(order(heap, value, arguments) < 0),
               IsLessEqual = TEST(order(heap, value, arguments) <= 0),
               IsGreater = TEST(order(heap, value, arguments) > 0),
               IsGreaterEqual = TEST(order(heap, value, arguments) >= 0),
               IsBoolean = TEST(value.kind == Value::Bool),
               IsCallable = TEST(value.kind >= Value::MacroCode),
               IsDefined = TEST(value.kind != Value::Undefined),
               IsDivisibleBy = TEST(divided(heap, value, arguments[0]) == 0),
               IsEven =
                   TEST(divided(heap, value, Value::number(int64_t(2))) == 0),
               IsFalse = TEST(value.kind == Value::Bool && !value.truth),
               IsFloat = TEST(value.kind == Value::Float),
               IsIn = TEST(heap.contains(arguments[0], value)),
               IsInteger = TEST(value.kind == Value::Int),
               IsIterable = TEST(
                   value.kind == Value::Undefined || value.isList() ||
                   value.kind == Value::String || value.kind == Value::Dict),
               IsMapping = TEST(value.kind == Value::Dict),
               IsNone = TEST(value.kind == Value::None),
               IsNumber = TEST(value.isNumber()),
               IsOdd =
                   TEST(divided(heap, value, Value::number(int64_t(2))) != 0),
               IsSame = TEST(value.kind == arguments[0].kind &&
                             (value.kind < Value::String
                                  ? heap.equal(value, arguments[0])
                                  : value.pairs == arguments[0].pairs)),
               IsSequence = IsIterable,
               IsString = TEST(value.kind == Value::String),
               IsTrue = TEST(value.kind == Value::Bool && value.truth),
               IsUndefined = TEST(value.kind == Value::Undefined);
} // namespace test

#define X(name, id, needed, arguments) test::id,
const Test kTests[] = {HEDDLE_CHAT_TESTS(X)};
#undef X

} // namespace

Text toJson(ChatHeap &heap, const Value &value, bool ascii, int64_t indent,
            bool sorted, const Text &comma, const Text &colon, int depth) {
  heap.checkDepth(depth);
  heap.charge(1);
  auto newline = [&](Text &out, int level) {
    if (indent >= 0)
      out.append("\n" + std::string(indent * level, ' '));
  };
  auto inside = [&](const Value &element) {
    return toJson(heap, element, ascii, indent, sorted, comma, colon,
                  depth + 1);
  };
  auto grown = [&](const Text &out) {
    heap.checkBytes(out.size());
    heap.chargeBytes(out.size() / 2);
  };
  switch (value.kind) {
  case Value::None:
    return Text("null");
  case Value::Bool:
    return Text(value.truth ? "true" : "false");
  case Value::Float:
    if (!std::isfinite(value.real))
      return Text(std::isnan(value.real) ? "NaN"
                  : value.real < 0       ? "-Infinity"
                                         : "Infinity");
    return heap.repr(value);
  case Value::Int:
    return heap.repr(value);
  case Value::String:
    heap.chargeBytes(value.text->size() * 2);
    return jsonQuoted(*value.text, ascii);
  case Value::List:
  case Value::Tuple: {
    if (value.list->empty())
      return Text("[]");
    Text out("[");
    for (size_t i = 0; i < value.list->size(); ++i) {
      if (i)
        out.append(comma);
      newline(out, depth + 1);
      out.append(inside((*value.list)[i]));
      heap.checkBytes(out.size());
    }
    newline(out, depth);
    out.append("]");
    grown(out);
    return out;
  }
  case Value::Dict: {
    if (value.pairs->empty())
      return Text("{}");
    std::list<std::pair<Value, Value>> pairs(value.pairs->begin(),
                                             value.pairs->end());
    heap.charge(pairs.size());
    if (sorted)
      pairs.sort(
          [&](auto &a, auto &b) { return heap.compare(a.first, b.first) < 0; });
    Text out("{");
    bool first = true;
    for (auto &[key, element] : pairs) {
      if (!first)
        out.append(comma);
      first = false;
      newline(out, depth + 1);
      // Keys that are no strings are written as one.
      if (key.kind == Value::String)
        out.append(jsonQuoted(*key.text, ascii));
      else if (key.isNumber() || key.kind == Value::None)
        out.append(jsonQuoted(inside(key), ascii));
      else
        heap.raiseType("is no key of JSON", key);
      out.append(colon);
      out.append(inside(element));
      heap.checkBytes(out.size());
    }
    newline(out, depth);
    out.append("}");
    grown(out);
    return out;
  }
  default:
    heap.raiseType("is no JSON", value);
  }
}

Value applyFilter(ChatHeap &heap, int32_t id, const Value &value,
                  Arguments arguments) {
  heap.charge(1);
  needArguments(heap, chat::kFilters[id], arguments);
  return kFilters[id](heap, value, arguments);
}

bool applyTest(ChatHeap &heap, int32_t id, const Value &value,
               Arguments arguments) {
  heap.charge(1);
  needArguments(heap, chat::kTests[id], arguments);
  return kTests[id](heap, value, arguments);
}

} // namespace heddle::rt
