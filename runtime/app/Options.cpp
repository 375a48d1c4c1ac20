//===- Options.cpp - The command line of a compiled program ---------------===//

#include "Options.h"
#include "Output.h"
#include "heddle/runtime/Failure.h"
#include <CLI/CLI.hpp>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <map>

namespace heddle::rt {

namespace {

const std::map<std::string, Command> kCommands = {
    {"generate", Command::Generate},     {"chat", Command::Chat},
    {"score", Command::Score},           {"tokenize", Command::Tokenize},
    {"detokenize", Command::Detokenize}, {"bench", Command::Bench},
    {"profile", Command::Profile},       {"info", Command::Info},
    {"serve", Command::Serve},
};

// Options of every command that take a value, as they are spelled.
const std::vector<std::string> kCommonWithValue = {
    "-t",       "--threads", "-c",          "--context",
    "--device", "--isa",     "--mem-limit", "--load"};

[[noreturn]] void usage(const std::string &option, const std::string &value,
                        const std::string &limit) {
  fail(ExitCode::Usage, option + " = " + value + ", limit " + limit);
}

// Index of the command word in `args`, after common options only, or npos: a
// prompt may be any word, so nothing else is searched.
size_t findCommand(const std::vector<std::string> &args) {
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string &arg = args[i];
    if (kCommands.count(arg))
      return i;
    bool common = false;
    for (const std::string &name : kCommonWithValue) {
      if (arg == name) {
        common = true;
        ++i;
        break;
      }
      bool isLong = name.compare(0, 2, "--") == 0;
      if (arg.compare(0, name.size() + isLong, name + (isLong ? "=" : "")) ==
          0) {
        common = true;
        break;
      }
    }
    if (!common)
      return std::string::npos;
  }
  return std::string::npos;
}

int64_t parseNumber(const std::string &option, const std::string &text,
                    int64_t low, int64_t high, int rangeCode) {
  std::string range = std::to_string(low) + " to " + std::to_string(high);
  char *end = nullptr;
  errno = 0;
  long long value = strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end || isspace(static_cast<unsigned char>(text[0])) ||
      text[0] == '+')
    usage(option, text.empty() ? "(nothing)" : text, "a number " + range);
  if (errno == ERANGE || value < low || value > high)
    fail(static_cast<ExitCode>(rangeCode),
         option + " = " + text + ", limit " + range);
  return value;
}

