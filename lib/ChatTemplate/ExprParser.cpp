//===- ExprParser.cpp - Expressions of chat templates ---------------------===//
//
// Levels and order as in Jinja's parser.
//
//===----------------------------------------------------------------------===//
#include "../../runtime/app/Utf8.h"
#include "Syntax.h"
#include "heddle/Import/SpanReader.h"
#include "heddle/Support/Error.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include <cmath>

namespace heddle::chat {

// What is said of a piece of a template: one line, whatever is in it.
static std::string printed(const llvm::Twine &what) {
  return rt::oneLine(what.str(), 100);
}

llvm::Error syntaxError(const std::string &where, int line,
                        const llvm::Twine &message) {
  return failure(
      ExitCode::Malformed,
      (where + ", line " + llvm::Twine(line) + ": " + printed(message)).str());
}

void Unsupported::add(const llvm::Twine &what, int line) {
  constexpr size_t kMost = 64;
  std::string text = printed(what);
  for (auto &[known, first] : found)
    if (known == text)
      return;
  if (found.size() == kMost) {
    more = true;
    return;
  }
  auto after = llvm::upper_bound(
      found, line, [](int line, auto &entry) { return line < entry.second; });
  found.insert(after, {std::move(text), line});
}

std::string Unsupported::list() const {
  std::string out;
  for (auto &[what, line] : found)
    out += (out.empty() ? "" : "; ") + what + " (line " + std::to_string(line) +
           ")";
  return out + (more ? "; and more" : "");
}

ExprParser::Level::Level(ExprParser &parser) : parser(parser) {
  if (++parser.depth > kNestingLimit)
    parser.tooDeep(kNestingLimit);
}

void ExprParser::tooDeep(int limit) {
  if (hasFailed)
    return;
  std::string message = (where + ", line " + llvm::Twine(current().line) +
                         ": nesting = deeper, limit " + llvm::Twine(limit))
                            .str();
  fails("");
  llvm::consumeError(std::move(error));
  error = failure(ExitCode::Limit, message);
}

ExprPtr ExprParser::done(ExprPtr expr) {
  for (const ExprPtr &part : expr->parts)
    if (part)
      expr->height = std::max(expr->height, part->height + 1);
  for (auto &[name, value] : expr->named)
    expr->height = std::max(expr->height, value->height + 1);
  if (expr->height > kHeightLimit)
    tooDeep(kHeightLimit);
  return expr;
}

Token ExprParser::next() {
  Token token = current();
  if (at + 1 < tokens.size())
    ++at;
  return token;
}

bool ExprParser::isOperator(llvm::StringRef text) const {
  return current().kind == Token::Operator && current().text == text;
}
bool ExprParser::isName(llvm::StringRef text) const {
  return current().kind == Token::Name && current().text == text;
}
bool ExprParser::skipOperator(llvm::StringRef text) {
  return isOperator(text) && (next(), true);
}
bool ExprParser::skipName(llvm::StringRef text) {
  return isName(text) && (next(), true);
}

static std::string shown(const Token &token) {
  switch (token.kind) {
  case Token::Data:
    return "text";
  case Token::BlockBegin:
  case Token::BlockEnd:
  case Token::OutputBegin:
  case Token::OutputEnd:
    return "the end of the tag";
  case Token::End:
    return "the end of the template";
  default:
    return import::quoted(token.text);
  }
}

void ExprParser::expectOperator(llvm::StringRef text) {
  if (!skipOperator(text))
    fails("expected '" + text + "', found " + shown(current()));
}

std::string ExprParser::expectName(llvm::StringRef what) {
  if (current().kind != Token::Name) {
    fails("expected " + what + ", found " + shown(current()));
    return "";
  }
  return next().text;
}

void ExprParser::fails(const llvm::Twine &message) {
  if (hasFailed)
    return;
  hasFailed = true;
  llvm::consumeError(std::move(error));
  error = syntaxError(where, current().line, message);
  at = tokens.size() - 1;
}

ExprPtr ExprParser::make(Expr::Kind kind) const {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->line = current().line;
  return expr;
}

ExprPtr ExprParser::binary(Op op, ExprPtr left, ExprPtr right) {
  ExprPtr expr = make(Expr::Binary);
  expr->line = left->line;
  expr->op = op;
  expr->parts.push_back(std::move(left));
  expr->parts.push_back(std::move(right));
  return done(std::move(expr));
}

ExprPtr ExprParser::expression(bool withChoice) {
  Level level(*this);
  if (failed())
    return nothing();
  return withChoice ? choice() : either();
}

ExprPtr ExprParser::choice() {
  ExprPtr value = either();
  while (skipName("if")) {
    Level level(*this);
    ExprPtr expr = make(Expr::Choice);
    expr->parts.push_back(std::move(value));
    expr->parts.push_back(either());
    expr->parts.push_back(skipName("else") ? expression() : nullptr);
    value = done(std::move(expr));
  }
  return value;
}

ExprPtr ExprParser::chain(Expr::Kind kind,
                          llvm::function_ref<bool()> skipSeparator,
                          ExprPtr (ExprParser::*part)()) {
  ExprPtr first = (this->*part)();
  if (!skipSeparator())
    return first;
  ExprPtr expr = make(kind);
  expr->parts.push_back(std::move(first));
  do
    expr->parts.push_back((this->*part)());
  while (skipSeparator());
  return done(std::move(expr));
}

ExprPtr ExprParser::either() {
  return chain(Expr::Or, [&] { return skipName("or"); }, &ExprParser::both);
}

ExprPtr ExprParser::both() {
  return chain(
      Expr::And, [&] { return skipName("and"); }, &ExprParser::negation);
}

ExprPtr ExprParser::negation() {
  if (!isName("not"))
    return comparison();
  Level level(*this);
  ExprPtr expr = make(Expr::Unary);
  next();
  expr->op = Op::Not;
  expr->parts.push_back(failed() ? nothing() : negation());
  return done(std::move(expr));
}

ExprPtr ExprParser::comparison() {
  ExprPtr expr = make(Expr::Compare);
  expr->parts.push_back(sum());
  while (!failed()) {
    Op op = Op::End;
    if (current().kind == Token::Operator)
      op = llvm::StringSwitch<Op>(current().text)
               .Case("==", Op::Equal)
               .Case("!=", Op::Unequal)
               .Case("<", Op::Less)
               .Case("<=", Op::LessEqual)
               .Case(">", Op::Greater)
               .Case(">=", Op::GreaterEqual)
               .Default(Op::End);
    else if (isName("in"))
      op = Op::In;
    else if (isName("not") && ahead().kind == Token::Name &&
             ahead().text == "in") {
      next();
      op = Op::NotIn;
    }
    if (op == Op::End)
      break;
    next();
    expr->ops.push_back(op);
    expr->parts.push_back(sum());
  }
  return expr->ops.empty() ? std::move(expr->parts[0]) : done(std::move(expr));
}

ExprPtr ExprParser::sum() {
  ExprPtr left = concatenation();
  while (isOperator("+") || isOperator("-")) {
    Op op = next().text == "+" ? Op::Add : Op::Subtract;
    left = binary(op, std::move(left), concatenation());
  }
  return left;
}

ExprPtr ExprParser::concatenation() {
  return chain(
      Expr::Concat, [&] { return skipOperator("~"); }, &ExprParser::product);
}

ExprPtr ExprParser::product() {
  ExprPtr left = power();
  while (true) {
    Op op = Op::End;
    if (current().kind == Token::Operator)
      op = llvm::StringSwitch<Op>(current().text)
               .Case("*", Op::Multiply)
               .Case("/", Op::Divide)
               .Case("//", Op::FloorDivide)
               .Case("%", Op::Remainder)
               .Default(Op::End);
    if (op == Op::End)
      return left;
    next();
    left = binary(op, std::move(left), power());
  }
}

ExprPtr ExprParser::power() {
  ExprPtr left = unary();
  while (skipOperator("**"))
    left = binary(Op::Power, std::move(left), unary());
  return left;
}

ExprPtr ExprParser::unary(bool withFilter) {
  ExprPtr expr;
  if (isOperator("-") || isOperator("+")) {
    Level level(*this);
    expr = make(Expr::Unary);
    expr->op = next().text == "-" ? Op::Negate : Op::Plus;
    expr->parts.push_back(failed() ? nothing() : unary(false));
    expr = done(std::move(expr));
  } else {
    expr = primary();
  }
  expr = postfix(std::move(expr));
  return withFilter ? filterOrTest(std::move(expr)) : std::move(expr);
}

ExprPtr ExprParser::number(const Token &token) {
  ExprPtr expr = make(Expr::Const);
  if (token.kind == Token::Integer) {
    int64_t value;
    if (llvm::StringRef(token.text).getAsInteger(10, value))
      fails("number = " + token.text + ", limit 9223372036854775807");
    else
      expr->value = value;
  } else {
    double value;
    if (llvm::StringRef(token.text).getAsDouble(value) || !std::isfinite(value))
      fails("number = " + token.text + ", limit a finite one");
    else
      expr->value = value;
  }
  return expr;
}

ExprPtr ExprParser::primary() {
  if (failed())
    return nothing();
  Token token = current();
  switch (token.kind) {
  case Token::Name: {
    ExprPtr expr = make(Expr::Const);
    if (token.text == "true" || token.text == "True")
      expr->value = true;
    else if (token.text == "false" || token.text == "False")
      expr->value = false;
    else if (token.text != "none" && token.text != "None") {
      expr->kind = Expr::Name;
      expr->text = token.text;
    }
    next();
    return expr;
  }
  case Token::String: {
    ExprPtr expr = make(Expr::Const);
    std::string text;
    while (current().kind == Token::String)
      text += next().text;
    expr->value = std::move(text);
    return expr;
  }
  case Token::Integer:
  case Token::Float: {
    ExprPtr expr = number(token);
    next();
    return expr;
  }
  default:
    break;
  }
  if (skipOperator("(")) {
    ExprPtr expr = tuple(/*withChoice=*/true, /*parenthesized=*/true);
    expectOperator(")");
    return expr;
  }
  bool isList = isOperator("[");
  if (isList || isOperator("{")) {
    Level level(*this);
    ExprPtr expr = make(isList ? Expr::List : Expr::Dict);
    llvm::StringRef close = isList ? "]" : "}";
    next();
    while (!failed() && !isOperator(close)) {
      if (!expr->parts.empty()) {
        expectOperator(",");
        if (isOperator(close))
          break;
      }
      expr->parts.push_back(expression());
      if (!isList) {
        expectOperator(":");
        expr->parts.push_back(expression());
      }
    }
    expectOperator(close);
    return done(std::move(expr));
  }
  fails("unexpected " + shown(token));
  return nothing();
}

ExprPtr ExprParser::tuple(bool withChoice, bool parenthesized) {
  Level level(*this);
  ExprPtr list = make(Expr::Tuple);
  bool isTuple = false;
  while (!failed()) {
    if (!list->parts.empty()) {
      if (!isOperator(","))
        break;
      next();
      isTuple = true;
    }
    if (current().kind == Token::OutputEnd ||
        current().kind == Token::BlockEnd || isOperator(")") ||
        isName("recursive"))
      break;
    list->parts.push_back(expression(withChoice));
    if (isOperator(","))
      isTuple = true;
  }
  if (!isTuple && list->parts.size() == 1)
    return std::move(list->parts[0]);
  if (!isTuple && !parenthesized)
    fails("expected an expression, found " + shown(current()));
  return done(std::move(list));
}

ExprPtr ExprParser::target(bool withTuple, bool withAttribute) {
  Level level(*this);
  ExprPtr list = make(Expr::Tuple);
  bool isTuple = false;
  do {
    if (!list->parts.empty()) {
      isTuple = true;
      if (isName("in") || isOperator("=") || isOperator(")"))
        break;
    }
    if (skipOperator("(")) {
      list->parts.push_back(target());
      expectOperator(")");
    } else {
      ExprPtr name = make(Expr::Name);
      name->text = expectName("a name");
      if (withAttribute && skipOperator(".")) {
        ExprPtr attribute = make(Expr::Attribute);
        attribute->text = expectName("an attribute");
        attribute->parts.push_back(std::move(name));
        name = std::move(attribute);
      } else if (name->text == "true" || name->text == "false" ||
                 name->text == "none" || name->text == "True" ||
                 name->text == "False" || name->text == "None") {
        fails("cannot assign to '" + name->text + "'");
      }
      list->parts.push_back(std::move(name));
    }
  } while (!failed() && withTuple && skipOperator(","));
  return isTuple ? std::move(list) : std::move(list->parts[0]);
}

ExprPtr ExprParser::postfix(ExprPtr expr) {
  while (!failed()) {
    if (skipOperator(".")) {
      Token name = next();
      if (name.kind == Token::Name) {
        ExprPtr attribute = make(Expr::Attribute);
        attribute->line = name.line;
        attribute->text = name.text;
        attribute->parts.push_back(std::move(expr));
        expr = done(std::move(attribute));
      } else if (name.kind == Token::Integer) {
        ExprPtr item = make(Expr::Item);
        item->parts.push_back(std::move(expr));
        item->parts.push_back(number(name));
        expr = done(std::move(item));
      } else {
        fails("expected a name after '.', found " + shown(name));
      }
    } else if (skipOperator("[")) {
      expr = subscript(std::move(expr));
    } else if (isOperator("(")) {
      ExprPtr call = make(Expr::Call);
      call->parts.push_back(std::move(expr));
      arguments(*call);
      expr = done(std::move(call));
    } else {
      break;
    }
  }
  return expr;
}

ExprPtr ExprParser::subscript(ExprPtr object) {
  Level level(*this);
  ExprPtr expr = make(Expr::Item);
  expr->parts.push_back(std::move(object));
  ExprPtr parts[3];
  int colons = 0;
  while (!failed() && !isOperator("]") && !isOperator(",")) {
    if (skipOperator(":")) {
      if (++colons > 2)
        fails("unexpected ':'");
    } else {
      if (parts[colons])
        fails("unexpected " + shown(current()));
      else
        parts[colons] = expression();
    }
  }
  if (isOperator(","))
    unsupported.add("several subscripts", current().line);
  while (!failed() && skipOperator(","))
    (void)expression();
  expectOperator("]");
  if (colons) {
    expr->kind = Expr::Slice;
    for (ExprPtr &part : parts)
      expr->parts.push_back(std::move(part));
  } else if (parts[0]) {
    expr->parts.push_back(std::move(parts[0]));
  } else {
    fails("expected a subscript");
    expr->parts.push_back(nothing());
  }
  return done(std::move(expr));
}

void ExprParser::arguments(Expr &call) {
  Level level(*this);
  expectOperator("(");
  bool first = true;
  while (!failed() && !isOperator(")")) {
    if (!first) {
      expectOperator(",");
      if (isOperator(")"))
        break;
    }
    first = false;
    if (isOperator("*") || isOperator("**")) {
      unsupported.add("arguments by " + current().text, current().line);
      next();
      (void)expression();
    } else if (current().kind == Token::Name &&
               ahead().kind == Token::Operator && ahead().text == "=") {
      std::string name = next().text;
      next();
      call.named.emplace_back(name, expression());
    } else {
      if (!call.named.empty())
        fails("an argument after those by name");
      call.parts.push_back(expression());
    }
  }
  expectOperator(")");
}

ExprPtr ExprParser::filterOrTest(ExprPtr expr) {
  while (!failed()) {
    if (isOperator("|")) {
      expr = filters(std::move(expr), false);
    } else if (isName("is")) {
      next();
      expr = test(std::move(expr));
    } else if (isOperator("(")) {
      ExprPtr call = make(Expr::Call);
      call->parts.push_back(std::move(expr));
      arguments(*call);
      expr = done(std::move(call));
    } else {
      break;
    }
  }
  return expr;
}

ExprPtr ExprParser::filters(ExprPtr operand, bool begun) {
  while (!failed() && (begun || skipOperator("|"))) {
    begun = false;
    ExprPtr filter = make(Expr::Filter);
    filter->text = expectName("a filter");
    while (skipOperator("."))
      filter->text += "." + expectName("a filter");
    filter->parts.push_back(std::move(operand));
    if (isOperator("("))
      arguments(*filter);
    operand = done(std::move(filter));
  }
  return operand;
}

ExprPtr ExprParser::test(ExprPtr operand) {
  Level level(*this);
  bool negated = skipName("not");
  ExprPtr expr = make(Expr::Test);
  expr->text = expectName("a test");
  while (skipOperator("."))
    expr->text += "." + expectName("a test");
  expr->parts.push_back(std::move(operand));
  const Token &token = current();
  if (isOperator("(")) {
    arguments(*expr);
  } else if ((token.kind == Token::Name && token.text != "else" &&
              token.text != "or" && token.text != "and") ||
             token.kind == Token::String || token.kind == Token::Integer ||
             token.kind == Token::Float || isOperator("[") || isOperator("{")) {
    if (token.text == "is" && token.kind == Token::Name)
      fails("tests cannot be chained with 'is'");
    else
      expr->parts.push_back(postfix(primary()));
  }
  expr = done(std::move(expr));
  if (!negated)
    return expr;
  ExprPtr negation = make(Expr::Unary);
  negation->op = Op::Not;
  negation->parts.push_back(std::move(expr));
  return done(std::move(negation));
}

} // namespace heddle::chat
