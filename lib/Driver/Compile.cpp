//===- Compile.cpp - From a checkpoint to a program -----------------------===//
#include "heddle/Driver/Compile.h"
#include "heddle/Driver/Confined.h"
#include "heddle/Driver/GenerationData.h"
#include "heddle/Driver/Link.h"
#include "heddle/Driver/ModuleFile.h"
#include "heddle/Driver/ProgramWeights.h"
#include "heddle/Driver/RoutingProfile.h"
#include "heddle/Driver/TokenizerData.h"
#include "heddle/Import/Encoding.h"
#include "heddle/Import/Family.h"
#include "heddle/Import/GraphBuilder.h"
#include "heddle/Import/Importer.h"
#include "heddle/Import/ModelSource.h"
#include "heddle/Plugin/Registry.h"
#include "heddle/Support/Error.h"
#include "heddle/Support/OutputFile.h"
#include "heddle/codegen/Common/Dot.h"
#include "heddle/codegen/Common/Target.h"
#include "heddle/dialects/Heddle/Heddle.h"
#include "heddle/passes/Pipelines.h"
#include "heddle/runtime/heddle_rt.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/BLAKE3.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/TargetParser/Host.h"
#include <fmt/format.h>
#include <map>
#include <mutex>

using namespace mlir;
using namespace heddle;

namespace {
/// Keeps the first error of MLIR for one line of ours.
struct Diagnostics {
  explicit Diagnostics(MLIRContext *context)
      : handler(context, [this](Diagnostic &diag) {
          if (diag.getSeverity() == DiagnosticSeverity::Error && first.empty())
            first = diag.str();
          return mlir::success();
        }) {}
  std::string first;
  ScopedDiagnosticHandler handler;
};

/// Notes the argument of the pass that failed, or left what does not verify.
struct FailedPass : PassInstrumentation {
  void runAfterPassFailed(Pass *pass, Operation *) override {
    std::lock_guard<std::mutex> lock(mutex); // functions run in parallel
    if (name.empty())
      name = pass->getArgument().str();
  }
  std::string name;
  std::mutex mutex;
};

int64_t number(ModuleOp module, StringRef name) {
  auto attr = module->getAttrOfType<IntegerAttr>(name);
  return attr ? attr.getInt() : 0;
}
std::string text(ModuleOp module, StringRef name) {
  auto attr = module->getAttrOfType<StringAttr>(name);
  return attr ? attr.str() : "";
}

/// An attribute of strings, numbers, lists and names as JSON.
llvm::json::Value toJson(Attribute attr) {
  if (auto text = dyn_cast<StringAttr>(attr))
    return text.str();
  if (auto flag = dyn_cast<BoolAttr>(attr))
    return flag.getValue();
  if (auto number = dyn_cast<IntegerAttr>(attr))
    return number.getInt();
  if (auto list = dyn_cast<ArrayAttr>(attr))
    return llvm::json::Array(llvm::map_range(list, toJson));
  llvm::json::Object object;
  if (auto names = dyn_cast<DictionaryAttr>(attr))
    for (NamedAttribute entry : names)
      object[entry.getName().str()] = toJson(entry.getValue());
  return object;
}

/// What RecordKernels says of them; none where it did not run.
llvm::json::Array kernelsOf(ModuleOp module) {
  auto list = module->getAttrOfType<ArrayAttr>("heddle.kernels");
  return list ? llvm::json::Array(llvm::map_range(list, toJson))
              : llvm::json::Array();
}

class Compiler {
public:
  explicit Compiler(const CompileOptions &options)
      : options(options),
        context(registry(), options.jobs ? MLIRContext::Threading::DISABLED
                                         : MLIRContext::Threading::ENABLED),
        diagnostics(&context) {
    if (options.jobs == 1)
      context.disableMultithreading();
    else if (options.jobs)
      context.setThreadPool(*(pool = std::make_unique<llvm::DefaultThreadPool>(
                                  llvm::hardware_concurrency(options.jobs))));
    context.loadAllAvailableDialects();
  }

  llvm::Error run() {
    return ofFile([&]() -> llvm::Error {
      if (auto error = prepare(phases().size() - 1))
        return error;
      return finish();
    });
  }

