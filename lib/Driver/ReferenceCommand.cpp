//===- ReferenceCommand.cpp - heddle reference ----------------------------===//
#include "heddle/Driver/Commands.h"
#include "heddle/Driver/ModuleFile.h"
#include "heddle/Import/Family.h"
#include "heddle/Import/Importer.h"
#include "heddle/Plugin/Registry.h"
#include "heddle/Reference/Interpreter.h"
#include "heddle/Support/OutputFile.h"
#include "heddle/passes/Pipelines.h"
#include <fmt/format.h>
#include <numeric>

namespace heddle {

static llvm::Error writeNpy(llvm::StringRef path,
                            const std::vector<double> &values, size_t rows) {
  static_assert(llvm::endianness::native == llvm::endianness::little);
  std::string header = fmt::format(
      "{{'descr': '<f8', 'fortran_order': False, 'shape': ({}, {}), }}", rows,
      values.size() / rows);
  // Magic, version 1.0 and length take 10 bytes; the data starts at 64's
  // multiple.
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10, ' ');
  header.back() = '\n';
  return writeFile(path, [&](llvm::raw_ostream &out) {
    out << llvm::StringRef("\x93NUMPY\x01\x00", 8)
        << static_cast<char>(header.size() & 255)
        << static_cast<char>(header.size() >> 8) << header;
    out.write(reinterpret_cast<const char *>(values.data()),
              values.size() * sizeof(double));
    return llvm::Error::success();
  });
}

/// The graph of `model`, which `source` has the weights of.
static llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>>
graphOf(mlir::MLIRContext &context, llvm::StringRef model,
        const import::ModelSource &source) {
  if (!isModuleFile(model))
    return import::importModel(context, source);
  auto file = readModule(context, model);
  if (!file)
    return file.takeError();
  if (int last = findPhase("specialize") - 1; file->phase > size_t(last))
    return failure(ExitCode::Unsupported,
                   fmt::format("{}: heddle.phase = {}, limit import to {}",
                               model.str(), phases()[file->phase].name,
                               phases()[last].name));
  return std::move(file->module);
}

llvm::Error runReference(llvm::StringRef model, llvm::ArrayRef<int32_t> tokens,
                         int64_t n, llvm::StringRef outNpy,
                         llvm::StringRef weightsFrom) {
  if (tokens.empty() || n < 0)
    return failure(ExitCode::Usage,
                   "the reference needs a token to start from");
  if (isModuleFile(model) && weightsFrom.empty())
    return failure(ExitCode::Usage, model.str() + ": weights-from is missing",
                   "heddle reference " + model.str() +
                       " --weights-from=MODEL --tokens=1,2,3");
  auto source = import::openModel(isModuleFile(model) ? weightsFrom : model);
  if (!source)
    return source.takeError();
  mlir::DialectRegistry registry;
  registerDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  auto module = graphOf(context, model, **source);
  if (!module)
    return module.takeError();
  if (llvm::Error error = checkPermutations(**module, **source, model))
    return error;
  // The frequencies for more positions are chosen by a pass that has not run.
  auto limitAttr =
      (**module)->getAttrOfType<mlir::IntegerAttr>("heddle.default_context");
  if (!limitAttr)
    limitAttr =
        (**module)->getAttrOfType<mlir::IntegerAttr>("heddle.model_context");
  int64_t limit = limitAttr.getInt();
  int64_t count = tokens.size();
  if (count > limit || n > limit - count)
    return failure(
        ExitCode::Limit,
        fmt::format("{}: tokens and those to generate = {} + {}, limit {}",
                    model.str(), count, n, limit));

  reference::Interpreter interpreter(**module, source->get());
  std::vector<int32_t> positions(count);
  std::iota(positions.begin(), positions.end(), 0);
  int32_t last = count - 1;
  auto logits =
      interpreter.forward(tokens, positions,
                          outNpy.empty() ? llvm::ArrayRef<int32_t>(last)
                                         : llvm::ArrayRef<int32_t>(positions));
  if (!logits)
    return logits.takeError();
  if (!outNpy.empty())
    if (llvm::Error error = writeNpy(outNpy, *logits, count))
      return error;

  int64_t vocab = logits->size() / (outNpy.empty() ? 1 : count);
  for (int64_t i = 0; i < n; ++i) {
    auto row = logits->end() - vocab;
    int32_t next = std::max_element(row, logits->end()) - row;
    llvm::outs() << (i ? "," : "") << next;
    int32_t position = count + i, zero = 0;
    if (i + 1 == n)
      break;
    logits = interpreter.forward(next, position, zero);
    if (!logits)
      return logits.takeError();
  }
  if (n)
    llvm::outs() << '\n';
  return llvm::Error::success();
}

} // namespace heddle
