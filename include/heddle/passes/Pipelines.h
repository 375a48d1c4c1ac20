//===- Pipelines.h - The named phases of a compile --------------*- C++ -*-===//
#ifndef HEDDLE_PASSES_PIPELINES_H
#define HEDDLE_PASSES_PIPELINES_H

#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/ArrayRef.h"
#include <string>
#include <vector>

namespace heddle {

/// A phase of docs/architecture.md: where a pass may join.
struct Phase {
  const char *name;
  const char *summary;
  void (*build)(mlir::OpPassManager &pm);
};

/// import, canonicalize, quantize, specialize, route, fuse, layout, schedule, emit,
/// plan, target, link: in order. import and link build no passes.
llvm::ArrayRef<Phase> phases();
/// Position of a phase by name, or -1.
int findPhase(llvm::StringRef name);

struct PassRow {
  std::string name, summary;
};
/// The passes of one phase, in order.
std::vector<PassRow> passesOf(const Phase &phase);
/// All phases up to target as text that heddle-opt takes.
std::string pipelineText();

} // namespace heddle

#endif // HEDDLE_PASSES_PIPELINES_H
