//===- Error.cpp - One line and one exit code per failure -----------------===//
#include "heddle/Support/Error.h"
#include "llvm/ADT/StringExtras.h"
#include <cstdio>

namespace heddle {

char Failure::ID = 0;

llvm::Error failure(ExitCode code, std::string message, std::string hint) {
  return llvm::make_error<Failure>(code, std::move(message), std::move(hint));
}

// A file name may hold a newline or a terminal escape; the contract is one
// line per failure, so control characters are printed as \xNN.
static std::string oneLine(llvm::StringRef text) {
  std::string line;
  for (unsigned char c : text) {
    if (c >= 0x20 && c != 0x7f) {
      line += static_cast<char>(c);
      continue;
    }
    line += "\\x";
    line += llvm::hexdigit(c >> 4, /*LowerCase=*/true);
    line += llvm::hexdigit(c & 15, /*LowerCase=*/true);
  }
  return line;
}

int report(llvm::Error error, llvm::StringRef tool) {
  ExitCode code = ExitCode::Done;
  std::string message, hint;
  llvm::handleAllErrors(
      std::move(error),
      [&](const Failure &f) {
        // The first failure of a list decides the code; all are in the line.
        if (message.empty())
          code = f.code;
        message += (message.empty() ? "" : "; ") + f.message;
        if (hint.empty())
          hint = f.hint;
      },
      [&](const llvm::ErrorInfoBase &other) {
        if (message.empty())
          code = ExitCode::Bug;
        message +=
            (message.empty() ? "internal: " : "; internal: ") + other.message();
      });
  if (message.empty())
    return static_cast<int>(code);
  std::string text = oneLine((tool + ": error: ").str() + message) + "\n";
  if (!hint.empty())
    text += oneLine("hint: " + hint) + "\n";
  // Not llvm::errs(): its destructor ends the process with a fatal error if
  // standard error is closed, which would replace our exit code.
  std::fwrite(text.data(), 1, text.size(), stderr);
  return static_cast<int>(code);
}

void warning(llvm::StringRef message, llvm::StringRef tool) {
  std::string text = oneLine((tool + ": warning: " + message).str()) + "\n";
  std::fwrite(text.data(), 1, text.size(), stderr);
}

} // namespace heddle
