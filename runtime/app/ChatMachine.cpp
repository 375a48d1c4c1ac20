//===- ChatMachine.cpp - The interpreter of chat templates ----------------===//

#include "ChatMachine.h"
#include "heddle/runtime/Failure.h"
#include <algorithm>
#include <ctime>

using heddle::chat::Op;

namespace heddle::rt {

ChatMachine::ChatMachine(const ChatCode &code) : code(code) {
  for (const nlohmann::json &constant : code.constants) {
    auto index = static_cast<int32_t>(constants.size());
    if (constant.is_string()) {
      names.emplace(constant.get_ref<const std::string &>(), index);
      constants.push_back(heap.string(constant.get<std::string>()));
    } else if (constant.is_boolean()) {
      constants.push_back(Value::boolean(constant.get<bool>()));
    } else if (constant.is_number_integer()) {
      constants.push_back(Value::number(constant.get<int64_t>()));
    } else if (constant.is_number_float()) {
      constants.push_back(Value::number(constant.get<double>()));
    } else {
      constants.push_back(Value::none());
    }
  }
  scope = heap.scope(nullptr);
}

void ChatMachine::define(const std::string &name, const Value &value) {
  if (auto it = names.find(name); it != names.end())
    store(it->second, value);
}

Text ChatMachine::run() {
  outputs.emplace_back();
  execute(0, 0);
  if (outputs.size() != 1)
    broken();
  return std::move(outputs[0]);
}

void ChatMachine::broken() {
  fail(ExitCode::Malformed,
       "tokenizer: chat_code = code that does not fit together, limit what "
       "the compiler writes");
}

Value ChatMachine::pop() {
  if (stack.empty())
    broken();
  Value value = stack.back();
  stack.pop_back();
  return value;
}

Values ChatMachine::take(size_t count) {
  if (count > stack.size())
    broken();
  Values values(stack.end() - static_cast<ptrdiff_t>(count), stack.end());
  stack.resize(stack.size() - count);
  return values;
}

Loop &ChatMachine::loop() {
  if (loops.empty())
    broken();
  return *loops.back().loop;
}

void ChatMachine::popScope() {
  if (!scope->parent)
    broken();
  scope = scope->parent;
}

const Text &ChatMachine::textOf(int32_t constant) {
  if (constants[constant].kind != Value::String)
    broken();
  return *constants[constant].text;
}

Value ChatMachine::load(int32_t name) {
  uint64_t looked = 1;
  const Value *found = nullptr;
  for (Scope *at = scope; at && !found; at = at->parent)
    for (auto &[known, value] : at->variables)
      if (++looked, known == name) {
        found = &value;
        break;
      }
  heap.charge(looked / 8);
  // A parameter that is not given hides other variables of its name.
  if (found && found->kind != Value::Absent)
    return *found;
  const Text &text = textOf(name);
  int32_t id = found ? -1 : chat::findFunction(chat::kGlobals, text.bytes());
  if (id >= 0) {
    Value global = Value::of(Value::Global);
    global.integer = id;
    return global;
  }
  Value undefined;
  undefined.text = &text;
  return undefined;
}

void ChatMachine::store(int32_t name, const Value &value) {
  for (auto &[known, old] : scope->variables)
    if (known == name) {
      old = value;
      return;
    }
  scope->variables.emplace_back(name, value);
}

void ChatMachine::write(const Value &value) {
  if (outputs.empty())
    broken();
  Text text = heap.str(value);
  heap.chargeBytes(text.size());
  outputs.back().append(text);
  heap.checkBytes(outputs.back().size());
}

void ChatMachine::unpack(int32_t count) {
  Values values = heap.iterate(pop());
  if (values.size() != static_cast<size_t>(count))
    heap.raise("values to unpack = " + std::to_string(values.size()) +
               ", limit " + std::to_string(count));
  stack.insert(stack.end(), values.rbegin(), values.rend());
}

Value ChatMachine::callGlobal(int32_t id, Arguments plain, Arguments named) {
  const std::string_view name = chat::kGlobals[id].name;
  auto text = [&](size_t i) {
    if (plain.size() != 1 || !named.empty())
      heap.raise(std::string(name) + ": arguments = another count, limit one");
    return heap.str(plain[i]);
  };
  if (name == "raise_exception")
    heap.raise(text(0).bytes());
  if (name == "strftime_now") {
    std::string format = text(0).bytes();
    time_t now = time(nullptr);
    tm parts;
    localtime_r(&now, &parts);
    char buffer[1024];
    heap.checkDepth(format.size() > 256 ? ChatHeap::kDepth + 1 : 0);
    return heap.string(std::string(
        buffer, strftime(buffer, sizeof(buffer), format.c_str(), &parts)));
  }
  if (name == "range") {
    int64_t bounds[3] = {0, 0, 1};
    if (plain.empty() || plain.size() > 3 || !named.empty())
      heap.raise("range: arguments = another count, limit 1 to 3");
    for (size_t i = 0; i < plain.size(); ++i) {
      if (!plain[i].isInteger())
        heap.raiseType("is no bound of a range", plain[i]);
      bounds[plain.size() == 1 ? 1 : i] = plain[i].asInteger();
    }
    auto [from, to, step] = bounds;
    if (step == 0)
      heap.raise("range: step = 0, limit another");
    Values values;
    __int128 count =
        (static_cast<__int128>(to) - from + step - (step > 0 ? 1 : -1)) / step;
    if (count > ChatHeap::kRange)
      heap.tooMuch("elements of a range", ChatHeap::kRange);
    for (int64_t i = 0; i < static_cast<int64_t>(count); ++i)
      values.push_back(Value::number(from + i * step));
    return heap.list(std::move(values));
  }
  // dict and namespace: of a mapping, or of pairs, and by name.
  Pairs pairs;
  if (plain.size() > 1)
    heap.raise(std::string(name) + ": arguments = " +
               std::to_string(plain.size()) + ", limit one mapping");
  if (!plain.empty() && plain[0].kind == Value::Dict) {
    pairs = *plain[0].pairs;
  } else if (!plain.empty()) {
    for (const Value &pair : heap.iterate(plain[0])) {
      Values both = heap.iterate(pair);
      if (both.size() != 2)
        heap.raiseType("is no pair", pair);
      heap.assign(pairs, both[0], both[1]);
    }
  }
  for (size_t i = 0; i < named.size(); i += 2)
    heap.assign(pairs, named[i], named[i + 1]);
  return heap.dict(std::move(pairs),
                   name == "dict" ? Value::Dict : Value::Namespace);
}

Value ChatMachine::callMacro(const Macro &macro, Arguments plain,
                             Arguments named, int depth) {
  heap.checkDepth(depth + 1);
  Scope *caller = scope;
  scope = heap.scope(macro.scope);
  if (plain.size() > macro.parameters.size())
    heap.raise("arguments of a macro = " + std::to_string(plain.size()) +
               ", limit " + std::to_string(macro.parameters.size()));
  for (size_t i = 0; i < macro.parameters.size(); ++i)
    store(macro.parameters[i], argument(plain, i));
  for (size_t i = 0; i < named.size(); i += 2) {
    auto it = names.find(named[i].text->bytes());
    bool known = it != names.end() &&
                 (it->first == "caller" ||
                  std::find(macro.parameters.begin(), macro.parameters.end(),
                            it->second) != macro.parameters.end());
    if (!known)
      heap.raise("a macro with the argument '" + named[i].text->bytes() +
                 "', limit its parameters");
    store(it->second, named[i + 1]);
  }
  size_t values = stack.size(), loopCount = loops.size();
  outputs.emplace_back();
  execute(macro.entry, depth + 1);
  if (stack.size() != values + 1 || loops.size() != loopCount)
    broken();
  scope = caller;
  return pop();
}

void ChatMachine::call(int32_t plain, int32_t named, int depth) {
  Values byName = take(static_cast<size_t>(named) * 2), byPlace = take(plain);
  for (size_t i = 0; i < byName.size(); i += 2)
    if (byName[i].kind != Value::String)
      broken();
  for (const Value &value : byPlace)
    if (value.kind == Value::Absent)
      heap.raise("an argument that is not given");
  Value function = pop();
  if (function.kind == Value::MacroCode)
    push(callMacro(*function.macro, byPlace, byName, depth));
  else if (function.kind == Value::Global)
    push(callGlobal(static_cast<int32_t>(function.integer), byPlace, byName));
  else
    heap.raiseType("cannot be called", function);
}

void ChatMachine::execute(size_t at, int depth) {
  while (true) {
    heap.charge(1);
    if (at * 3 >= code.instructions.size())
      broken();
    const int32_t *instruction = &code.instructions[at * 3];
    auto op = static_cast<Op>(instruction[0]);
    int32_t a = instruction[1], b = instruction[2];
    ++at;
    switch (op) {
    case Op::Line:
      heap.line = a;
      break;
    case Op::Text:
      write(constants[a]);
      break;
    case Op::Write:
      write(pop());
      break;
    case Op::Constant:
      push(constants[a]);
      break;
    case Op::Undefined:
      push({});
      break;
    case Op::Absent:
      push(Value::absent());
      break;
    case Op::Load:
      push(load(a));
      break;
    case Op::Store:
      store(a, pop());
      break;
    case Op::StoreAttribute: {
      Value space = pop(), value = pop();
      if (space.kind != Value::Namespace)
        heap.raiseType("is no namespace to assign to", space);
      if (textOf(a).bytes().starts_with('_'))
        heap.raise("a namespace with the name '" + textOf(a).bytes() + "'");
      heap.assign(*space.pairs, constants[a], value);
      heap.charge(space.pairs->size());
      break;
    }
    case Op::Attribute:
      push(heap.attribute(pop(), textOf(a).bytes()));
      break;
    case Op::Item: {
      Value key = pop();
      push(heap.item(pop(), key));
      break;
    }
    case Op::Slice: {
      Values values = take(4);
      push(heap.slice(values[0], values[1], values[2], values[3]));
      break;
    }
    case Op::Unpack:
      unpack(a);
      break;
    case Op::List:
    case Op::Tuple:
      push(heap.list(take(a), op == Op::List ? Value::List : Value::Tuple));
      break;
    case Op::Dict: {
      Values values = take(static_cast<size_t>(a) * 2);
      Pairs pairs;
      for (size_t i = 0; i < values.size(); i += 2)
        heap.assign(pairs, values[i], values[i + 1]);
      push(heap.dict(std::move(pairs)));
      break;
    }
    case Op::Not:
      push(Value::boolean(!heap.truth(pop())));
      break;
    case Op::Negate:
    case Op::Plus: {
      Value value = pop();
      if (!value.isNumber())
        heap.raiseType("has no sign", value);
      push(Value::number(int64_t(0)));
      push(value);
      if (value.kind == Value::Float) {
        stack.resize(stack.size() - 2);
        push(Value::number(op == Op::Plus ? value.real : -value.real,
                           value.user));
      } else {
        arithmetic(op == Op::Plus ? Op::Add : Op::Subtract);
      }
      break;
    }
    case Op::Add:
    case Op::Subtract:
    case Op::Multiply:
    case Op::Divide:
    case Op::FloorDivide:
    case Op::Remainder:
    case Op::Power:
      arithmetic(op);
      break;
    case Op::Equal:
    case Op::Unequal:
    case Op::Less:
    case Op::LessEqual:
    case Op::Greater:
    case Op::GreaterEqual:
    case Op::In:
    case Op::NotIn: {
      Value right = pop(), left = pop();
      push(comparison(op, left, right));
      break;
    }
    case Op::Concatenate: {
      Text out;
      for (const Value &value : take(a)) {
        out.append(heap.str(value));
        heap.checkBytes(out.size());
      }
      push(heap.string(std::move(out)));
      break;
    }
    case Op::Jump:
      at = a;
      break;
    case Op::JumpIfFalse:
      at = heap.truth(pop()) ? at : a;
      break;
    case Op::JumpIfFalseOrPop:
    case Op::JumpIfTrueOrPop: {
      Value value = pop();
      if (heap.truth(value) == (op == Op::JumpIfTrueOrPop)) {
        push(value);
        at = a;
      }
      break;
    }
    case Op::Pop:
      pop();
      break;
    case Op::Swap: {
      Value top = pop(), below = pop();
      push(top);
      push(below);
      break;
    }
    case Op::Under: {
      Value top = pop(), below = pop();
      push(top);
      push(below);
      push(top);
      break;
    }
    case Op::Filter: {
      Values arguments = take(b);
      push(applyFilter(heap, a, pop(), arguments));
      break;
    }
    case Op::Test: {
      Values arguments = take(b);
      push(Value::boolean(applyTest(heap, a, pop(), arguments)));
      break;
    }
    case Op::Method: {
      Values arguments = take(b);
      push(applyMethod(heap, a, pop(), arguments));
      break;
    }
    case Op::Call:
      call(a, b, depth);
      break;
    case Op::MakeMacro: {
      Macro macro{a, {}, scope};
      for (const Value &name : take(b)) {
        if (name.kind != Value::String)
          broken();
        auto constant = names.find(name.text->bytes());
        if (constant == names.end())
          broken();
        macro.parameters.push_back(constant->second);
      }
      push(heap.macro(std::move(macro)));
      break;
    }
    case Op::Default:
      if (std::any_of(scope->variables.begin(), scope->variables.end(),
                      [&](auto &variable) {
                        return variable.first == a &&
                               variable.second.kind != Value::Absent;
                      }))
        at = b;
      break;
    case Op::Return:
      if (depth == 0 || outputs.empty())
        broken();
      push(heap.string(std::move(outputs.back())));
      outputs.pop_back();
      return;
    case Op::BeginCapture:
      outputs.emplace_back();
      heap.charge(8);
      break;
    case Op::EndCapture:
      if (outputs.size() < 2)
        broken();
      push(heap.string(std::move(outputs.back())));
      outputs.pop_back();
      break;
    case Op::PushScope:
      scope = heap.scope(scope);
      break;
    case Op::PopScope:
      popScope();
      break;
    case Op::BeginLoop: {
      Value loop = heap.loop(heap.iterate(pop()));
      loops.push_back(loop);
      break;
    }
    case Op::NextItem: {
      Loop &state = loop();
      if (state.next == state.items.size()) {
        push(Value::boolean(!state.completed));
        finished = std::move(state.kept);
        loops.pop_back();
        at = a;
        break;
      }
      scope = heap.scope(scope);
      push(state.items[state.next++]);
      if (b)
        store(b - 1, loops.back());
      break;
    }
    case Op::EndItem:
      loop().completed |= b != 0;
      popScope();
      at = a;
      break;
    case Op::KeepItem: {
      Loop &state = loop();
      if (state.next == 0)
        broken();
      if (heap.truth(pop()))
        state.kept.push_back(state.items[state.next - 1]);
      popScope();
      at = a;
      break;
    }
    case Op::EndFiltered:
      pop();
      push(heap.list(std::move(finished)));
      finished.clear();
      break;
    case Op::Break:
      push(Value::boolean(!loop().completed));
      loops.pop_back();
      popScope();
      at = a;
      break;
    case Op::End:
      if (depth != 0 || !stack.empty())
        broken();
      return;
    default:
      broken();
    }
  }
}

} // namespace heddle::rt