uint64_t parseBytes(const std::string &option, const std::string &text) {
  size_t digits = text.find_first_not_of("0123456789");
  std::string number = text.substr(0, digits);
  std::string unit = digits == std::string::npos ? "" : text.substr(digits);
  static const std::map<std::string, int> shifts = {
      {"", 0},     {"K", 10},   {"M", 20},   {"G", 30},  {"T", 40},
      {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
  auto shift = shifts.find(unit);
  if (number.empty() || shift == shifts.end())
    usage(option, text.empty() ? "(nothing)" : text,
          "a number of bytes, or with K, M, G or T");
  return static_cast<uint64_t>(
             parseNumber(option, number, 1, INT64_MAX >> shift->second, 2))
         << shift->second;
}

// Adds options to one command's parser; numbers are read by parseNumber, so
// that every message has one form.
struct Parser {
  CLI::App &app;
  Options &options;

  void number(const std::string &flags, int64_t low, int64_t high,
              const std::string &help, std::function<void(int64_t)> set) {
    std::string name = flags.substr(flags.rfind(',') + 1);
    app.add_option_function<std::string>(
           flags,
           [=](const std::string &text) {
             set(parseNumber(name, text, low, high, 2));
           },
           help)
        ->type_name("N");
  }
  void real(const std::string &name, double low, bool lowIncluded, double high,
            std::optional<double> *value, const std::string &help) {
    app.add_option_function<std::string>(
           name,
           [=](const std::string &text) {
             char *end = nullptr;
             double v = strtod(text.c_str(), &end);
             bool fits = v <= high && (lowIncluded ? v >= low : v > low);
             if (text.empty() || *end || !std::isfinite(v) || !fits)
               usage(name, text.empty() ? "(nothing)" : text, help);
             *value = v;
           },
           help)
        ->type_name("X");
  }
  void text(const std::string &name, std::optional<std::string> *value,
            const std::string &help) {
    app.add_option_function<std::string>(
           name, [=](const std::string &given) { *value = given; }, help)
        ->type_name("TEXT");
  }
  void numbers(const std::string &name, int64_t low, int64_t high,
               std::vector<int64_t> *value, const std::string &help) {
    app.add_option_function<std::string>(
           name,
           [=](const std::string &given) {
             *value = parseList(name, given, low, high);
           },
           help)
        ->type_name("N,…");
  }

  void common() {
    Options *o = &options;
    number("-t,--threads", 1, INT32_MAX, "threads (default: physical cores)",
           [=](int64_t n) { o->threads = n; });
    number("-c,--context", 1, INT32_MAX, "positions to hold",
           [=](int64_t n) { o->context = n; });
    app.add_option("--device", options.device, "auto, cpu or cuda[:i]");
    app.add_option("--isa", options.isa, "level to run, as info names it");
    app.add_option_function<std::string>(
           "--mem-limit",
           [=](const std::string &given) {
             o->memLimit = parseBytes("--mem-limit", given);
           },
           "most memory to use")
        ->type_name("BYTES");
    app.add_option_function<std::string>(
           "--load",
           [=](const std::string &given) {
             if (given == "auto")
               o->loading = Loading::Auto;
             else if (given == "copy")
               o->loading = Loading::Copy;
             else if (given == "map")
               o->loading = Loading::Map;
             else
               usage("--load", given, "auto, copy or map");
           },
           "copy the weights into memory, map their file, or auto: copy them "
           "where they fit")
        ->type_name("HOW");
  }
  void generate();
  void chat();
  void sampling();
  void score();
  void profile();
  void tokenize();
  void bench();
};

void Parser::generate() {
  Options *o = &options;
  text("PROMPT", &o->text, "text to go on from; none: standard input");
  text("--prompt-file", &o->textFile, "file with the prompt");
  text("--messages-file", &o->messagesFile,
       "JSON list of messages, {\"role\", \"content\"}");
  text("--tokens", &o->tokens, "prompt as token ids, 1,2,3");
  app.add_flag("--raw", options.raw, "no chat template");
  app.add_flag("--special", options.special,
               "control tokens written in the prompt count as such");
  sampling();
  number("-n", 0, INT32_MAX, "tokens to generate (default: 128)",
         [=](int64_t n) { o->count = n; });
  app.add_flag("--ignore-eos", options.ignoreEos, "go on past the end token");
  app.add_option_function<std::string>(
         "--print",
         [=](const std::string &mode) {
           if (mode == "text")
             o->print = PrintMode::Text;
           else if (mode == "tokens")
             o->print = PrintMode::Tokens;
           else if (mode == "json")
             o->print = PrintMode::Json;
           else
             usage("--print", mode, "text, tokens or json");
         },
         "text, tokens or json")
      ->type_name("MODE");
}

void Parser::chat() {
  Options *o = &options;
  text("--system", &o->system, "text of a system message");
  sampling();
  number("-n", 1, INT32_MAX, "tokens of an answer (default: no limit)",
         [=](int64_t n) { o->count = n; });
}

void Parser::sampling() {
  // What is not given is the checkpoint's.
  Options *o = &options;
  Sampling *s = &options.sampling;
  real("--temperature", 0, true, 1e6, &s->temperature,
       "a number from 0 (greedy)");
  number("--top-k", 0, INT32_MAX, "keep the K likeliest; 0: all",
         [=](int64_t n) { s->topK = n; });
  real("--top-p", 0, false, 1, &s->topP, "a number above 0 and at most 1");
  real("--min-p", 0, true, 1, &s->minP, "a number from 0 to 1");
  number("--seed", 0, INT64_MAX, "seed of the draws (default: 0)",
         [=](int64_t n) { o->seed = static_cast<uint64_t>(n); });
  app.add_option("--stop", options.stops, "end before this text (repeatable)")
      ->type_name("TEXT")
      ->allow_extra_args(false)
      ->take_all();
}

void Parser::score() {
  Options *o = &options;
  text("--tokens", &o->tokens, "token ids, 1,2,3 (no BOS is added)");
  text("--tokens-file", &o->tokensFile,
       "int32 or int64 .npy of ids, [T], or [S, T] of sequences, -1: none");
  text("--text-file", &o->textFile, "text to tokenize");
  app.add_option("--out", options.out, "logits, float32 [(S,) T, vocab] .npy");
  number("--chunk", 1, INT32_MAX, "tokens per step; 1: the decode code",
         [=](int64_t n) { o->chunk = n; });
  app.add_flag("--nll", options.nll, "print the mean negative log-likelihood");
}

void Parser::profile() {
  Options *o = &options;
  text("--text-file", &o->textFile, "text whose routing is counted");
  text("--tokens-file", &o->tokensFile,
       "the same as .npy of ids, [T] or [S, T]");
  text("--tokens", &o->tokens, "the same as token ids, 1,2,3");
  app.add_option("--out", options.out, "how often each expert was chosen");
}

void Parser::tokenize() {
  Options *o = &options;
  text("TEXT", &o->text, "text; none: standard input");
  text("--file", &o->textFile, "file with the text");
  app.add_flag("--special", options.special,
               "add BOS; control tokens written in the text count as such");
  text("--messages-file", &o->messagesFile,
       "a conversation, as the chat template renders it, in place of a text");
  app.add_flag("--lines", options.lines,
               "each input line is a JSON string, each output line its ids");
}

void Parser::bench() {
  Options *o = &options;
  numbers("--prompt", 1, INT32_MAX, &o->prompts, "prompt lengths");
  numbers("--gen", 1, INT32_MAX, &o->gens, "tokens generated");
  numbers("--depth", 0, INT32_MAX, &o->depths, "positions filled before");
  numbers("--batch", 1, INT32_MAX, &o->batches, "sequences at once");
  number("--repeat", 1, 1000, "runs; the median counts",
         [=](int64_t n) { o->repeat = n; });
  app.add_flag("--json", options.json, "one JSON object");
  app.add_flag("--kernels", options.kernels,
               "the time of each kernel of a step, in place of all lengths");
}

} // namespace

std::optional<Options> parseOptions(int argc, char **argv) {
  std::vector<std::string> args(argv + 1, argv + argc);
  Options options;
  std::string name = "generate";
  if (size_t at = findCommand(args); at != std::string::npos) {
    name = args[at];
    args.erase(args.begin() + static_cast<ptrdiff_t>(at));
  }
  options.command = kCommands.at(name);

  CLI::App app("A program compiled by Heddle. Commands: generate (default), "
               "chat, score, tokenize, detokenize, bench, profile, info, "
               "serve.",
               std::string(argc ? argv[0] : "PROG") + " " + name);
  Parser parser{app, options};
  parser.common();
  switch (options.command) {
  case Command::Generate:
    parser.generate();
    break;
  case Command::Score:
    parser.score();
    break;
  case Command::Tokenize:
    parser.tokenize();
    break;
  case Command::Detokenize:
    parser.text("--tokens", &options.tokens, "token ids, 1,2,3");
    break;
  case Command::Bench:
    parser.bench();
    break;
  case Command::Profile:
    parser.profile();
    break;
  case Command::Info:
    app.add_flag("--json", options.json, "one JSON object");
    app.add_flag("--licenses", options.licenses, "what is linked in");
    app.add_flag("--verify", options.verify, "check the weights' hash");
    break;
  case Command::Chat:
    parser.chat();
    break;
  case Command::Serve:
    // Not there yet: any option gets the command's own answer.
    app.allow_extras();
    break;
  }
  try {
    // CLI11 takes the arguments from the back.
    app.parse(std::vector<std::string>(args.rbegin(), args.rend()));
  } catch (const CLI::CallForHelp &) {
    printOut(app.help());
    return std::nullopt;
  } catch (const CLI::ParseError &error) {
    std::string line = error.what();
    for (char &c : line)
      c = c == '\n' ? ' ' : c;
    fail(ExitCode::Usage, line, "`" + app.get_name() + " --help`");
  }
  for (const std::string &stop : options.stops)
    if (stop.empty())
      usage("--stop", "(nothing)", "a text");
  return options;
}

std::vector<int64_t> parseList(const std::string &option,
                               const std::string &text, int64_t low,
                               int64_t high, int rangeCode) {
  std::vector<int64_t> result;
  for (size_t at = 0;;) {
    size_t comma = std::min(text.find(',', at), text.size());
    result.push_back(
        parseNumber(option, text.substr(at, comma - at), low, high, rangeCode));
    if (comma == text.size())
      return result;
    at = comma + 1;
  }
}

std::vector<int32_t> parseTokens(const std::string &text, int64_t vocab) {
  std::vector<int64_t> wide = parseList("--tokens", text, 0, vocab - 1,
                                        static_cast<int>(ExitCode::Malformed));
  return {wide.begin(), wide.end()};
}

} // namespace heddle::rt