  llvm::Error explain(const ExplainOptions &how) {
    return ofFile([&]() -> llvm::Error {
      int last = findPhase("schedule");
      if (auto error = prepare(last))
        return error;
      if (next > size_t(last) + 1)
        return heddle::failure(
            ExitCode::Usage,
            fmt::format("{}: heddle.phase = {}, limit import to {}",
                        options.model, text(*module, "heddle.phase"),
                        phases()[last].name));
      return explainKernels(kernelsOf(*module), how, llvm::outs());
    });
  }

private:
  /// What a module from a file cannot become is taken to be the file's fault,
  /// not ours.
  llvm::Error ofFile(llvm::function_ref<llvm::Error()> steps) {
    return llvm::handleErrors(
        steps(), [&](std::unique_ptr<Failure> failure) -> llvm::Error {
          if (isIR && failure->code == ExitCode::Bug)
            failure->code = StringRef(failure->message).contains("unsupported")
                                ? ExitCode::Unsupported
                                : ExitCode::Malformed;
          return llvm::Error(std::move(failure));
        });
  }

  /// Opens the model and runs the phases that are left, up to `last`.
  llvm::Error prepare(size_t last) {
    if (auto error = open())
      return error;
    if (auto error = checkPermutations(*module, *source, options.model))
      return error;
    if (auto error = configure())
      return error;
    if (auto error = addProfile())
      return error;
    // Before the phases: what is wrong with a checkpoint is said at once.
    if (last + 1 == phases().size() && options.emit == "program") {
      int64_t vocab = number(*module, "heddle.vocab");
      auto data = tokenizerData(*source, vocab, options.chat);
      if (!data)
        return data.takeError();
      tokenizer = std::move(*data);
      auto defaults = generationData(*source, tokenizer, vocab);
      if (!defaults)
        return defaults.takeError();
      generation = std::move(*defaults);
    }
    return runPhases(last);
  }

  static DialectRegistry registry() {
    DialectRegistry registry;
    registerDialects(registry);
    return registry;
  }

  void say(const std::string &line) const {
    if (!options.quiet)
      llvm::errs() << "heddle: " << line << '\n';
  }

  llvm::Error open() {
    if (isIR && options.weightsFrom.empty())
      return heddle::failure(
          ExitCode::Usage, options.model + ": weights-from is missing",
          "heddle compile " + options.model + " --weights-from=MODEL -o PROG");
    auto opened = import::openModel(isIR ? options.weightsFrom : options.model);
    if (!opened)
      return opened.takeError();
    source = std::move(*opened);
    if (!isIR) {
      auto imported = import::importModel(context, *source);
      if (!imported)
        return imported.takeError();
      module = std::move(*imported);
      next = 0;
      return llvm::Error::success();
    }
    auto file = readModule(context, options.model);
    if (!file)
      return file.takeError();
    module = std::move(file->module);
    next = file->phase + 1;
    return llvm::Error::success();
  }

