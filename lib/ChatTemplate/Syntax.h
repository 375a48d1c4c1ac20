//===- Syntax.h - Tokens and trees of chat templates ------------*- C++ -*-===//
#ifndef HEDDLE_LIB_CHATTEMPLATE_SYNTAX_H
#define HEDDLE_LIB_CHATTEMPLATE_SYNTAX_H

#include "heddle/ChatTemplate/ChatTemplate.h"
#include "heddle/runtime/ChatBytecode.h"
#include <memory>
#include <utility>

namespace heddle::chat {

/// Of brackets, blocks and operands within operands.
constexpr int kNestingLimit = 100;
/// Of the tree of an expression, which also grows by chains, `a + b + …`.
constexpr int kHeightLimit = 1000;

/// A Malformed failure: `WHERE, line N: MESSAGE`.
llvm::Error syntaxError(const std::string &where, int line,
                        const llvm::Twine &message);

struct Token {
  enum Kind {
    Data, // text outside of tags
    BlockBegin,
    BlockEnd,
    OutputBegin,
    OutputEnd,
    Name,
    String,
    Integer,
    Float,
    Operator,
    End
  } kind;
  std::string text; // of a string its value
  int line;
};

/// Errors: Malformed.
llvm::Expected<std::vector<Token>> readTokens(llvm::StringRef text,
                                              const std::string &where);

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

/// An expression. `parts` are, by kind:
struct Expr {
  enum Kind {
    Const,
    Name,      // of `text`
    List,      // the elements
    Tuple,     // the elements
    Dict,      // key, value, key, …
    Attribute, // object; `text`
    Item,      // object, key
    Slice,     // object, start, stop, step; absent ones are null
    Unary,     // operand; `op`
    Binary,    // two operands; `op`
    Compare,   // operands; `ops` between them
    And,       // two operands
    Or,        // two operands
    Concat,    // operands
    Choice,    // value, condition, other value or null
    Filter,    // operand or null (the text of a block), arguments; `text`
    Test,      // operand, arguments; `text`
    Call       // function, arguments
  } kind;
  int line;
  std::string text;
  Constant value;
  Op op = Op::End;
  std::vector<Op> ops;
  int height = 0;
  std::vector<ExprPtr> parts;
  /// Of a Filter, Test or Call: arguments by name, after those in `parts`.
  std::vector<std::pair<std::string, ExprPtr>> named;
};

struct Stmt;
using Block = std::vector<Stmt>;

struct Parameter {
  std::string name;
  ExprPtr value; // may be null
};

struct Stmt {
  enum Kind {
    Text,  // `text`
    Write, // expr
    If,    // expr; body, other
    For,   // target, expr, condition or null; body, other
    Break,
    Continue,
    Set,      // target, expr
    SetBlock, // target, expr (a Filter chain or null); body
    Macro,    // `text`, parameters; body
    Call,     // expr (a Call), parameters; body
    Filter,   // expr (a Filter chain); body
    With,     // targets and values in `sets`; body
    Scope     // body (the tag `generation`)
  } kind;
  int line;
  std::string text;
  ExprPtr target, expr, condition;
  std::vector<Parameter> parameters;
  std::vector<std::pair<ExprPtr, ExprPtr>> sets;
  Block body, other;
};

/// What a template uses beyond the subset, in the order of the lines, each
/// once.
class Unsupported {
public:
  void add(const llvm::Twine &what, int line);
  bool empty() const { return found.empty(); }
  std::string list() const;

private:
  std::vector<std::pair<std::string, int>> found;
  bool more = false; // than are listed
};

/// Errors: Malformed, Limit.
llvm::Expected<Block> parseTemplate(std::vector<Token> tokens,
                                    const std::string &where,
                                    Unsupported &unsupported);

/// The parser of expressions, and what the parser of statements is made on. The
/// first error ends the parse: afterwards the current token is End.
class ExprParser {
public:
  ExprParser(std::vector<Token> tokens, const std::string &where,
             Unsupported &unsupported)
      : where(where), unsupported(unsupported), tokens(std::move(tokens)) {}
  ~ExprParser() { llvm::consumeError(std::move(error)); }

protected:
  /// Counts a level of nesting while it lives.
  struct Level {
    explicit Level(ExprParser &parser);
    ~Level() { --parser.depth; }
    ExprParser &parser;
  };

  const Token &current() const { return tokens[at]; }
  const Token &ahead() const {
    return tokens[at + 1 < tokens.size() ? at + 1 : at];
  }
  Token next();
  bool isOperator(llvm::StringRef text) const;
  bool isName(llvm::StringRef text) const;
  bool skipOperator(llvm::StringRef text);
  bool skipName(llvm::StringRef text);
  void expectOperator(llvm::StringRef text);
  std::string expectName(llvm::StringRef what);
  void fails(const llvm::Twine &message);
  bool failed() const { return hasFailed; }

  ExprPtr make(Expr::Kind kind) const;
  ExprPtr expression(bool withChoice = true);
  /// One expression, or several with commas: a tuple. Ends before a block's
  /// end, `)`, and, of targets, `in`.
  ExprPtr tuple(bool withChoice = true, bool parenthesized = false);
  ExprPtr target(bool withTuple = true, bool withAttribute = false);
  ExprPtr filters(ExprPtr operand, bool begun);
  ExprPtr unary(bool withFilter = true);
  void arguments(Expr &call);

  std::string where;
  Unsupported &unsupported;
  llvm::Error error = llvm::Error::success();

private:
  ExprPtr choice();
  /// Parts with separators between them: one alone is itself.
  ExprPtr chain(Expr::Kind kind, llvm::function_ref<bool()> skipSeparator,
                ExprPtr (ExprParser::*part)());
  ExprPtr either();
  ExprPtr both();
  ExprPtr negation();
  ExprPtr comparison();
  ExprPtr sum();
  ExprPtr concatenation();
  ExprPtr product();
  ExprPtr power();
  ExprPtr primary();
  ExprPtr postfix(ExprPtr operand);
  ExprPtr filterOrTest(ExprPtr operand);
  ExprPtr test(ExprPtr operand);
  ExprPtr subscript(ExprPtr operand);
  ExprPtr done(ExprPtr expr);
  void tooDeep(int limit);
  ExprPtr binary(Op op, ExprPtr left, ExprPtr right);
  ExprPtr number(const Token &token);
  /// What only stands where the parse has failed.
  ExprPtr nothing() const { return make(Expr::Const); }

  std::vector<Token> tokens; // ends with End
  size_t at = 0;
  int depth = 0;
  bool hasFailed = false;
};

/// Writes the code of a parsed template.
Code emitTemplate(const Block &block, Unsupported &unsupported);

} // namespace heddle::chat

#endif // HEDDLE_LIB_CHATTEMPLATE_SYNTAX_H
