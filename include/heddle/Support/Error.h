//===- Error.h - One line and one exit code per failure --------*- C++ -*-===//
//
// Every failure that a user can cause is a `heddle::Failure` with an exit code
// and one line. Messages read
// `FILE: field = value, limit L`; the tool prints `heddle: error: ` before it.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_SUPPORT_ERROR_H
#define HEDDLE_SUPPORT_ERROR_H

#include "llvm/Support/Error.h"
#include <string>
#include <system_error>

namespace heddle {

/// Exit codes of the tools and of compiled programs.
enum class ExitCode : int {
  Done = 0,
  Usage = 2,
  Malformed = 3,
  Unsupported = 4,
  Limit = 5,
  InputOutput = 6,
  Changed = 7,
  Hardware = 8,
  Bug = 70,
};

class Failure : public llvm::ErrorInfo<Failure> {
public:
  static char ID;
  Failure(ExitCode code, std::string message, std::string hint = "")
      : code(code), message(std::move(message)), hint(std::move(hint)) {}
  void log(llvm::raw_ostream &os) const override { os << message; }
  std::error_code convertToErrorCode() const override {
    return llvm::inconvertibleErrorCode();
  }
  ExitCode code;
  std::string message;
  /// A command that works, printed as `hint: …`; may be empty.
  std::string hint;
};

/// Makes a Failure as an llvm::Error.
llvm::Error failure(ExitCode code, std::string message, std::string hint = "");

/// Prints `TOOL: error: MESSAGE` (and the hint) on stderr; returns the code.
int report(llvm::Error error, llvm::StringRef tool = "heddle");

/// Prints `TOOL: warning: MESSAGE` on stderr.
void warning(llvm::StringRef message, llvm::StringRef tool = "heddle");

} // namespace heddle

#endif // HEDDLE_SUPPORT_ERROR_H
