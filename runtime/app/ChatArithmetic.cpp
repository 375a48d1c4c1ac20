//===- ChatArithmetic.cpp - Operators of chat templates -------------------===//

#include "ChatMachine.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <cmath>

using heddle::chat::Op;

namespace heddle::rt {

Value ChatMachine::repeated(const Value &value, int64_t count) {
  count = std::max<int64_t>(count, 0);
  size_t size =
      value.kind == Value::String ? value.text->size() : value.list->size();
  if (size == 0)
    return value;
  if (static_cast<uint64_t>(count) > ChatHeap::kBytes / size)
    heap.tooMuch("bytes", ChatHeap::kBytes);
  heap.charge(count);
  if (value.kind == Value::String) {
    Text out;
    for (int64_t i = 0; i < count; ++i)
      out.append(*value.text);
    return heap.string(std::move(out));
  }
  heap.charge(count * size * 4);
  Values values;
  for (int64_t i = 0; i < count; ++i)
    values.insert(values.end(), value.list->begin(), value.list->end());
  return heap.list(std::move(values), value.kind);
}

Value ChatMachine::add(const Value &a, const Value &b) {
  if (a.kind == Value::String && b.kind == Value::String) {
    heap.checkBytes(a.text->size() + b.text->size());
    Text out = *a.text;
    out.append(*b.text);
    return heap.string(std::move(out));
  }
  if (a.isList() && a.kind == b.kind) {
    heap.charge(a.list->size() + b.list->size());
    Values values = *a.list;
    values.insert(values.end(), b.list->begin(), b.list->end());
    return heap.list(std::move(values), a.kind);
  }
  return Value::absent();
}

Value ChatMachine::multiply(const Value &a, const Value &b) {
  auto repeats = [](const Value &value) {
    return value.kind == Value::String || value.isList();
  };
  if (repeats(a) && b.isInteger())
    return repeated(a, b.asInteger());
  if (repeats(b) && a.isInteger())
    return repeated(b, a.asInteger());
  return Value::absent();
}

Value ChatMachine::integers(Op op, const Value &a, const Value &b) {
  int64_t x = a.asInteger(), y = b.asInteger(), result = 0;
  bool overflows = false;
  switch (op) {
  case Op::Add:
    overflows = __builtin_add_overflow(x, y, &result);
    break;
  case Op::Subtract:
    overflows = __builtin_sub_overflow(x, y, &result);
    break;
  case Op::Multiply:
    overflows = __builtin_mul_overflow(x, y, &result);
    break;
  case Op::FloorDivide:
  case Op::Remainder:
    if (y == 0)
      heap.raise("division by zero");
    if (y == -1) {
      overflows =
          op == Op::FloorDivide && __builtin_sub_overflow(0, x, &result);
    } else {
      // Rounded down, not towards zero.
      bool corrects = x % y != 0 && (x < 0) != (y < 0);
      result =
          op == Op::FloorDivide ? x / y - corrects : x % y + (corrects ? y : 0);
    }
    break;
  default: // Power
    if (y < 0)
      return reals(op, a, b);
    result = 1;
    for (int64_t i = 0; i < y && !overflows && !(result == 1 && x == 1); ++i) {
      heap.charge(1);
      overflows = __builtin_mul_overflow(result, x, &result);
      if (result == 0)
        break;
    }
    break;
  }
  if (overflows)
    heap.raise("an integer of more than 64 bits");
  return Value::number(result, a.user || b.user);
}

Value ChatMachine::reals(Op op, const Value &a, const Value &b) {
  double x = a.asReal(), y = b.asReal(), result = 0;
  bool divides =
      op == Op::Divide || op == Op::FloorDivide || op == Op::Remainder;
  if ((divides && y == 0) || (op == Op::Power && x == 0 && y < 0))
    heap.raise("division by zero");
  switch (op) {
  case Op::Add:
    result = x + y;
    break;
  case Op::Subtract:
    result = x - y;
    break;
  case Op::Multiply:
    result = x * y;
    break;
  case Op::Divide:
    result = x / y;
    break;
  case Op::FloorDivide:
    result = std::floor(x / y);
    break;
  case Op::Remainder:
    result = std::fmod(x, y);
    if (result != 0 && (result < 0) != (y < 0))
      result += y;
    break;
  default:
    result = std::pow(x, y);
    break;
  }
  return Value::number(result, a.user || b.user);
}

void ChatMachine::arithmetic(Op op) {
  Value b = pop(), a = pop(), result = Value::absent();
  if (a.isNumber() && b.isNumber())
    result = a.isInteger() && b.isInteger() && op != Op::Divide
                 ? integers(op, a, b)
                 : reals(op, a, b);
  else if (op == Op::Add)
    result = add(a, b);
  else if (op == Op::Multiply)
    result = multiply(a, b);
  else if (op == Op::Remainder && a.kind == Value::String)
    fail(ExitCode::Unsupported, "chat template, line " +
                                    std::to_string(heap.line) +
                                    ": unsupported: formatting with %");
  if (result.kind == Value::Absent) {
    if (a.kind == Value::Undefined || b.kind == Value::Undefined)
      heap.raiseType("", a.kind == Value::Undefined ? a : b);
    heap.raise(std::string("no such operation on ") + typeName(a) + " and " +
               typeName(b));
  }
  push(result);
}

Value ChatMachine::comparison(Op op, const Value &a, const Value &b) {
  switch (op) {
  case Op::Equal:
    return Value::boolean(heap.equal(a, b));
  case Op::Unequal:
    return Value::boolean(!heap.equal(a, b));
  case Op::In:
    return Value::boolean(heap.contains(b, a));
  case Op::NotIn:
    return Value::boolean(!heap.contains(b, a));
  default:
    break;
  }
  bool isReal = a.kind == Value::Float || b.kind == Value::Float;
  if (a.isNumber() && b.isNumber() && isReal &&
      std::isnan(a.asReal() + b.asReal()) && !std::isinf(a.asReal()))
    return Value::boolean(false);
  int order = heap.compare(a, b);
  return Value::boolean(op == Op::Less        ? order < 0
                        : op == Op::LessEqual ? order <= 0
                        : op == Op::Greater   ? order > 0
                                              : order >= 0);
}

} // namespace heddle::rt
