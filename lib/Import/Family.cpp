//===- Family.cpp - From a checkpoint to the graph ------------------------===//
#include "heddle/Import/Family.h"
#include "heddle/Import/SpanReader.h"
#include "heddle/dialects/Heddle/Heddle.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

namespace heddle::import {

PartTable<Family> &families() {
  static PartTable<Family> table("family");
  return table;
}

static llvm::Expected<const Family *> ofGGUF(const ModelSource &source) {
  llvm::Expected<std::string> name = source.getString("general.architecture");
  if (!name)
    return name.takeError();
  for (const auto &[family, owner] : families())
    if (*name == (family.ggufName ? family.ggufName : family.name))
      return &family;
  return failure(ExitCode::Unsupported,
                 source.path + ": general.architecture = " + quoted(*name) +
                     ", supported are " + families().names());
}

static llvm::Expected<const Family *> ofHuggingFace(const ModelSource &source) {
  llvm::Expected<std::vector<std::string>> names =
      source.getStrings("architectures");
  if (!names)
    return names.takeError();
  llvm::Expected<std::string> modelType = source.getString("model_type");
  if (!modelType)
    return modelType.takeError();
  bool hasCode = llvm::any_of(source.metadata, [](const auto &pair) {
    return pair.first == "auto_map" ||
           llvm::StringRef(pair.first).starts_with("auto_map.");
  });
  std::string known, types; // types: of the architectures of the one name
  for (const auto &[family, owner] : families())
    for (const Architecture &architecture : family.architectures) {
      known += (known.empty() ? "" : ", ") + std::string(architecture.name);
      if (names->empty()
              ? *modelType != architecture.modelType
              : names->size() > 1 || names->front() != architecture.name)
        continue;
      if (*modelType != architecture.modelType) {
        types +=
            (types.empty() ? "" : ", ") + std::string(architecture.modelType);
        continue;
      }
      if (hasCode && !architecture.ownCode)
        return failure(ExitCode::Unsupported,
                       source.metadataFile().str() +
                           ": auto_map: code of the checkpoint's own for " +
                           architecture.name + ", which is never run");
      return &family;
    }
  if (!types.empty())
    return malformed(source.metadataFile(), "model_type", quoted(*modelType),
                     types + " as of " + names->front());
  std::string found =
      names->empty() ? "model_type = " + quoted(*modelType)
                     : "architectures = " + quoted(llvm::join(*names, ", "));
  return failure(ExitCode::Unsupported,
                 source.metadataFile().str() + ": " + found +
                     (hasCode ? " with code of its own (auto_map)" : "") +
                     ", supported are " + known);
}

llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>>
importModel(mlir::MLIRContext &context, const ModelSource &source) {
  llvm::Expected<const Family *> found =
      source.format == "huggingface" ? ofHuggingFace(source) : ofGGUF(source);
  if (!found)
    return found.takeError();
  const Family *family = *found;
  context.loadDialect<HeddleDialect, mlir::func::FuncDialect,
                      mlir::arith::ArithDialect>();
  // A plugin's family builds ops of its own dialect.
  context.loadAllAvailableDialects();
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(
      mlir::NameLoc::get(mlir::StringAttr::get(&context, family->name)));
  if (llvm::Error error = family->build(source, *module))
    return std::move(error);
  if (auto vocab = (*module)->getAttrOfType<mlir::IntegerAttr>("heddle.vocab"))
    if (llvm::Error error = source.checkEndTokens(vocab.getInt()))
      return std::move(error);
  std::string why;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &d) {
    if (why.empty())
      why = d.str();
    return mlir::success();
  });
  if (failed(mlir::verify(*module)))
    return failure(ExitCode::Bug,
                   source.path + ": the graph does not verify: " + why);
  return module;
}

} // namespace heddle::import
