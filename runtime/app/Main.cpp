//===- Main.cpp - Entry point of a compiled program -----------------------===//

#include "Options.h"
#include "Output.h"
#include "Run.h"
#include "Utf8.h"
#include "heddle/runtime/Failure.h"
#include <exception>
#include <new>
#include <unistd.h>

using namespace heddle::rt;

namespace {

int dispatch(const Options &options) {
  Program program;
  switch (options.command) {
  case Command::Generate:
    return runGenerate(program, options);
  case Command::Score:
    return runScore(program, options);
  case Command::Tokenize:
    return runTokenize(program, options);
  case Command::Detokenize:
    return runDetokenize(program, options);
  case Command::Bench:
    return runBench(program, options);
  case Command::Profile:
    return runProfile(program, options);
  case Command::Info:
    return runInfo(program, options);
  case Command::Chat:
    return runChat(program, options);
  case Command::Serve:
    fail(ExitCode::Unsupported, "unsupported: the serve command comes later",
         "`" + program.path() + " generate PROMPT`");
  }
  fail(ExitCode::Bug, "no such command");
}

int report(ExitCode code, const std::string &message,
           const std::string &hint = "") {
  // One line whatever a file name or a prompt in it contains.
  std::string line = oneLine("heddle: error: " + message) + "\n";
  if (!hint.empty())
    line += "hint: " + hint + "\n";
  (void)!write(2, line.data(), line.size());
  return static_cast<int>(code);
}

} // namespace

int main(int argc, char **argv) {
  prepareProcess();
  try {
    std::optional<Options> options = parseOptions(argc, argv);
    return options ? dispatch(*options) : 0;
  } catch (const Failure &failure) {
    return report(failure.code, failure.message, failure.hint);
  } catch (const std::bad_alloc &) {
    return report(ExitCode::Limit, "memory = refused by the system");
  } catch (const std::exception &error) {
    return report(ExitCode::Bug, std::string("bug in Heddle: ") + error.what());
  } catch (...) {
    return report(ExitCode::Bug, "bug in Heddle: unknown exception");
  }
}
