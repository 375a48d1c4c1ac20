//===- Emitter.cpp - The code of a parsed chat template -------------------===//
#include "Syntax.h"
#include "heddle/Support/Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include <map>
#include <set>

namespace heddle::chat {

namespace {

constexpr size_t kSizeLimit = 256 << 10;

class Emitter {
public:
  explicit Emitter(Unsupported &unsupported) : unsupported(unsupported) {}

  Code run(const Block &block) {
    emit(block);
    op(Op::End);
    for (auto &[name, line] : called)
      if (!assigned.contains(name))
        unsupported.add("function " + name + "()", line);
    return std::move(code);
  }

private:
  // An instruction whose target is not known yet.
  using Label = size_t;

  int32_t here() const {
    return static_cast<int32_t>(code.instructions.size() / 3);
  }
  Label op(Op what, int32_t a = 0, int32_t b = 0) {
    code.instructions.insert(code.instructions.end(),
                             {static_cast<int32_t>(what), a, b});
    return code.instructions.size() - 3;
  }
  /// Completes a jump to what comes next. `operand`: 1 is a, 2 is b.
  void bind(Label label, int operand = 1) {
    code.instructions[label + operand] = here();
    line = 0;
  }
  int32_t constant(Constant value) {
    auto [it, isNew] =
        known.try_emplace(value, static_cast<int32_t>(code.constants.size()));
    if (isNew)
      code.constants.push_back(std::move(value));
    return it->second;
  }
  int32_t text(llvm::StringRef value) { return constant(value.str()); }
  void at(int newLine) {
    if (newLine != line)
      op(Op::Line, line = newLine);
  }

  //===--- Expressions
  //-----------------------------------------------------===//

  void emit(const Expr &expr) {
    auto parts = [&] {
      for (const ExprPtr &part : expr.parts)
        emitOr(part, Op::Constant);
      return static_cast<int32_t>(expr.parts.size());
    };
    switch (expr.kind) {
    case Expr::Const:
      op(Op::Constant, constant(expr.value));
      break;
    case Expr::Name:
      if (macros && (expr.text == "varargs" || expr.text == "kwargs"))
        unsupported.add("variable " + expr.text + " of a macro", expr.line);
      op(Op::Load, text(expr.text));
      break;
    case Expr::List:
      op(Op::List, parts());
      break;
    case Expr::Tuple:
      op(Op::Tuple, parts());
      break;
    case Expr::Dict:
      op(Op::Dict, parts() / 2);
      break;
    case Expr::Attribute:
      parts();
      op(Op::Attribute, text(expr.text));
      break;
    case Expr::Item:
      parts();
      op(Op::Item);
      break;
    case Expr::Slice:
      parts();
      op(Op::Slice);
      break;
    case Expr::Unary:
    case Expr::Binary:
      parts();
      op(expr.op);
      break;
    case Expr::Concat:
      op(Op::Concatenate, parts());
      break;
    case Expr::Compare:
      compare(expr);
      break;
    case Expr::And:
    case Expr::Or:
      shortCircuit(expr);
      break;
    case Expr::Choice: {
      emit(*expr.parts[1]);
      Label otherwise = op(Op::JumpIfFalse);
      emit(*expr.parts[0]);
      Label end = op(Op::Jump);
      bind(otherwise);
      emitOr(expr.parts[2], Op::Undefined);
      bind(end);
      break;
    }
    case Expr::Filter:
      filter(expr);
      break;
    case Expr::Test:
      test(expr);
      break;
    case Expr::Call:
      call(expr, nullptr);
      break;
    }
  }

  void emitOr(const ExprPtr &expr, Op absent) {
    if (expr)
      emit(*expr);
    else
      op(absent, absent == Op::Constant ? constant({}) : 0);
  }

