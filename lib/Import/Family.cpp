//===- Family.cpp - From a checkpoint to the graph ------------------------===//
#include "heddle/Import/Family.h"
#include "heddle/Import/SpanReader.h"
#include "heddle/dialects/Heddle/Heddle.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

namespace heddle::import {

PartTable<Family> &families() {
  static PartTable<Family> table("family");
  return table;
}

llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>>
importModel(mlir::MLIRContext &context, const ModelSource &source) {
  llvm::Expected<std::string> name = source.getString("general.architecture");
  if (!name)
    return name.takeError();
  const Family *family = families().find(*name);
  if (!family)
    return failure(ExitCode::Unsupported, source.path + ": general.architecture = " + quoted(*name) + ", supported are " +
                                              families().names());
  context.loadDialect<HeddleDialect, mlir::func::FuncDialect, mlir::arith::ArithDialect>();
  mlir::OwningOpRef<mlir::ModuleOp> module =
      mlir::ModuleOp::create(mlir::NameLoc::get(mlir::StringAttr::get(&context, family->name)));
  if (llvm::Error error = family->build(source, *module))
    return std::move(error);
  std::string why;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &d) {
    if (why.empty())
      why = d.str();
    return mlir::success();
  });
  if (failed(mlir::verify(*module)))
    return failure(ExitCode::Bug, source.path + ": the graph does not verify: " + why);
  return module;
}

} // namespace heddle::import
