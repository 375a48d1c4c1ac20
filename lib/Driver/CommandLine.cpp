//===- CommandLine.cpp - heddle compile | run | import | … ----------------===//
#include "heddle/Driver/CommandLine.h"
#include "heddle/Driver/Commands.h"
#include "heddle/Driver/Compile.h"
#include "heddle/Driver/Confined.h"
#include "heddle/Driver/ModuleFile.h"
#include "heddle/Driver/ProgramReader.h"
#include "heddle/Plugin/Registry.h"
#include "heddle/Support/Error.h"
#include "heddle/Support/OutputFile.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/InitAllPasses.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/JSON.h"
#include <fmt/format.h>

using namespace heddle;
namespace cl = llvm::cl;

namespace {
cl::SubCommand compileCmd("compile", "compile a model to a native program");
cl::SubCommand runCmd("run", "compile into the cache and run");
cl::SubCommand importCmd("import", "print the imported graph");
cl::SubCommand
    listCmd("list",
            "list passes, targets, formats, families, routers or plugins");
cl::SubCommand referenceCmd("reference", "run the f64 reference interpreter");
cl::SubCommand explainCmd("explain", "what became of each kernel");
cl::SubCommand tuneCmd("tune", "search pass options on this machine");

cl::OptionCategory category("Heddle options");
#define SUB(...) cl::cat(category), __VA_ARGS__

cl::opt<std::string> model(cl::Positional, cl::desc("MODEL"),
                           SUB(cl::sub(compileCmd), cl::sub(importCmd),
                               cl::sub(referenceCmd), cl::sub(explainCmd),
                               cl::sub(tuneCmd)));
cl::opt<std::string> output("o", cl::desc("output file"),
                            SUB(cl::sub(compileCmd), cl::sub(importCmd),
                                cl::sub(tuneCmd)));
cl::opt<std::string> target(
    "target",
    cl::desc("native, or feature levels of one architecture (a comma list)"),
    SUB(cl::sub(compileCmd), cl::sub(explainCmd)));
cl::opt<std::string> numeric("numeric", cl::desc("auto, f32, a16 or a8"),
                             SUB(cl::sub(compileCmd), cl::sub(explainCmd)));
cl::opt<int64_t> contextLength("context", cl::desc("positions of the caches"),
                               SUB(cl::sub(compileCmd), cl::sub(explainCmd)));
cl::opt<std::string> weights("weights", cl::init("embed"),
                             cl::desc("embed or external"),
                             SUB(cl::sub(compileCmd)));
cl::opt<std::string> emitKind("emit", cl::init("program"),
                              cl::desc("program, shared, object or asm"),
                              SUB(cl::sub(compileCmd)));
cl::opt<std::string> dumpIR("dump-ir",
                            cl::desc("directory for one file a phase"),
                            SUB(cl::sub(compileCmd)));
cl::opt<std::string> weightsFrom("weights-from",
                                 cl::desc("the checkpoint of a dumped module"),
                                 SUB(cl::sub(compileCmd), cl::sub(explainCmd),
                                     cl::sub(referenceCmd)));
cl::list<std::string> pluginFiles("plugin",
                                  cl::desc("plugin to load (repeatable)"),
                                  SUB(cl::sub(compileCmd), cl::sub(explainCmd),
                                      cl::sub(importCmd), cl::sub(listCmd),
                                      cl::sub(referenceCmd)));
cl::opt<std::string> profile(
    "profile",
    cl::desc("what PROG profile wrote: experts lie in the order of use"),
    SUB(cl::sub(compileCmd)));
cl::opt<std::string> tuning("tuning", cl::desc("tuning record"),
                            SUB(cl::sub(compileCmd)));
cl::opt<std::string>
    chatTemplate("chat-template",
                 cl::desc("none, or a Jinja file in place of the model's"),
                 SUB(cl::sub(compileCmd)));
cl::opt<std::string> pipeline(
    "pipeline",
    cl::desc("passes in place of the phases, as --print-pipeline prints them"),
    SUB(cl::sub(compileCmd)));
cl::opt<unsigned> jobs("jobs", cl::init(0), cl::desc("threads of the compiler"),
                       SUB(cl::sub(compileCmd), cl::sub(explainCmd)));
cl::list<std::string> passOptions("pass-option", cl::desc("PASS.OPTION=VALUE"),
                                  SUB(cl::sub(compileCmd),
                                      cl::sub(explainCmd)));
cl::alias passOptionsShort("p", cl::aliasopt(passOptions),
                           cl::desc("= --pass-option"));
cl::opt<bool> printPipeline("print-pipeline",
                            cl::desc("print the pass pipeline"),
                            SUB(cl::sub(compileCmd)));
cl::opt<bool> quiet("quiet", cl::desc("no progress"), SUB(cl::sub(compileCmd)));
cl::opt<std::string> listWhat(cl::Positional, cl::desc("WHAT"),
                              SUB(cl::sub(listCmd)));
cl::opt<bool> json("json", cl::desc("as JSON"),
                   SUB(cl::sub(listCmd), cl::sub(explainCmd)));
cl::opt<double> dramLimit("dram-gb-s", cl::init(0),
                          cl::desc("memory bandwidth, as PROG bench prints it"),
                          SUB(cl::sub(explainCmd)));
cl::opt<double> operationLimit("gop-s", cl::init(0),
                               cl::desc("operations a second, 10^9"),
                               SUB(cl::sub(explainCmd)));
cl::opt<int64_t> depth("depth", cl::init(0),
                       cl::desc("positions before the token"),
                       SUB(cl::sub(explainCmd)));
cl::opt<bool>
    measure("measure",
            cl::desc("run it: the share of the limits that is reached"),
            SUB(cl::sub(explainCmd)));
cl::opt<int64_t>
    threads("threads", cl::init(0),
            cl::desc("threads of --measure; the program's default"),
            SUB(cl::sub(explainCmd)));
cl::alias threadsShort("t", cl::aliasopt(threads), cl::desc("= --threads"));
cl::list<int32_t> tokens("tokens", cl::CommaSeparated, cl::desc("token ids"),
                         SUB(cl::sub(referenceCmd)));
cl::opt<int64_t> count("n", cl::init(0), cl::desc("tokens to generate"),
                       SUB(cl::sub(referenceCmd)));
cl::opt<std::string> print("print", cl::init("tokens"), cl::desc("tokens"),
                           SUB(cl::sub(referenceCmd)));
cl::opt<bool> ignoreEos("ignore-eos", cl::desc("go on past the end token"),
                        SUB(cl::sub(referenceCmd)));
cl::opt<double> temperature("temperature", cl::init(0), cl::desc("0, greedy"),
                            SUB(cl::sub(referenceCmd)));
cl::opt<std::string>
    logitsOut("out", cl::desc("logits of every position, float64 .npy"),
              SUB(cl::sub(referenceCmd)));
#undef SUB

llvm::Error usage(const std::string &message,
                  const std::string &hint = "heddle --help") {
  return failure(ExitCode::Usage, message, hint);
}

/// What compile and explain have in common.
llvm::Expected<CompileOptions> commonOptions() {
  CompileOptions options;
  options.model = model;
  options.output = output;
  if (target.getNumOccurrences())
    options.target = target;
  if (numeric.getNumOccurrences())
    options.numeric = numeric;
  if (contextLength.getNumOccurrences())
    options.context = contextLength;
  options.weightsFrom = weightsFrom;
  options.profile = profile;
  if (jobs.getNumOccurrences()) {
    if (jobs < 1)
      return usage(fmt::format("jobs = {}, limit at least 1", jobs.getValue()));
    options.jobs = jobs;
  }
  for (llvm::StringRef option : passOptions) {
    auto [name, value] = option.split('=');
    auto [pass, field] = name.split('.');
    if (pass.empty() || field.empty() || value.empty())
      return usage("pass-option = " + option.str() +
                   ", needs PASS.OPTION=VALUE");
    options.passOptions.push_back(option.str());
  }
  return options;
}

llvm::Error explainCommand() {
  if (model.empty())
    return usage("explain needs PROG or MODEL", "heddle explain model.gguf");
  if (dramLimit < 0 || operationLimit < 0 || depth < 0)
    return usage("dram-gb-s, gop-s and depth: limit at least 0");
  if (measure && (dramLimit > 0 || operationLimit > 0))
    return usage("--measure probes the limits itself: no dram-gb-s, no gop-s");
  if (threads.getNumOccurrences() && (!measure || threads < 1))
    return usage(fmt::format("threads = {}, limit at least 1, with --measure",
                             threads.getValue()));
  auto options = commonOptions();
  if (!options)
    return options.takeError();
  ExplainOptions how;
  how.json = json;
  how.dramGBs = dramLimit;
  how.gops = operationLimit;
  how.depth = depth;
  if (!isProgramFile(model)) {
    if (!measure)
      return explain(*options, how);
    // A program of its own, for as long as it is measured.
    ScratchFile program;
    if (auto error = program.create("program"))
      return error;
    options->output = program.path;
    if (auto error = compile(*options))
      return error;
    return explainProgram(program.path, how, true, threads);
  }
  // What a program was made with is not up to who asks.
  for (std::reference_wrapper<const cl::Option> option :
       std::initializer_list<std::reference_wrapper<const cl::Option>>{
           target, numeric, contextLength, weightsFrom, passOptions})
    if (option.get().getNumOccurrences())
      return usage(model + ": a compiled program takes no " +
                       option.get().ArgStr.str(),
                   "heddle explain " + model);
  return explainProgram(model, how, measure, threads);
}

llvm::Error compileCommand() {
  if (!tuning.empty())
    return failure(ExitCode::Unsupported, "--tuning is unsupported");
  auto common = commonOptions();
  if (!common)
    return common.takeError();
  CompileOptions options = std::move(*common);
  options.dumpIR = dumpIR;
  options.emit = emitKind;
  options.quiet = quiet;
  options.pipeline = pipeline;
  options.chat.none = chatTemplate == "none";
  if (!options.chat.none)
    options.chat.file = chatTemplate;
  options.externalWeights = weights == "external";
  if (weights != "embed" && weights != "external")
    return usage("weights = " + weights + ", one of embed, external");
  if (emitKind == "shared")
    return failure(ExitCode::Unsupported,
                   "emit = shared, supported: program, object, asm");
  if (emitKind != "program" && emitKind != "object" && emitKind != "asm")
    return usage("emit = " + emitKind +
                 ", one of program, shared, object, asm");
  if (printPipeline) {
    llvm::outs() << (pipeline.empty() ? pipelineText(0, findPhase("target"))
                                      : pipeline.getValue())
                 << '\n';
    return llvm::Error::success();
  }
  if (model.empty() || output.empty())
    return usage("compile needs MODEL and -o PROG",
                 "heddle compile model.gguf -o program");
  return compile(options);
}

llvm::Error listCommand() {
  llvm::json::Array rows;
  auto add = [&](llvm::StringRef name, llvm::StringRef summary,
                 llvm::StringRef owner) {
    rows.push_back(llvm::json::Object{{"name", name.str()},
                                      {"summary", summary.str()},
                                      {"plugin", owner.str()}});
  };
  if (listWhat == "passes") {
    for (const Phase &phase : phases())
      for (const PassRow &pass : passesOf(phase))
        add(pass.name, fmt::format("[{}] {}", phase.name, pass.summary),
            pass.owner);
  } else if (listWhat == "targets") {
    for (const auto &[level, owner] : codegen::levels())
      add(level.name,
          fmt::format("{}, needs {}", level.triple,
                      *level.needs ? level.needs
                                   : "nothing beyond the architecture"),
          owner);
  } else if (listWhat == "formats") {
    for (const auto &[importer, owner] : import::importers())
      add(importer.name, importer.summary, owner);
    for (const auto &[encoding, owner] : import::encodings())
      add(encoding.name,
          fmt::format("encoding, {} elements in {} bytes", encoding.blockElems,
                      encoding.blockBytes),
          owner);
  } else if (listWhat == "families") {
    for (const auto &[family, owner] : import::families())
      add(family.name, family.summary, owner);
  } else if (listWhat == "routers") {
    for (const auto &[router, owner] : routers())
      add(router.name, router.summary, owner);
  } else if (listWhat == "plugins") {
    for (const auto &[plugin, owner] : plugins())
      add(plugin.name,
          fmt::format("version {}, API {}", plugin.version,
                      HEDDLE_PLUGIN_API_VERSION),
          owner);
  } else {
    return usage(
        "list = " + listWhat +
        ", one of passes, targets, formats, families, routers, plugins");
  }
  if (json) {
    llvm::outs() << llvm::formatv("{0:2}", llvm::json::Value(std::move(rows)))
                 << '\n';
    return llvm::Error::success();
  }
  for (const llvm::json::Value &row : rows)
    llvm::outs() << llvm::left_justify(*row.getAsObject()->getString("name"),
                                       28)
                 << ' ' << *row.getAsObject()->getString("summary") << " ("
                 << *row.getAsObject()->getString("plugin") << ")\n";
  return llvm::Error::success();
}

/// What a command finds registered.
llvm::Error prepare() {
  // A pipeline may name any pass of MLIR.
  if (!pipeline.empty())
    mlir::registerAllPasses();
  for (const std::string &file : pluginFiles)
    if (auto error = loadPlugin(file))
      return error;
  return llvm::Error::success();
}

llvm::Error dispatch() {
  if (compileCmd)
    return compileCommand();
  if (importCmd)
    return model.empty() ? usage("import needs MODEL")
                         : importToFile(model, output);
  if (listCmd)
    return listCommand();
  if (referenceCmd) {
    if (model.empty() || tokens.empty())
      return usage(
          "reference needs MODEL and --tokens",
          "heddle reference model.gguf --tokens=1,2,3 -n 8 --ignore-eos");
    if (temperature != 0 || print != "tokens" || (count && !ignoreEos))
      return failure(
          ExitCode::Unsupported,
          "reference generates greedily past the end token and prints ids",
          "heddle reference model.gguf --tokens=1,2,3 -n 8 --ignore-eos");
    return runReference(model,
                        std::vector<int32_t>(tokens.begin(), tokens.end()),
                        count, logitsOut, weightsFrom);
  }
  if (explainCmd)
    return explainCommand();
  if (tuneCmd)
    return failure(ExitCode::Unsupported, "tune is unsupported");
  return usage("no command given");
}
} // namespace

