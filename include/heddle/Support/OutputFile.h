//===- OutputFile.h - Files that are whole or not there ---------*- C++ -*-===//
#ifndef HEDDLE_SUPPORT_OUTPUTFILE_H
#define HEDDLE_SUPPORT_OUTPUTFILE_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"
#include <memory>
#include <string>

namespace heddle {

/// A file that is written beside its name and takes it when it is whole; what
/// had the name stays until then. Whatever ends the writing, a signal too,
/// removes it. A device or a pipe is written to as it is. Every error is
/// InputOutput and names the file.
class OutputFile {
public:
  ~OutputFile();
  llvm::Error open(llvm::StringRef name);
  /// Drops what is written after an error; finish() says so.
  llvm::raw_pwrite_stream &os();
  /// Whether all was written so far.
  llvm::Error check();
  /// All of it is on disk, not under its name yet.
  llvm::Error finish(bool executable = false);
  /// After finish().
  llvm::Error rename();

private:
  llvm::Error failed(std::error_code code) const;
  std::string target, temporary; // no temporary: a device
  std::unique_ptr<llvm::raw_fd_ostream> stream;
};

/// Writes a whole file. Errors: as OutputFile; what `write` returns.
llvm::Error
writeFile(llvm::StringRef name,
          llvm::function_ref<llvm::Error(llvm::raw_pwrite_stream &)> write);

/// A file in the directory for temporary ones, removed with this, or by a
/// signal.
class ScratchFile {
public:
  ~ScratchFile();
  /// Errors: InputOutput.
  llvm::Error create(llvm::StringRef suffix);
  std::string path;
};

/// For a process that prints results: closed standard descriptors become
/// /dev/null, errors of writing are told and no signal, SIGINT and SIGTERM
/// remove what is unfinished and exit with 130 and 143, and a mapped file that
/// is cut ends it with the status of a changed one; no memory and no thread are
/// Limit.
void prepareProcess();

/// The exit status after all was printed: `code`, or that of InputOutput with a
/// line where standard output took no more. A reader that left is no error.
int finishOutput(int code, llvm::StringRef tool = "heddle");

} // namespace heddle

#endif // HEDDLE_SUPPORT_OUTPUTFILE_H