  /// a < b < c: true if all are; each operand once.
  void compare(const Expr &expr) {
    emit(*expr.parts[0]);
    llvm::SmallVector<Label> outs;
    for (size_t i = 0; i < expr.ops.size(); ++i) {
      emit(*expr.parts[i + 1]);
      bool last = i + 1 == expr.ops.size();
      if (!last)
        op(Op::Under);
      op(expr.ops[i]);
      if (!last)
        outs.push_back(op(Op::JumpIfFalseOrPop));
    }
    if (outs.empty())
      return;
    Label end = op(Op::Jump);
    for (Label out : outs)
      bind(out);
    op(Op::Swap); // the operand that was kept for the next one
    op(Op::Pop);
    bind(end);
  }

  void shortCircuit(const Expr &expr) {
    llvm::SmallVector<Label> outs;
    for (const ExprPtr &part : expr.parts) {
      emit(*part);
      if (&part != &expr.parts.back())
        outs.push_back(op(expr.kind == Expr::And ? Op::JumpIfFalseOrPop
                                                 : Op::JumpIfTrueOrPop));
    }
    for (Label out : outs)
      bind(out);
  }

  /// The arguments in the order of the function's; how many there are.
  int32_t arguments(const Expr &expr, const Function &function,
                    const std::string &shown) {
    llvm::SmallVector<llvm::StringRef> names;
    llvm::StringRef(function.arguments.data(), function.arguments.size())
        .split(names, ',', -1, /*KeepEmpty=*/false);
    llvm::SmallVector<const Expr *> given;
    for (const ExprPtr &part : llvm::drop_begin(expr.parts))
      given.push_back(part.get());
    if (!names.empty() && given.size() > names.size())
      unsupported.add(shown + " of " + llvm::Twine(given.size()) + " arguments",
                      expr.line);
    for (auto &[name, value] : expr.named) {
      size_t place = llvm::find(names, name) - names.begin();
      if (place == names.size()) {
        unsupported.add(shown + " with the argument " + name, expr.line);
        continue;
      }
      if (given.size() <= place)
        given.resize(place + 1, nullptr);
      given[place] = value.get();
    }
    if (static_cast<int>(given.size()) < function.needed)
      unsupported.add(shown + " of " + llvm::Twine(given.size()) + " arguments",
                      expr.line);
    for (const Expr *value : given)
      if (value)
        emit(*value);
      else
        op(Op::Absent);
    return static_cast<int32_t>(given.size());
  }

  /// A filter or test that a filter gets by its name.
  template <size_t N>
  void checkName(const Expr &expr, size_t part, const Function (&table)[N],
                 const char *kind) {
    if (part >= expr.parts.size() || expr.parts[part]->kind != Expr::Const)
      return;
    const auto *name = std::get_if<std::string>(&expr.parts[part]->value);
    if (name && findFunction(table, *name) < 0)
      unsupported.add(kind + (" '" + *name + "'"), expr.line);
  }

  void filter(const Expr &expr) {
    if (expr.parts[0])
      emit(*expr.parts[0]); // else the text of a block
    std::string shown = "filter '" + expr.text + "'";
    int32_t id = findFunction(kFilters, expr.text);
    if (id < 0)
      return unsupported.add(shown, expr.line);
    if (expr.text == "map")
      checkName(expr, 1, kFilters, "filter");
    else if (expr.text == "select" || expr.text == "reject")
      checkName(expr, 1, kTests, "test");
    else if (expr.text == "selectattr" || expr.text == "rejectattr")
      checkName(expr, 2, kTests, "test");
    op(Op::Filter, id, arguments(expr, kFilters[id], shown));
  }

  void test(const Expr &expr) {
    emit(*expr.parts[0]);
    std::string shown = "test '" + expr.text + "'";
    int32_t id = findFunction(kTests, expr.text);
    if (id < 0)
      return unsupported.add(shown, expr.line);
    op(Op::Test, id, arguments(expr, kTests[id], shown));
  }

