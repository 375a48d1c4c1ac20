//===- Explain.cpp - What became of each kernel ---------------------------===//
#include "heddle/Driver/Explain.h"
#include "heddle/Driver/ProgramReader.h"
#include "heddle/Support/Error.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <fmt/format.h>

using namespace heddle;

namespace {
/// One entry of the list, and how it is read.
struct Kernel {
  const llvm::json::Object &object;
  std::string text(llvm::StringRef name) const {
    return object.getString(name).value_or("").str();
  }
  int64_t number(llvm::StringRef name) const {
    return object.getInteger(name).value_or(0);
  }

  /// Microseconds of all runs in a step of `tokens` tokens with `depth`
  /// positions before them, at the limits: weights and caches read once a run,
  /// whatever it computes meanwhile.
  double predicted(const ExplainOptions &options, int64_t tokens,
                   int64_t depth) const {
    auto rate = options.dots.find(text("instruction"));
    double gops = rate == options.dots.end() ? options.gops : rate->second;
    double rows =
        object.getBoolean("selected_rows").value_or(false) ? 1 : tokens;
    // A token sees the positions before it.
    double seen = double(tokens) * depth + double(tokens) * (tokens - 1) / 2;
    double bytes =
        number("weight_bytes") +
        double(number("cache_bytes_per_position")) * (depth + tokens - 1);
    double operations = number("operations_per_token") * rows +
                        number("operations_per_position") * seen;
    double memory = options.dramGBs > 0 ? bytes / options.dramGBs / 1e3 : 0,
           compute = gops > 0 ? operations / gops / 1e3 : 0;
    return number("times") * std::max(memory, compute);
  }
};

std::string genericOps(const Kernel &kernel) {
  std::string names;
  if (const llvm::json::Array *list = kernel.object.getArray("generic"))
    for (const llvm::json::Value &name : *list)
      names +=
          (names.empty() ? "" : ", ") + name.getAsString().value_or("").str();
  return names;
}
} // namespace

llvm::Error heddle::explainKernels(const llvm::json::Array &kernels,
                                   const ExplainOptions &options,
                                   llvm::raw_ostream &os) {
  bool limits =
      options.dramGBs > 0 || options.gops > 0 || !options.dots.empty();
  llvm::json::Array list;
  std::string text, step;
  double total = 0;
  for (const llvm::json::Value &value : kernels) {
    const llvm::json::Object *object = value.getAsObject();
    if (!object)
      return failure(
          ExitCode::Malformed,
          llvm::formatv("kernels = {0}, limit objects", value).str());
    Kernel kernel{*object};
    std::optional<double> predicted;
    if (limits && llvm::StringRef(kernel.text("step")).starts_with("decode"))
      predicted = kernel.predicted(options, 1, options.depth);
    llvm::json::Object out = *object;
    if (predicted)
      out["predicted_us"] = *predicted;
    list.push_back(std::move(out));

    if (step != kernel.text("step"))
      text +=
          fmt::format("{}{}\n", step.empty() ? "" : "\n", kernel.text("step"));
    step = kernel.text("step");
    text += fmt::format("{:>4} x {}\n", kernel.number("times"),
                        kernel.text("kernel"));
    std::string line = kernel.text("emitter");
    if (std::string names = genericOps(kernel); !names.empty())
      line += ", on the generic path: " + names;
    if (std::string name = kernel.text("instruction"); !name.empty())
      line += ", " + name;
    line += "; " + kernel.text("schedule");
    if (int64_t bytes = kernel.number("weight_bytes"))
      line += fmt::format("; {} bytes of weights, {} operations a token", bytes,
                          kernel.number("operations_per_token"));
    if (int64_t bytes = kernel.number("cache_bytes_per_position"))
      line += fmt::format("; {} bytes and {} operations a position", bytes,
                          kernel.number("operations_per_position"));
    if (predicted) {
      line += fmt::format("; {:.1f} us at the limits", *predicted);
      total += *predicted;
    }
    text += "       " + line + "\n";
  }
  if (options.json) {
    os << llvm::formatv("{0:2}", llvm::json::Value(llvm::json::Object{
                                     {"kernels", std::move(list)}}))
       << '\n';
    return llvm::Error::success();
  }
  if (limits)
    text += fmt::format("\na token at depth {}: {:.0f} us at the limits\n",
                        options.depth, total);
  os << text;
  return llvm::Error::success();
}

llvm::Error heddle::explainProgram(llvm::StringRef program,
                                   const ExplainOptions &options) {
  auto manifest = readManifest(program);
  if (!manifest)
    return manifest.takeError();
  const llvm::json::Array *kernels = manifest->getArray("kernels");
  if (!kernels || kernels->empty())
    return failure(ExitCode::Unsupported,
                   program.str() +
                       ": manifest: kernels = absent, needed for explain",
                   "heddle explain MODEL");
  return explainKernels(*kernels, options, llvm::outs());
}
