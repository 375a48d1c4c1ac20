//===- Failure.h - One line and one exit code per failure ------*- C++ -*-===//
//
// The runtime's counterpart of heddle/Support/Error.h, without LLVM. A failure
// is thrown as `Failure` and caught in main(), which prints
// `heddle: error: MESSAGE` and then the hint. Generated code never throws and
// worker threads run nothing else, so no exception crosses a thread.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_RUNTIME_FAILURE_H
#define HEDDLE_RUNTIME_FAILURE_H

#include <string>
#include <utility>

namespace heddle::rt {

/// Exit codes of compiled programs; the same numbers as heddle::ExitCode.
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

struct Failure {
  ExitCode code;
  std::string message;
  /// A command that works, printed as `hint: …`; may be empty.
  std::string hint;
};

[[noreturn]] inline void fail(ExitCode code, std::string message,
                              std::string hint = "") {
  throw Failure{code, std::move(message), std::move(hint)};
}

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_FAILURE_H
