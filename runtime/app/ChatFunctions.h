//===- ChatFunctions.h - Filters, tests and methods ------------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_CHATFUNCTIONS_H
#define HEDDLE_RUNTIME_APP_CHATFUNCTIONS_H

#include "ChatValue.h"
#include <span>

namespace heddle::rt {

/// Arguments that are not given are Absent or beyond the end.
using Arguments = std::span<const Value>;

inline Value argument(Arguments arguments, size_t i) {
  return i < arguments.size() ? arguments[i] : Value::absent();
}

/// Function `id` (a position of heddle::chat's tables, checked) of `value`.
Value applyFilter(ChatHeap &heap, int32_t id, const Value &value,
                  Arguments arguments);
bool applyTest(ChatHeap &heap, int32_t id, const Value &value,
               Arguments arguments);
/// Throws where the value's type has no such method.
Value applyMethod(ChatHeap &heap, int32_t id, const Value &value,
                  Arguments arguments);
bool hasMethod(const Value &value, const std::string &name);
Value loopAttribute(ChatHeap &heap, const Loop &loop, const std::string &name);

/// `text` with the first `most` places of `from` (all if negative) replaced.
Text replaced(ChatHeap &heap, const Text &text, const Text &from,
              const Text &to, int64_t most);

Text toJson(ChatHeap &heap, const Value &value, bool ascii, int64_t indent,
            bool sorted, const Text &comma, const Text &colon, int depth = 0);

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_CHATFUNCTIONS_H
