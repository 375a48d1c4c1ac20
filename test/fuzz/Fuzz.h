//===- Fuzz.h - What the fuzz targets share ---------------------*- C++ -*-===//
//
// A target feeds bytes to one reader. What it wants to see is an answer:
// success, or a Failure whose line says what is asked of every refusal. A
// crash, a sanitizer's report or a line that does not is a finding.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_TEST_FUZZ_FUZZ_H
#define HEDDLE_TEST_FUZZ_FUZZ_H

#include "heddle/Import/Encoding.h"
#include "heddle/Support/Error.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>
#include <unistd.h>

/// LLVM is not instrumented, so its containers cannot keep the annotations that
/// this check reads.
extern "C" inline __attribute__((used, visibility("default"))) const char *
__asan_default_options() {
  return "detect_container_overflow=0";
}

namespace heddle::fuzz {

/// Ends the run with a finding.
[[noreturn]] inline void finding(llvm::StringRef what) {
  llvm::errs() << "finding: " << what << '\n';
  std::abort();
}

inline void require(bool holds, llvm::StringRef what) {
  if (!holds)
    finding(what);
}

/// Takes an error, which must be one printable line under a code of its own.
inline void refused(llvm::Error error) {
  llvm::handleAllErrors(std::move(error), [](const Failure &failure) {
    if (failure.code == ExitCode::Bug)
      finding("a bug of Heddle's: " + failure.message);
    if (failure.message.empty() || failure.message.size() > (1 << 16))
      finding("a message of " + std::to_string(failure.message.size()));
    for (char c : failure.message)
      if (c >= 0 && c < ' ')
        finding("a message of more than a line: " + failure.message);
  });
}

inline void addEncodings() {
  for (const import::EncodingInfo &encoding : import::builtinEncodings())
    llvm::cantFail(import::encodings().add(encoding, "fuzz"));
}

/// Reads the first and the last byte of each piece of memory a value points to.
inline void touch(llvm::ArrayRef<uint8_t> bytes) {
  if (bytes.empty())
    return;
  for (uint8_t byte : {bytes.front(), bytes.back()}) [[maybe_unused]]
    volatile uint8_t read = byte;
}

/// A directory in memory whose files are written anew for each input.
class Directory {
public:
  Directory() {
    llvm::SmallString<64> unique;
    for (const char *root : {"/dev/shm/heddle-fuzz", "/tmp/heddle-fuzz"})
      if (!llvm::sys::fs::createUniqueDirectory(root, unique))
        break;
    path = unique.str().str();
  }
  ~Directory() { llvm::sys::fs::remove_directories(path); }
  void write(llvm::StringRef name, llvm::StringRef content) {
    std::error_code ec;
    llvm::raw_fd_ostream os(path + "/" + name.str(), ec);
    os << content;
    os.close();
    if (ec || os.has_error())
      finding("no file for the input");
  }
  void remove(llvm::StringRef name) {
    llvm::sys::fs::remove(path + "/" + name.str());
  }
  std::string path;
};

/// Files of a directory from one input: texts apart by NUL bytes, which none of
/// them may hold.
inline llvm::StringRef nextText(llvm::StringRef &rest) {
  auto [text, others] = rest.split('\0');
  rest = others;
  return text;
}

} // namespace heddle::fuzz

#endif // HEDDLE_TEST_FUZZ_FUZZ_H
