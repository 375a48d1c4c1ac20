//===- Explain.cpp - What became of each kernel ---------------------------===//
#include "heddle/Driver/Explain.h"
#include "heddle/Driver/ProgramReader.h"
#include "heddle/Support/Error.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
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

/// What is printed of one kernel beside its own fields.
struct Times {
  std::optional<double> predicted, measured;
  /// Of the limits; none where nothing is to be read or computed.
  std::optional<double> share() const {
    return predicted && measured && *predicted > 0 && *measured > 0
               ? std::optional(*predicted / *measured)
               : std::nullopt;
  }
};

std::string line(const Kernel &kernel, const Times &times) {
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
  if (times.measured)
    line += fmt::format("; {:.1f} us", *times.measured);
  if (times.predicted)
    line += fmt::format("; {:.1f} us at the limits", *times.predicted);
  if (auto share = times.share())
    line += fmt::format(", {:.0f} %", *share * 100);
  return line;
}
} // namespace

llvm::Error heddle::explainKernels(const llvm::json::Array &kernels,
                                   const ExplainOptions &options,
                                   llvm::raw_ostream &os,
                                   const Measured *measured) {
  bool limits =
      options.dramGBs > 0 || options.gops > 0 || !options.dots.empty();
  llvm::json::Array list;
  std::string text, step;
  double total = 0;
  std::map<std::string, double> ofStep; // predicted
  for (auto [index, value] : llvm::enumerate(kernels)) {
    const llvm::json::Object *object = value.getAsObject();
    if (!object)
      return failure(
          ExitCode::Malformed,
          llvm::formatv("kernels = {0}, limit objects", value).str());
    Kernel kernel{*object};
    Times times;
    if (measured) {
      auto ran = llvm::find_if(measured->steps, [&](const MeasuredStep &s) {
        return s.step == kernel.text("step");
      });
      auto time = measured->kernels.find(index);
      if (ran != measured->steps.end() && time != measured->kernels.end()) {
        times.measured = time->second;
        ExplainOptions then = options;
        then.dramGBs = ran->dramGBs;
        times.predicted = kernel.predicted(then, ran->tokens, options.depth);
        ofStep[ran->step] += *times.predicted;
      }
    } else if (limits &&
               llvm::StringRef(kernel.text("step")).starts_with("decode")) {
      times.predicted = kernel.predicted(options, 1, options.depth);
      total += *times.predicted;
    }
    llvm::json::Object out = *object;
    if (times.predicted)
      out["predicted_us"] = *times.predicted;
    if (times.measured)
      out["measured_us"] = *times.measured;
    if (auto share = times.share())
      out["share"] = *share;
    list.push_back(std::move(out));

    if (step != kernel.text("step"))
      text +=
          fmt::format("{}{}\n", step.empty() ? "" : "\n", kernel.text("step"));
    step = kernel.text("step");
    text += fmt::format("{:>4} x {}\n       {}\n", kernel.number("times"),
                        kernel.text("kernel"), line(kernel, times));
  }
  llvm::json::Object all{{"kernels", std::move(list)}};
  if (measured) {
    llvm::json::Array steps, dots;
    text += "\n";
    for (const MeasuredStep &ran : measured->steps) {
      steps.push_back(llvm::json::Object{{"step", ran.step},
                                         {"tokens", ran.tokens},
                                         {"depth", options.depth},
                                         {"measured_us", ran.us},
                                         {"dram_gb_s", ran.dramGBs},
                                         {"predicted_us", ofStep[ran.step]}});
      text += fmt::format(
          "{} of {} at depth {}: {:.0f} us, {:.0f} us at the limits, "
          "{:.0f} %, DRAM read {:.1f} GB/s\n",
          ran.step, ran.tokens, options.depth, ran.us, ofStep[ran.step],
          ran.us > 0 ? ofStep[ran.step] / ran.us * 100 : 0, ran.dramGBs);
    }
    all["steps"] = std::move(steps);
    for (auto &[instruction, gops] : options.dots) {
      dots.push_back(
          llvm::json::Object{{"instruction", instruction}, {"gop_s", gops}});
      text += fmt::format("{}: {:.1f} GOP/s\n", instruction, gops);
    }
    all["dot"] = std::move(dots);
    all["dram_gb_s"] = options.dramGBs;
    text += fmt::format("DRAM read: {:.1f} GB/s\n", options.dramGBs);
  } else if (limits) {
    text += fmt::format("\na token at depth {}: {:.0f} us at the limits\n",
                        options.depth, total);
  }
  if (options.json)
    os << llvm::formatv("{0:2}", llvm::json::Value(std::move(all))) << '\n';
  else
    os << text;
  return llvm::Error::success();
}

