//===- OptMain.cpp - mlir-opt with everything of ours ---------------------===//
//
// Beside what mlir-opt takes: --plugin=FILE.so, and --heddle-from=PHASE and
// --heddle-to=PHASE, which stand for the --pass-pipeline of those phases, both
// included. They are taken out of the command line first: plugins must be there
// before it is parsed.
//
//===----------------------------------------------------------------------===//
#include "heddle/Driver/CommandLine.h"
#include "heddle/Driver/ModuleFile.h"
#include "heddle/Plugin/Registry.h"
#include "heddle/Support/OutputFile.h"
#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/MemoryBuffer.h"
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

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
/// Looks through the text before MLIR's parser does. Standard input becomes a
/// file in memory, which can be read twice.
llvm::Error checkInput(llvm::StringRef name) {
  std::string words;
  auto buffer = mlir::openInputFile(name, &words);
  if (!buffer)
    return llvm::Error::success(); // mlir-opt says it in its own words
  llvm::StringRef text = buffer->getBuffer();
  if (name == "-") {
    int memory = ::memfd_create("heddle-opt", MFD_CLOEXEC);
    if (memory < 0 || ::dup2(memory, 0) < 0)
      return failure(ExitCode::InputOutput, "standard input: no file for it");
    llvm::raw_fd_ostream(memory, /*shouldClose=*/true) << text;
    ::lseek(0, 0, SEEK_SET);
  }
  if (mlir::isBytecode(buffer->getMemBufferRef()))
    return llvm::Error::success();
  return checkModuleText(name == "-" ? "standard input" : name, text,
                         Resources::Checked);
}
} // namespace

int heddle::runOpt(int argc, char **argv) {
  mlir::registerAllPasses();
  registerBuiltins();
  std::vector<std::string> arguments;
  if (auto error = translate(argc, argv, arguments))
    return report(std::move(error), "heddle-opt");
  prepareProcess();
  mlir::DialectRegistry registry;
  registerDialects(registry);
  std::vector<char *> pointers;
  for (std::string &argument : arguments)
    pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  int count = arguments.size();
  auto [input, output] = mlir::registerAndParseCLIOptions(
      count, pointers.data(), "Heddle optimizer driver\n", registry);
  if (auto error = checkInput(input))
    return report(std::move(error), "heddle-opt");
  return finishOutput(mlir::asMainReturnCode(mlir::MlirOptMain(
                          count, pointers.data(), input, output, registry)),
                      "heddle-opt");
}