  /// Options into module attributes; a continued module keeps its own.
  llvm::Error configure() {
    Builder b(&context);
    auto contradicts = [&](StringRef what, const std::string &given,
                           const std::string &kept) {
      return heddle::failure(
          ExitCode::Usage, fmt::format("{}: {} = {}, the file was made with {}",
                                       options.model, what.str(), given, kept));
    };
    if ((*module)->hasAttr("heddle.target")) {
      std::string target = text(*module, "heddle.target");
      auto found = codegen::findLevels(target, options.model);
      if (!found)
        return found.takeError();
      levels = std::move(*found);
      if (options.target && *options.target != target) {
        // The order of the levels says nothing.
        auto given = codegen::findLevels(*options.target, options.model);
        if (!given || *given != levels) {
          llvm::consumeError(given.takeError());
          return contradicts("target", *options.target, target);
        }
      }
      if (options.numeric &&
          *options.numeric != text(*module, "heddle.numeric"))
        return contradicts("numeric", *options.numeric,
                           text(*module, "heddle.numeric"));
      if (options.context &&
          *options.context != number(*module, "heddle.context"))
        return contradicts("context", std::to_string(*options.context),
                           std::to_string(number(*module, "heddle.context")));
      auto kept = (*module)->getAttrOfType<ArrayAttr>("heddle.pass_options");
      for (const std::string &option : options.passOptions)
        if (!kept || !llvm::is_contained(kept, b.getStringAttr(option)))
          return contradicts("pass-option", option,
                             kept ? "others" : "none of them");
      return llvm::Error::success();
    }
    std::string target = options.target.value_or("native");
    auto found = codegen::findLevels(target, options.model);
    if (!found)
      return found.takeError();
    levels = std::move(*found);
    std::string numeric = options.numeric.value_or("auto");
    if (numeric != "auto" && numeric != "f32" && numeric != "a16" &&
        numeric != "a8")
      return heddle::failure(
          ExitCode::Usage,
          fmt::format("numeric = {}, one of auto, f32, a16, a8", numeric));
    if (options.context && *options.context < 1)
      return heddle::failure(
          ExitCode::Usage,
          fmt::format("context = {}, limit at least 1", *options.context));
    int64_t most = number(*module, "heddle.model_context");
    int64_t length =
        options.context.value_or(std::min<int64_t>(defaultContext(), 8192));
    if (length < 1 || length > most)
      return heddle::failure(ExitCode::Limit,
                             fmt::format("{}: context = {}, limit 1 to {}",
                                         options.model, length, most));
    if (int64_t original = number(*module, "heddle.default_context"))
      say(fmt::format(
          "context {}: rotary frequencies are those {} {} positions", length,
          length > original ? "of more than" : "up to", original));
    if (numeric == "auto" || numeric == "a8")
      if (auto step = codegen::dotStepOf(levels); !step)
        return heddle::failure(
            ExitCode::Unsupported,
            options.model + ": " + llvm::toString(step.takeError()),
            "heddle compile " + options.model +
                " --numeric=f32 --target=" + target + " -o PROG");
    (*module)->setAttr("heddle.target", b.getStringAttr(levelNames()));
    if (levels.size() == 1) { // else those of the functions count
      (*module)->setAttr("heddle.lanes", b.getI64IntegerAttr(levels[0]->lanes));
      (*module)->setAttr("heddle.registers",
                         b.getI64IntegerAttr(levels[0]->registers));
    }
    if (target == "native")
      (*module)->setAttr("heddle.cpu",
                         b.getStringAttr(llvm::sys::getHostCPUName()));
    (*module)->setAttr("heddle.numeric", b.getStringAttr(numeric));
    (*module)->setAttr("heddle.context", b.getI64IntegerAttr(length));
    SmallVector<Attribute> given;
    for (auto &option : options.passOptions)
      given.push_back(b.getStringAttr(option));
    if (!given.empty())
      (*module)->setAttr("heddle.pass_options", b.getArrayAttr(given));
    return llvm::Error::success();
  }

  /// The profile into a module attribute, of which no later phase makes more.
  llvm::Error addProfile() {
    if (options.profile.empty())
      return llvm::Error::success();
    if (next > size_t(findPhase("layout")))
      return heddle::failure(
          ExitCode::Usage,
          fmt::format("{}: profile = {}, limit a module before layout",
                      options.model, options.profile));
    auto uses =
        readRoutingProfile(context, options.profile, *source, sourceHash());
    if (!uses)
      return uses.takeError();
    (*module)->setAttr("heddle.expert_uses", *uses);
    return llvm::Error::success();
  }

  /// The model's, or the part of it that its rotary frequencies are made for.
  int64_t defaultContext() const {
    int64_t length = number(*module, "heddle.default_context");
    return length > 0 ? length : number(*module, "heddle.model_context");
  }

  std::string levelNames() const {
    return llvm::join(
        llvm::map_range(
            levels, [](const codegen::Level *level) { return level->name; }),
        ",");
  }

  llvm::Error dump(size_t index, const Phase &phase) {
    if (options.dumpIR.empty() || index > size_t(findPhase("plan")))
      return llvm::Error::success();
    if (auto ec = llvm::sys::fs::create_directories(options.dumpIR))
      return heddle::failure(ExitCode::InputOutput,
                             options.dumpIR + ": " + ec.message());
    std::string path =
        fmt::format("{}/{:02}-{}.mlir", options.dumpIR, index, phase.name);
    return writeFile(path, [&](llvm::raw_ostream &os) {
      module->print(os);
      os << '\n';
      return llvm::Error::success();
    });
  }

  /// Whether `option`, NAME.OPTION=VALUE, is one of `pass`.
  static bool isOf(StringRef option, StringRef pass) {
    StringRef name = option.split('.').first;
    return pass == name || pass == ("heddle-" + name).str();
  }