/// What `PROG bench --kernels --json` prints. A program that fails has said
/// why; its status is ours.
static llvm::Expected<llvm::json::Object>
benchKernels(llvm::StringRef program, int64_t depth, int64_t threads) {
  llvm::SmallString<128> out;
  if (llvm::sys::fs::createTemporaryFile("heddle", "json", out))
    return failure(ExitCode::InputOutput, "no temporary file");
  llvm::FileRemover remove(out);
  llvm::SmallString<128> path(program);
  llvm::sys::fs::make_absolute(path);
  std::string depthFlag = fmt::format("--depth={}", depth),
              threadsFlag = fmt::format("--threads={}", threads);
  llvm::SmallVector<llvm::StringRef> args = {path, "bench", "--kernels",
                                             "--json", depthFlag};
  if (threads)
    args.push_back(threadsFlag);
  std::string why;
  int status = llvm::sys::ExecuteAndWait(
      path, args, std::nullopt, {std::nullopt, out.str(), std::nullopt},
      /*SecondsToWait=*/0, /*MemoryLimit=*/0, &why);
  if (status < 0)
    return failure(ExitCode::InputOutput, fmt::format("{}: {}", program, why));
  if (status > 0)
    return failure(static_cast<ExitCode>(status),
                   fmt::format("{}: bench --kernels ended with status {}",
                               program, status));
  auto buffer = llvm::MemoryBuffer::getFile(out);
  if (!buffer)
    return failure(ExitCode::InputOutput,
                   out.str().str() + ": " + buffer.getError().message());
  auto value = llvm::json::parse((*buffer)->getBuffer());
  if (!value || !value->getAsObject()) {
    llvm::consumeError(value.takeError());
    return failure(ExitCode::Bug,
                   program.str() + ": bench --kernels printed no JSON");
  }
  return std::move(*value->getAsObject());
}

llvm::Error heddle::explainProgram(llvm::StringRef program,
                                   ExplainOptions options, bool measure,
                                   int64_t threads) {
  auto manifest = readManifest(program);
  if (!manifest)
    return manifest.takeError();
  const llvm::json::Array *kernels = manifest->getArray("kernels");
  if (!kernels || kernels->empty())
    return failure(ExitCode::Unsupported,
                   program.str() +
                       ": manifest: kernels = absent, needed for explain",
                   "heddle explain MODEL");
  if (!measure)
    return explainKernels(*kernels, options, llvm::outs());
  auto bench = benchKernels(program, options.depth, threads);
  if (!bench)
    return bench.takeError();
  auto objects = [](const llvm::json::Object &from, llvm::StringRef name) {
    std::vector<const llvm::json::Object *> found;
    if (const llvm::json::Array *list = from.getArray(name))
      for (const llvm::json::Value &value : *list)
        if (const llvm::json::Object *object = value.getAsObject())
          found.push_back(object);
    return found;
  };
  options.dramGBs = bench->getNumber("dram_gb_s").value_or(0);
  for (const llvm::json::Object *dot : objects(*bench, "dot"))
    options.dots[dot->getString("instruction").value_or("").str()] =
        dot->getNumber("gop_s").value_or(0);
  Measured measured;
  for (const llvm::json::Object *step : objects(*bench, "steps")) {
    MeasuredStep ran;
    ran.tokens = step->getInteger("tokens").value_or(0);
    ran.us = step->getNumber("us").value_or(0);
    ran.dramGBs = step->getNumber("dram_gb_s").value_or(0);
    for (const llvm::json::Object *kernel : objects(*step, "kernels")) {
      size_t index = kernel->getInteger("kernel").value_or(0);
      measured.kernels[index] = kernel->getNumber("us").value_or(0);
      // With the level, where there are several.
      if (index < kernels->size())
        if (const llvm::json::Object *object = (*kernels)[index].getAsObject())
          ran.step = object->getString("step").value_or("").str();
    }
    measured.steps.push_back(ran);
  }
  return explainKernels(*kernels, options, llvm::outs(), &measured);
}
