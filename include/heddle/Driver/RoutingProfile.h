//===- RoutingProfile.h - Which experts a text went to ----------*- C++ -*-===//
#ifndef HEDDLE_DRIVER_ROUTINGPROFILE_H
#define HEDDLE_DRIVER_ROUTINGPROFILE_H

#include "heddle/Import/ModelSource.h"
#include "mlir/IR/BuiltinAttributes.h"

namespace heddle {

/// A file of `PROG profile` (docs/streaming.md) as `heddle.expert_uses`: of
/// each layer, by the name of its first weight of experts, how many tokens went
/// to each. Errors: InputOutput; Malformed for what is no profile of `source`,
/// whose hash is `sourceHash`.
llvm::Expected<mlir::DictionaryAttr>
readRoutingProfile(mlir::MLIRContext &context, llvm::StringRef path,
                   const import::ModelSource &source,
                   llvm::StringRef sourceHash);

} // namespace heddle

#endif // HEDDLE_DRIVER_ROUTINGPROFILE_H