  /// LLVM's parser of options says what is wrong with a number on standard
  /// error, in lines of its own: what the pass has a number for must be one.
  static bool fitsDefault(Pass &pass, StringRef option) {
    std::string text;
    llvm::raw_string_ostream os(text);
    pass.printAsTextualPipeline(os);
    auto [name, value] = option.split('=');
    StringRef rest = StringRef(text).split('{').second;
    for (StringRef word : llvm::split(rest.split('}').first, ' ')) {
      int64_t number;
      auto [known, set] = word.split('=');
      if (known == name && !set.getAsInteger(10, number))
        return !value.getAsInteger(10, number);
    }
    return true;
  }

  /// `heddle.pass_options` on the passes of one phase, in the order given.
  llvm::Error applyPassOptions(OpPassManager &pm) {
    auto list = (*module)->getAttrOfType<ArrayAttr>("heddle.pass_options");
    for (Attribute attr : list ? list.getValue() : ArrayRef<Attribute>()) {
      StringRef given = cast<StringAttr>(attr).getValue(),
                option = given.split('.').second;
      for (Pass &pass : pm.getPasses()) {
        if (!isOf(given, pass.getArgument()))
          continue;
        applied.insert(given);
        if (!fitsDefault(pass, option))
          return heddle::failure(ExitCode::Usage,
                                 "pass-option = " + given.str() +
                                     ", limit an integer of 64 bits");
        std::string words;
        if (mlir::failed(
                pass.initializeOptions(option, [&](const Twine &message) {
                  words = message.str();
                  return mlir::failure();
                })))
          return heddle::failure(
              ExitCode::Usage, fmt::format("pass-option = {}: {}", given.str(),
                                           StringRef(words).trim().str()));
      }
    }
    return llvm::Error::success();
  }

  /// Runs the passes of `name`. A failure names the pass, and leaves the module
  /// before them in a reproducer.
  llvm::Error runPasses(PassManager &pm, StringRef name) {
    pm.enableVerifier(true);
    auto owned = std::make_unique<FailedPass>();
    const FailedPass &culprit = *owned;
    pm.addInstrumentation(std::move(owned));
    OwningOpRef<ModuleOp> before =
        pm.size() && !isIR ? module->clone() : ModuleOp();
    if (mlir::succeeded(pm.run(*module)))
      return llvm::Error::success();
    std::string message = fmt::format(
        "{}: phase {}: {}{}", options.model, name.str(),
        culprit.name.empty() ? "" : culprit.name + ": ", diagnostics.first);
    // What our passes do not do with the numbers that they were given is no
    // bug. Those that do not fit together are found where code is made.
    if (!options.passOptions.empty() && !applied.empty() &&
        StringRef(culprit.name).starts_with("heddle-"))
      return heddle::failure(ExitCode::Usage,
                             fmt::format("pass-option = {}: {}",
                                         llvm::join(options.passOptions, ", "),
                                         diagnostics.first));
    if (isIR) // the file is the reproducer
      return heddle::failure(ExitCode::Bug, message);
    std::string reproducer = fmt::format(
        "{}.{}.reproducer.mlir",
        options.output.empty() ? "heddle" : options.output, name.str());
    makeReproducer(ModuleOp::getOperationName(), pm.getPasses(), *before,
                   reproducer, /*disableThreads=*/false, /*verifyPasses=*/true);
    return heddle::failure(ExitCode::Bug, message,
                           "heddle-opt --run-reproducer " + reproducer);
  }

  /// The user's pipeline in place of the phases that are left, up to target.
  llvm::Error runPipeline() {
    if (!options.dumpIR.empty() || !options.passOptions.empty())
      return heddle::failure(ExitCode::Usage,
                             "pipeline: has no phases for dump-ir, and carries "
                             "its own pass options");
    StringRef inner = StringRef(options.pipeline).trim();
    if (inner.consume_front("builtin.module("))
      inner.consume_back(")");
    PassManager pm(&context, ModuleOp::getOperationName());
    std::string words;
    llvm::raw_string_ostream os(words);
    if (mlir::failed(parsePassPipeline(inner, pm, os)))
      return heddle::failure(ExitCode::Usage,
                             "pipeline: " +
                                 StringRef(words).split('\n').first.str(),
                             "heddle compile --print-pipeline");
    if (auto error = runPasses(pm, "pipeline"))
      return error;
    std::string left;
    module->walk([&](Operation *op) {
      if (left.empty() &&
          !isa<LLVM::LLVMDialect, BuiltinDialect>(op->getDialect()))
        left = op->getName().getStringRef();
    });
    for (StringRef attr :
         {"heddle.params", "heddle.param_types", "heddle.caches"})
      if (left.empty() && !(*module)->getAttrOfType<ArrayAttr>(attr))
        left = "no " + attr.str();
    if (!left.empty())
      return heddle::failure(
          ExitCode::Usage,
          fmt::format("pipeline: leaves {}, needs what the target phase makes",
                      left),
          "heddle compile --print-pipeline");
    return llvm::Error::success();
  }