  /// `body`: of a call block, which the function gets as `caller`.
  void call(const Expr &expr, const Stmt *body) {
    const Expr &function = *expr.parts[0];
    if (function.kind == Expr::Attribute) {
      emit(*function.parts[0]);
      std::string shown = "method ." + function.text + "()";
      int32_t id = findFunction(kMethods, function.text);
      if (id < 0 || body)
        return unsupported.add(shown, expr.line);
      op(Op::Method, id, arguments(expr, kMethods[id], shown));
      return;
    }
    if (function.kind == Expr::Name) {
      int32_t global = findFunction(kGlobals, function.text);
      if (function.text == "loop")
        unsupported.add("a recursive loop", expr.line);
      else if (global < 0 && function.text != "caller")
        called.emplace_back(function.text, expr.line);
      if (global >= 0 && !kGlobals[global].arguments.empty()) {
        op(Op::Load, text(function.text));
        op(Op::Call,
           arguments(expr, kGlobals[global], "function " + function.text));
        return;
      }
    }
    emit(function);
    for (const ExprPtr &part : llvm::drop_begin(expr.parts))
      emit(*part);
    for (auto &[name, value] : expr.named) {
      op(Op::Constant, text(name));
      emit(*value);
    }
    if (body) {
      op(Op::Constant, text("caller"));
      makeMacro(*body);
    }
    op(Op::Call, static_cast<int32_t>(expr.parts.size() - 1),
       static_cast<int32_t>(expr.named.size() + (body != nullptr)));
  }

  //===--- Statements
  //------------------------------------------------------===//

  void emit(const Block &block) {
    for (const Stmt &stmt : block)
      emit(stmt);
  }

  void emit(const Stmt &stmt) {
    switch (stmt.kind) {
    case Stmt::Text:
      op(Op::Text, text(stmt.text));
      return;
    case Stmt::Break:
    case Stmt::Continue:
      return leave(stmt);
    case Stmt::Scope:
      return scoped(stmt.body);
    default:
      break;
    }
    at(stmt.line);
    switch (stmt.kind) {
    case Stmt::Write:
      emit(*stmt.expr);
      op(Op::Write);
      break;
    case Stmt::If: {
      emit(*stmt.expr);
      Label otherwise = op(Op::JumpIfFalse);
      emit(stmt.body);
      if (stmt.other.empty())
        return bind(otherwise);
      Label end = op(Op::Jump);
      bind(otherwise);
      emit(stmt.other);
      bind(end);
      break;
    }
    case Stmt::For:
      loop(stmt);
      break;
    case Stmt::Set:
      emit(*stmt.expr);
      store(*stmt.target);
      break;
    case Stmt::SetBlock:
      captured(stmt);
      store(*stmt.target);
      break;
    case Stmt::Filter:
      captured(stmt);
      op(Op::Write);
      break;
    case Stmt::Macro:
      makeMacro(stmt);
      assigned.insert(stmt.text);
      op(Op::Store, text(stmt.text));
      break;
    case Stmt::Call:
      call(*stmt.expr, &stmt);
      op(Op::Write);
      break;
    case Stmt::With:
      for (auto &[target, value] : stmt.sets)
        emit(*value);
      op(Op::PushScope);
      ++scopes;
      for (auto &[target, value] : llvm::reverse(stmt.sets))
        store(*target);
      emit(stmt.body);
      op(Op::PopScope);
      --scopes;
      break;
    default:
      break;
    }
  }

  void scoped(const Block &body) {
    op(Op::PushScope);
    ++scopes;
    emit(body);
    op(Op::PopScope);
    --scopes;
  }

  /// What a block writes, through its filters.
  void captured(const Stmt &stmt) {
    op(Op::BeginCapture);
    ++captures;
    scoped(stmt.body);
    --captures;
    op(Op::EndCapture);
    if (stmt.expr)
      emit(*stmt.expr);
  }

  void store(const Expr &target) {
    switch (target.kind) {
    case Expr::Tuple:
      op(Op::Unpack, static_cast<int32_t>(target.parts.size()));
      for (const ExprPtr &part : target.parts)
        store(*part);
      break;
    case Expr::Attribute:
      emit(*target.parts[0]);
      op(Op::StoreAttribute, text(target.text));
      break;
    default:
      assigned.insert(target.text);
      op(Op::Store, text(target.text));
      break;
    }
  }

