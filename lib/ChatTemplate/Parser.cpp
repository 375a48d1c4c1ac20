//===- Parser.cpp - Statements of chat templates --------------------------===//
#include "Syntax.h"
#include "heddle/Support/Error.h"
#include "llvm/ADT/STLExtras.h"

namespace heddle::chat {

namespace {

class Parser : ExprParser {
public:
  using ExprParser::ExprParser;

  llvm::Expected<Block> run() {
    Block block = body({});
    if (failed())
      return std::move(error);
    return std::move(block);
  }

private:
  /// Statements up to a tag of `ends`, whose name is the current token then;
  /// without any, up to the end.
  Block body(llvm::ArrayRef<llvm::StringRef> ends) {
    Level level(*this);
    Block block;
    while (!failed()) {
      const Token &token = current();
      if (token.kind == Token::End) {
        if (!ends.empty())
          fails("the template ends before '" + ends.back() + "'");
        break;
      }
      if (token.kind == Token::Data) {
        Stmt &text = block.emplace_back();
        text.kind = Stmt::Text;
        text.line = token.line;
        text.text = next().text;
      } else if (token.kind == Token::OutputBegin) {
        Stmt &write = block.emplace_back();
        write.kind = Stmt::Write;
        write.line = token.line;
        next();
        write.expr = tuple();
        finish(Token::OutputEnd);
      } else {
        next();
        if (current().kind == Token::Name &&
            llvm::is_contained(ends, llvm::StringRef(current().text)))
          break;
        statement(block);
      }
    }
    return block;
  }

  void finish(Token::Kind end) {
    if (current().kind == end)
      next();
    else
      fails("expected the end of the tag");
  }

  void endOfBlock() {
    next();
    finish(Token::BlockEnd);
  }

  /// A body and its last tag.
  Block closedBody(llvm::StringRef end) {
    Block block = body({end});
    endOfBlock();
    return block;
  }

  void statement(Block &block) {
    int line = current().line;
    std::string tag = expectName("the name of a tag");
    if (failed())
      return;
    Stmt stmt;
    stmt.line = line;
    if (tag == "if") {
      ifStatement(stmt);
    } else if (tag == "for") {
      forStatement(stmt);
    } else if (tag == "set") {
      setStatement(stmt);
    } else if (tag == "macro") {
      stmt.kind = Stmt::Macro;
      stmt.text = expectName("the name of a macro");
      signature(stmt);
      finish(Token::BlockEnd);
      stmt.body = closedBody("endmacro");
    } else if (tag == "call") {
      stmt.kind = Stmt::Call;
      if (isOperator("("))
        signature(stmt);
      stmt.expr = expression();
      if (!failed() && stmt.expr->kind != Expr::Call)
        fails("expected a call");
      finish(Token::BlockEnd);
      stmt.body = closedBody("endcall");
    } else if (tag == "filter") {
      stmt.kind = Stmt::Filter;
      stmt.expr = filters(nullptr, true);
      finish(Token::BlockEnd);
      stmt.body = closedBody("endfilter");
    } else if (tag == "with") {
      withStatement(stmt);
    } else if (tag == "generation") {
      stmt.kind = Stmt::Scope;
      finish(Token::BlockEnd);
      stmt.body = closedBody("endgeneration");
    } else if (tag == "break" || tag == "continue") {
      stmt.kind = tag == "break" ? Stmt::Break : Stmt::Continue;
      finish(Token::BlockEnd);
    } else {
      return unknown(tag, line);
    }
    block.push_back(std::move(stmt));
  }

  /// Goes on after the tag, so that all that is unsupported is found.
  void unknown(const std::string &tag, int line) {
    static constexpr llvm::StringLiteral known[] = {
        "autoescape", "block",  "do",      "extends",
        "from",       "import", "include", "trans"};
    llvm::StringRef name = tag;
    if (name.consume_front("end") && llvm::is_contained(opened, name))
      ; // of an unsupported block
    else if (llvm::is_contained(known, llvm::StringRef(tag)))
      opened.push_back(tag);
    else
      return fails("unknown tag '" + tag + "'");
    if (name == tag)
      unsupported.add("tag '" + tag + "'", line);
    while (!failed() && current().kind != Token::BlockEnd &&
           current().kind != Token::End)
      next();
    finish(Token::BlockEnd);
  }

  void ifStatement(Stmt &stmt) {
    stmt.kind = Stmt::If;
    Level level(*this);
    stmt.expr = tuple(/*withChoice=*/false);
    finish(Token::BlockEnd);
    stmt.body = body({"elif", "else", "endif"});
    int line = current().line;
    if (skipName("elif")) {
      // The chain that is left is a statement of its own.
      Stmt rest;
      rest.line = line;
      ifStatement(rest);
      stmt.other.push_back(std::move(rest));
    } else if (skipName("else")) {
      finish(Token::BlockEnd);
      stmt.other = closedBody("endif");
    } else {
      endOfBlock();
    }
  }

  void forStatement(Stmt &stmt) {
    stmt.kind = Stmt::For;
    stmt.target = target();
    if (!skipName("in"))
      fails("expected 'in'");
    stmt.expr = tuple(/*withChoice=*/false);
    if (skipName("if"))
      stmt.condition = expression();
    if (isName("recursive")) {
      unsupported.add("a recursive loop", current().line);
      next();
    }
    finish(Token::BlockEnd);
    stmt.body = body({"endfor", "else"});
    if (skipName("else")) {
      finish(Token::BlockEnd);
      stmt.other = closedBody("endfor");
    } else {
      endOfBlock();
    }
  }

  void setStatement(Stmt &stmt) {
    stmt.target = target(/*withTuple=*/true, /*withAttribute=*/true);
    if (skipOperator("=")) {
      stmt.kind = Stmt::Set;
      stmt.expr = tuple();
      finish(Token::BlockEnd);
      return;
    }
    stmt.kind = Stmt::SetBlock;
    if (isOperator("|"))
      stmt.expr = filters(nullptr, false);
    finish(Token::BlockEnd);
    stmt.body = closedBody("endset");
  }

  void withStatement(Stmt &stmt) {
    stmt.kind = Stmt::With;
    while (!failed() && current().kind != Token::BlockEnd) {
      if (!stmt.sets.empty())
        expectOperator(",");
      ExprPtr name = target(/*withTuple=*/false);
      expectOperator("=");
      stmt.sets.emplace_back(std::move(name), expression());
    }
    finish(Token::BlockEnd);
    stmt.body = closedBody("endwith");
  }

  void signature(Stmt &stmt) {
    expectOperator("(");
    while (!failed() && !isOperator(")")) {
      if (!stmt.parameters.empty())
        expectOperator(",");
      Parameter parameter;
      parameter.name = expectName("the name of a parameter");
      if (skipOperator("="))
        parameter.value = expression();
      else if (!stmt.parameters.empty() && stmt.parameters.back().value)
        fails("a parameter without a default after one with");
      stmt.parameters.push_back(std::move(parameter));
    }
    expectOperator(")");
  }

  std::vector<std::string> opened; // unsupported tags
};

} // namespace

llvm::Expected<Block> parseTemplate(std::vector<Token> tokens,
                                    const std::string &where,
                                    Unsupported &unsupported) {
  return Parser(std::move(tokens), where, unsupported).run();
}

} // namespace heddle::chat
