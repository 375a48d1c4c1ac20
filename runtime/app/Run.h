//===- Run.h - What every command that computes sets up --------*- C++ -*-===//
#ifndef HEDDLE_RUNTIME_APP_RUN_H
#define HEDDLE_RUNTIME_APP_RUN_H

#include "Bpe.h"
#include "Npy.h"
#include "Options.h"
#include "Sampler.h"
#include "heddle/runtime/Memory.h"
#include "heddle/runtime/Program.h"
#include "heddle/runtime/Session.h"
#include "heddle/runtime/ThreadTeam.h"
#include "heddle/runtime/heddle_rt.h"
#include <memory>

namespace heddle::rt {

/// Threads of a run: the option, or the physical cores; lowered, with a note,
/// to what is useful.
int chooseThreads(const Options &options);

/// Throws Failure(Hardware) for a device the program has no code for.
void checkDevice(const Options &options);

/// The program's tokenizer; throws Failure(Unsupported) if it has none.
std::unique_ptr<Bpe> loadTokenizer(const Program &program);

/// What is said, for a person: "temperature 0.6, top-k 20"; "" if nothing is.
std::string describe(const Sampling &sampling);

/// What the command line says, then what the checkpoint does; a note says
/// where that is to draw at random.
SamplerOptions chooseSampling(const Program &program, const Options &options);

/// Ids of `text`, with a note where bytes had to be left out.
std::vector<int32_t> encodeText(Bpe &bpe, const std::string &text,
                                bool special);

/// The conversation of --messages-file.
Conversation readConversation(const Options &options);

/// The tokenizer's chat template; throws Failure(Unsupported) if it has none.
const ChatTemplate &needTemplate(const Program &program, const Bpe &bpe);

/// Ids of a rendered conversation, with a note where bytes had to be left out.
std::vector<int32_t> encodeConversation(Bpe &bpe, const ChatTemplate &chat,
                                        const Conversation &conversation);

/// Device, level, memory and threads of a run. Plans and prints the first line
/// before it loads anything.
struct Run {
  const heddle_level *level;
  MemoryPlan plan;
  std::unique_ptr<ThreadTeam> team;
  std::unique_ptr<Session> session;

  /// `positions`: how many the command can reach (0: the whole context);
  /// `logitsRows`: of one step; `extraBytes`: what the command itself holds;
  /// `sequences`: side by side, of as many positions each.
  Run(Program &program, const Options &options, int64_t positions,
      int64_t logitsRows, uint64_t extraBytes, int64_t sequences = 1);
};

/// The ids of --tokens, --tokens-file or --text-file, of which one is given; a
/// text begins as the tokenizer has it.
TokenTable readScored(const Program &program, const Options &options);

// The commands; each returns the exit code.
int runGenerate(Program &program, const Options &options);
int runChat(Program &program, const Options &options);
int runScore(Program &program, const Options &options);
int runTokenize(Program &program, const Options &options);
int runDetokenize(Program &program, const Options &options);
int runProfile(Program &program, const Options &options);
int runBench(Program &program, const Options &options);
int runInfo(Program &program, const Options &options);

} // namespace heddle::rt

#endif // HEDDLE_RUNTIME_APP_RUN_H
