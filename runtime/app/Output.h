//===- Output.h - Standard streams, files and signals ----------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_OUTPUT_H
#define HEDDLE_RUNTIME_APP_OUTPUT_H

#include <cstdint>
#include <string>
#include <string_view>

namespace heddle::rt {

/// Call first: makes descriptors 0 to 2 safe to use and installs handlers.
/// SIGINT ends the process at once with 130 (a step cannot be interrupted, and
/// nothing is buffered), removing the unfinished output file.
void prepareProcess();

/// Writes all of it to standard output, unbuffered. A closed output ends the
/// process quietly with 0; any other error throws Failure(InputOutput).
void printOut(std::string_view text);

/// One line on standard error, `heddle: TEXT`; errors are ignored.
void printNote(const std::string &text);

/// True if standard output is a terminal.
bool outputIsTerminal();

/// The whole file; throws Failure(InputOutput).
std::string readFile(const std::string &path);
/// What standard input has to give at once; "" at its end.
std::string readSome();
/// All of standard input.
std::string readInput();

/// A file that appears under its name only when finished.
class AtomicFile {
public:
  /// Creates `PATH.tmp.PID`; throws Failure(InputOutput).
  explicit AtomicFile(const std::string &path);
  ~AtomicFile();
  AtomicFile(const AtomicFile &) = delete;
  AtomicFile &operator=(const AtomicFile &) = delete;
  void write(const void *data, uint64_t bytes);
  /// At `offset` from the file's beginning, wherever write() is.
  void writeAt(uint64_t offset, const void *data, uint64_t bytes);
  /// Makes it `bytes` long, of zeros where nothing is written.
  void resize(uint64_t bytes);
  /// Renames it into place.
  void commit();

private:
  std::string target, temporary;
  int fd = -1;
};

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_OUTPUT_H
