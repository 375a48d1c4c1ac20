//===- Options.h - The command line of a compiled program ------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_OPTIONS_H
#define HEDDLE_RUNTIME_APP_OPTIONS_H

#include "heddle/runtime/Memory.h"
#include "heddle/runtime/Program.h"
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace heddle::rt {

enum class Command {
  Generate,
  Chat,
  Score,
  Profile,
  Tokenize,
  Detokenize,
  Bench,
  Info,
  Serve,
};

enum class PrintMode { Text, Tokens, Json };

/// Everything that the commands read; absent options are nullopt or defaults.
struct Options {
  Command command = Command::Generate;

  // All commands.
  std::optional<int64_t> threads;
  int64_t context = 0; // 0: the default
  std::string device = "auto";
  std::string isa;
  uint64_t memLimit = 0; // bytes; 0: none
  Loading loading = Loading::Auto;

  // Text and tokens in.
  std::optional<std::string> text; // PROMPT or TEXT
  std::optional<std::string> textFile, messagesFile;
  std::optional<std::string> tokens;
  std::optional<std::string> tokensFile;
  bool special = false, lines = false, raw = false;

  // generate
  std::optional<int64_t> count; // -n
  Sampling sampling;            // as the checkpoint says where it is not given
  uint64_t seed = 0;
  std::vector<std::string> stops;
  bool ignoreEos = false;
  PrintMode print = PrintMode::Text;

  // chat
  std::optional<std::string> system;

  // score
  std::string out;
  int64_t chunk = 0; // 0: the program's prefill tokens
  bool nll = false;

  // bench
  std::vector<int64_t> prompts{16, 128, 512}, gens{64}, depths{0}, batches{1};
  int64_t repeat = 5;
  bool kernels = false;

  // bench, info
  bool json = false, licenses = false, verify = false;
};

/// Reads the command line. Returns nullopt after printing help; throws
/// Failure(Usage) with one line.
std::optional<Options> parseOptions(int argc, char **argv);

/// "1,2,3" as numbers in [low, high]; throws Failure(Usage) for what is not a
/// list of numbers and Failure(`rangeCode`) for one out of range.
std::vector<int64_t> parseList(const std::string &option,
                               const std::string &text, int64_t low,
                               int64_t high, int rangeCode = 2);

/// The ids of --tokens, each in [0, vocab); Failure(Malformed) out of range.
std::vector<int32_t> parseTokens(const std::string &text, int64_t vocab);

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_OPTIONS_H
