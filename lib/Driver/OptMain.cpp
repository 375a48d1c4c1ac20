//===- OptMain.cpp - mlir-opt with everything of ours ---------------------===//
//
// Beside what mlir-opt takes: --plugin=FILE.so, and --heddle-from=PHASE and
// --heddle-to=PHASE, which stand for the --pass-pipeline of those phases, both
// included. They are taken out of the command line first: plugins must be there
// before it is parsed.
//
//===----------------------------------------------------------------------===//
#include "heddle/Driver/CommandLine.h"
#include "heddle/Plugin/Registry.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include <fmt/format.h>

using namespace heddle;

namespace {
llvm::Expected<int> phaseNamed(llvm::StringRef flag, llvm::StringRef name) {
  if (int phase = findPhase(name); phase >= 0)
    return phase;
  return failure(ExitCode::Usage, fmt::format("{} = {}, one of {}", flag.str(),
                                              name.str(), phaseNames()));
}

/// The command line without our flags; what they mean is appended.
llvm::Error translate(int argc, char **argv,
                      std::vector<std::string> &arguments) {
  std::optional<int> from, to;
  for (int i = 0; i < argc; ++i) {
    llvm::StringRef argument = argv[i], flag = argument;
    if (flag.consume_front("-"))
      flag.consume_front("-");
    auto [name, value] = flag.split('=');
    if (i == 0 ||
        !(name == "plugin" || name == "heddle-from" || name == "heddle-to")) {
      arguments.push_back(argument.str());
      continue;
    }
    if (!flag.contains('=') && i + 1 < argc)
      value = argv[++i];
    if (name == "plugin") {
      if (auto error = loadPlugin(value))
        return error;
      continue;
    }
    auto phase = phaseNamed(name, value);
    if (!phase)
      return phase.takeError();
    (name == "heddle-from" ? from : to) = *phase;
  }
  if (!from && !to)
    return llvm::Error::success();
  int first = from.value_or(0), last = to.value_or(findPhase("target"));
  if (first > last)
    return failure(ExitCode::Usage,
                   fmt::format("heddle-from = {}, a phase after heddle-to = {}",
                               phases()[first].name, phases()[last].name));
  arguments.push_back("--pass-pipeline=" + pipelineText(first, last));
  return llvm::Error::success();
}
} // namespace

int heddle::runOpt(int argc, char **argv) {
  mlir::registerAllPasses();
  registerBuiltins();
  std::vector<std::string> arguments;
  if (auto error = translate(argc, argv, arguments))
    return report(std::move(error), "heddle-opt");
  mlir::DialectRegistry registry;
  registerDialects(registry);
  std::vector<char *> pointers;
  for (std::string &argument : arguments)
    pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(arguments.size(), pointers.data(),
                        "Heddle optimizer driver\n", registry));
}
