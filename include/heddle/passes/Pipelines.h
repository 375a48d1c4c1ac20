//===- Pipelines.h - The named phases of a compile --------------*- C++ -*-===//
#ifndef HEDDLE_PASSES_PIPELINES_H
#define HEDDLE_PASSES_PIPELINES_H

#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/ArrayRef.h"
#include <functional>
#include <string>
#include <vector>

namespace heddle {

/// A phase of docs/architecture.md: where a pass may join.
struct Phase {
  const char *name;
  const char *summary;
};

/// import, canonicalize, quantize, specialize, route, fuse, layout, schedule,
/// emit, plan, target, link: in order. import and link run no passes.
llvm::ArrayRef<Phase> phases();
/// Position of a phase by name, or -1.
int findPhase(llvm::StringRef name);
/// The names, comma-separated, for a message.
std::string phaseNames();

/// Adds passes to the pipeline of a module.
using PhaseBuilder = std::function<void(mlir::OpPassManager &pm)>;
enum class PhaseEnd { Front, Back };
/// Puts passes before or after those that the phase has so far.
/// `owner` is who asks for it.
void joinPhase(int phase, PhaseBuilder build, PhaseEnd where,
               llvm::StringRef owner);
/// Adds the passes of a phase, in order.
void buildPhase(const Phase &phase, mlir::OpPassManager &pm);

struct PassRow {
  /// `owner` is the plugin whose pass it is.
  std::string name, summary, owner;
};
/// The passes of one phase, in order.
std::vector<PassRow> passesOf(const Phase &phase);
/// The phases from `from` to `to`, both included, as text that heddle-opt
/// takes.
std::string pipelineText(int from, int to);

} // namespace heddle

#endif // HEDDLE_PASSES_PIPELINES_H