static int runTool(int argc, char **argv) {
  if (argc > 1 && llvm::StringRef(argv[1]) == "--version") {
    llvm::outs() << "heddle " HEDDLE_VERSION "\n";
    return 0;
  }
  if (argc > 1 && llvm::StringRef(argv[1]) == "run") {
    // The program reads its own flags.
    if (argc < 3 || argv[2][0] == '-')
      return report(
          usage("run needs MODEL", "heddle run model.gguf \"Hello\""));
    return report(runProgram(argv[2], argv + 3));
  }
  cl::HideUnrelatedOptions(category);
  for (auto *sub : {&compileCmd, &importCmd, &listCmd, &referenceCmd,
                    &explainCmd, &tuneCmd})
    cl::HideUnrelatedOptions(category, *sub);
  std::string errors;
  llvm::raw_string_ostream os(errors);
  if (!cl::ParseCommandLineOptions(
          argc, argv,
          "Heddle: open-weights language models to native programs\n", &os)) {
    llvm::StringRef first = llvm::StringRef(errors).split('\n').first;
    first.consume_front("heddle: ");
    return report(usage(first.str()));
  }
  auto work = [&] {
    if (auto error = prepare())
      return report(std::move(error));
    return report(dispatch());
  };
  return isModuleFile(model) ? confined(model, work) : work();
}

int heddle::runCommand(int argc, char **argv) {
  prepareProcess();
  registerBuiltins();
  return finishOutput(runTool(argc, argv));
}