  llvm::Error runPhases(size_t last) {
    // Near-linear in the text, or it is refused.
    uint64_t size = 0;
    (void)llvm::sys::fs::file_size(options.model, size);
    CpuLimit limit(300 + size / (64 << 10));
    if (!options.pipeline.empty())
      return runPipeline();
    Builder b(&context);
    for (size_t i = next; i <= last; ++i) {
      const Phase &phase = phases()[i];
      PassManager pm(&context, ModuleOp::getOperationName());
      buildPhase(phase, pm);
      if (auto error = applyPassOptions(pm))
        return error;
      if (auto error = runPasses(pm, phase.name))
        return error;
      if (StringRef(phase.name) == "target" || StringRef(phase.name) == "link")
        continue;
      (*module)->setAttr("heddle.phase", b.getStringAttr(phase.name));
      if (auto error = dump(i, phase))
        return error;
    }
    if (auto list = (*module)->getAttrOfType<ArrayAttr>("heddle.pass_options");
        list && next <= 1)
      for (Attribute attr : list)
        if (!applied.contains(cast<StringAttr>(attr).getValue()))
          return heddle::failure(
              ExitCode::Usage,
              "pass-option = " + cast<StringAttr>(attr).str() +
                  ": no phase runs such a pass",
              "heddle list passes");
    return llvm::Error::success();
  }

  bool takesSequences() {
    auto attr = (*module)->getAttrOfType<BoolAttr>("heddle.sequences");
    return attr && attr.getValue();
  }

  llvm::json::Value manifest(ProgramWeights &weights) {
    llvm::json::Array caches;
    int64_t multiple = 1;
    for (Attribute attr :
         (*module)->getAttrOfType<ArrayAttr>("heddle.caches")) {
      auto cache = cast<CacheType>(cast<TypeAttr>(attr).getValue());
      int64_t bytes = cache.getLayers() * cache.getHeads() * cache.getDim() * 4;
      multiple = std::max(multiple, cache.getBlock());
      for (const char *name : {"k", "v"})
        caches.push_back(
            llvm::json::Object{{"name", name},
                               {"bytes_per_position", bytes},
                               {"position_multiple", cache.getBlock()},
                               {"of_step", cache.getKind() == "step_kv"}});
    }
    llvm::json::Array names; // as heddle_levels: best first
    for (const codegen::Level *level : llvm::reverse(levels))
      names.push_back(level->name);
    llvm::json::Object encodings;
    for (auto &[name, bytes] : weights.bytesByEncoding)
      encodings[name] = bytes;
    return llvm::json::Object{
        {"format", 1},
        {"abi_version", HEDDLE_ABI_VERSION},
        {"sequences", takesSequences()},
        {"heddle_version", HEDDLE_VERSION},
        {"name", text(*module, "heddle.name")},
        {"family", text(*module, "heddle.family")},
        {"source_hash", sourceHash()},
        {"source_file", llvm::sys::path::filename(source->path).str()},
        {"numeric", text(*module, "heddle.numeric")},
        {"vocab", number(*module, "heddle.vocab")},
        {"layers", number(*module, "heddle.layers")},
        {"hidden", number(*module, "heddle.hidden")},
        {"parameters", weights.parameters},
        {"bytes_by_encoding", std::move(encodings)},
        {"context", number(*module, "heddle.context")},
        {"model_context", number(*module, "heddle.model_context")},
        {"arena_bytes", number(*module, "heddle.arena_bytes")},
        {"batch_tokens", number(*module, "heddle.batch_tokens")},
        {"prefill_tokens", number(*module, "heddle.prefill_tokens")},
        {"params", std::move(weights.params)},
        {"experts", std::move(weights.experts)},
        {"caches", std::move(caches)},
        {"kernels", kernelsOf(*module)},
        {"generation", generation},
        {"levels", std::move(names)},
        {"target", levels[0]->arch},
        {"licenses",
         llvm::json::Array{"Heddle runtime",
                           "GNU C library 2.36: LGPL-2.1-or-later",
                           "GCC libstdc++ and libgcc 12: GPL-3.0 with the "
                           "runtime library exception",
                           "PCRE2 10.42: BSD-3-Clause", "nlohmann-json: MIT",
                           "CLI11: BSD-3-Clause", "xxHash: BSD-2-Clause",
                           "liburing 2.3: MIT"}}};
  }