  void loop(const Stmt &stmt) {
    emit(*stmt.expr);
    if (stmt.condition) {
      op(Op::BeginLoop);
      int32_t next = here();
      Label exit = op(Op::NextItem);
      store(*stmt.target);
      emit(*stmt.condition);
      op(Op::KeepItem, next);
      bind(exit);
      op(Op::EndFiltered);
    }
    op(Op::BeginLoop);
    int32_t next = here();
    Label exit = op(Op::NextItem, 0, 1 + text("loop"));
    store(*stmt.target);
    loops.push_back({scopes, captures, next, {}});
    emit(stmt.body);
    op(Op::EndItem, next, /*the body's end*/ 1);
    for (Label out : loops.back().breaks)
      bind(out);
    loops.pop_back();
    bind(exit);
    if (stmt.other.empty()) {
      op(Op::Pop);
      return;
    }
    Label end = op(Op::JumpIfFalse);
    emit(stmt.other);
    bind(end);
  }

  void leave(const Stmt &stmt) {
    const char *name = stmt.kind == Stmt::Break ? "break" : "continue";
    if (loops.empty() || captures != loops.back().captures)
      return unsupported.add(
          llvm::Twine("tag '") + name +
              (loops.empty() ? "' outside of a loop" : "' out of a block"),
          stmt.line);
    Loop &loop = loops.back();
    for (int i = loop.scopes; i < scopes; ++i)
      op(Op::PopScope);
    if (stmt.kind == Stmt::Break)
      loop.breaks.push_back(op(Op::Break));
    else
      op(Op::EndItem, loop.next);
  }

  /// Leaves the macro on the stack.
  void makeMacro(const Stmt &stmt) {
    Label over = op(Op::Jump);
    int32_t entry = here();
    line = 0;
    std::vector<Loop> outer = std::move(loops);
    loops.clear();
    ++macros;
    for (const Parameter &parameter : stmt.parameters) {
      assigned.insert(parameter.name);
      if (!parameter.value)
        continue;
      Label given = op(Op::Default, text(parameter.name));
      emit(*parameter.value);
      op(Op::Store, text(parameter.name));
      bind(given, 2);
    }
    emit(stmt.body);
    op(Op::Return);
    --macros;
    loops = std::move(outer);
    bind(over);
    for (const Parameter &parameter : stmt.parameters)
      op(Op::Constant, text(parameter.name));
    op(Op::MakeMacro, entry, static_cast<int32_t>(stmt.parameters.size()));
  }

  struct Loop {
    int scopes, captures;
    int32_t next;
    std::vector<Label> breaks;
  };

  Unsupported &unsupported;
  Code code;
  std::map<Constant, int32_t> known;
  std::vector<std::pair<std::string, int>> called; // no globals
  std::set<std::string> assigned;
  std::vector<Loop> loops;
  int scopes = 0, captures = 0, macros = 0;
  int line = 0;
};

} // namespace

Code emitTemplate(const Block &block, Unsupported &unsupported) {
  return Emitter(unsupported).run(block);
}

llvm::Expected<Code> compileTemplate(llvm::StringRef text,
                                     const std::string &where) {
  if (text.size() > kSizeLimit)
    return failure(ExitCode::Limit,
                   where + ": size = " + std::to_string(text.size()) +
                       ", limit " + std::to_string(kSizeLimit));
  auto tokens = readTokens(text, where);
  if (!tokens)
    return tokens.takeError();
  Unsupported unsupported;
  auto block = parseTemplate(std::move(*tokens), where, unsupported);
  if (!block)
    return block.takeError();
  Code code = emitTemplate(*block, unsupported);
  if (!unsupported.empty())
    return failure(ExitCode::Unsupported,
                   where + ": unsupported: " + unsupported.list());
  return code;
}

} // namespace heddle::chat