  /// BLAKE3 over names, shapes, encodings and bytes.
  std::string sourceHash() {
    if (!hashed.empty())
      return hashed;
    llvm::BLAKE3 hash;
    for (const import::TensorEntry &tensor : source->tensors) {
      hash.update(tensor.name);
      hash.update(tensor.encoding);
      for (int64_t dim : tensor.shape)
        hash.update(ArrayRef<uint8_t>(reinterpret_cast<const uint8_t *>(&dim),
                                      sizeof dim));
      hash.update(tensor.bytes);
    }
    auto digest = hash.final<32>();
    return hashed = llvm::toHex(ArrayRef<uint8_t>(digest.data(), digest.size()),
                                true);
  }

  llvm::Error finish() {
    if (options.emit == "object")
      return codegen::emitObject(*module, levels, options.output, false);
    if (options.emit == "asm") {
      bool isNew = !llvm::sys::fs::exists(options.output);
      if (auto ec = llvm::sys::fs::create_directories(options.output))
        return heddle::failure(ExitCode::InputOutput,
                               options.output + ": " + ec.message());
      for (const codegen::Level *level : levels)
        if (auto error = codegen::emitObject(
                *module, level, options.output + "/" + level->name + ".s",
                true)) {
          if (isNew && level == levels.front())
            llvm::sys::fs::remove(options.output);
          return error;
        }
      return llvm::Error::success();
    }
    ScratchFile object, elf;
    if (auto error = object.create("o"))
      return error;
    if (auto error = elf.create("elf"))
      return error;
    say(fmt::format("generating code for {}", levelNames()));
    if (auto error = codegen::emitObject(*module, levels, object.path, false))
      return error;
    if (auto error = linkProgram(findSysroot(levels[0]->arch), levels[0]->arch,
                                 {object.path}, elf.path, options.jobs))
      return error;

    ProgramParts parts;
    parts.elfPath = elf.path;
    auto weights = planWeights(*module, *source);
    if (!weights)
      return weights.takeError();
    size_t parameters = weights->params.size();
    parts.manifest = manifest(*weights);
    parts.weights = std::move(weights->jobs);
    parts.tokenizer = std::move(tokenizer);
    say(fmt::format("packing {} parameters", parameters));
    if (auto error = writeProgram(std::move(parts), options.output,
                                  options.externalWeights))
      return error;
    say("wrote " + options.output);
    return llvm::Error::success();
  }

  const CompileOptions &options;
  std::unique_ptr<llvm::DefaultThreadPool> pool; // outlives the context
  const bool isIR = isModuleFile(options.model);
  MLIRContext context;
  Diagnostics diagnostics;
  std::unique_ptr<import::ModelSource> source;
  OwningOpRef<ModuleOp> module;
  SmallVector<const codegen::Level *> levels; // best last
  size_t next = 0;
  std::string hashed;        // sourceHash()
  llvm::StringSet<> applied; // pass options that found their pass
  std::optional<llvm::json::Value> tokenizer;
  llvm::json::Value generation = nullptr; // of the manifest
};
} // namespace

llvm::Error heddle::compile(const CompileOptions &options) {
  return Compiler(options).run();
}

llvm::Error heddle::explain(const CompileOptions &options,
                            const ExplainOptions &how) {
  return Compiler(options).explain(how);
}

llvm::Error heddle::importToFile(llvm::StringRef model,
                                 llvm::StringRef output) {
  DialectRegistry registry;
  registerDialects(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  Diagnostics diagnostics(&context);
  auto source = import::openModel(model);
  if (!source)
    return source.takeError();
  auto module = import::importModel(context, **source);
  if (!module)
    return module.takeError();
  // So that `heddle compile` goes on from there.
  (**module)->setAttr("heddle.phase", StringAttr::get(&context, "import"));
  if (output.empty() || output == "-") {
    (*module)->print(llvm::outs());
    llvm::outs() << '\n';
    return llvm::Error::success();
  }
  return writeFile(output, [&](llvm::raw_ostream &os) {
    (*module)->print(os);
    os << '\n';
    return llvm::Error::success();
  });
}
