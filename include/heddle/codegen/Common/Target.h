//===- Target.h - Feature levels and object emission ------------*- C++ -*-===//
//
// A target is data: one row per feature level. A backend registers its rows,
// the best of an architecture last. A module's `heddle.target` lists the levels
// of its program; if they are several, each function carries the one it is for
// as `heddle.level`.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_CODEGEN_COMMON_TARGET_H
#define HEDDLE_CODEGEN_COMMON_TARGET_H

#include "heddle/Support/PartTable.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace heddle::codegen {

/// What a processor does better with than its level's other ones.
struct Tuning {
  const char *cpu; // as LLVM calls it
  int64_t prefetch, prefetchFrom;
};

struct Level {
  /// As --target and --isa spell it.
  const char *name;
  const char *arch; // sysroot and LLVM architecture
  const char *triple;
  const char *cpu;      // LLVM processor
  const char *features; // LLVM feature string on top of it
  /// What the runtime looks for before it runs this level, a comma list.
  const char *needs;
  int64_t lanes;     // f32 lanes of a vector register
  int64_t registers; // vector registers
  /// Instructions that ExpandMath does without where a level has none.
  bool fma = true;   // fused multiply and add
  bool half = true;  // f16 to f32
  bool bf16 = false; // f32 to bf16
  /// Bytes ahead of a stream of weights that software fetches, and the fewest
  /// tokens with which it does: with fewer the hardware alone is faster
  /// (docs/performance.md).
  int64_t prefetch = 3072, prefetchFrom = 1;
  /// Of processors that were measured.
  llvm::ArrayRef<Tuning> tunings = {};

  /// Its numbers for that processor, or those of the level.
  Tuning tuningFor(llvm::StringRef processor) const;
};

PartTable<Level> &levels();

/// Whether `has` holds for each of a comma list of features.
bool needsMet(llvm::StringRef needs,
              llvm::function_ref<bool(llvm::StringRef)> has);

/// The level of that name, or null. "native" is the best this machine has.
const Level *findLevel(llvm::StringRef name);
/// The level of a function, or of the function that `op` is in: its
/// `heddle.level`, else the one level of the module's `heddle.target`. Null if
/// there is none.
const Level *levelOf(mlir::Operation *op);
/// What code for `op` counts on: its function's `heddle.level`, else
/// `heddle.lanes` and `heddle.registers` of the module, else 4 and 16.
int64_t lanesOf(mlir::Operation *op);
int64_t registersOf(mlir::Operation *op);

/// The levels that a comma list names, in the order of the table. Errors, which
/// begin with `where`: Usage for a level given twice; Unsupported for an
/// unknown name, and for levels of two architectures.
llvm::Expected<llvm::SmallVector<const Level *>>
findLevels(llvm::StringRef list, llvm::StringRef where);
/// Those of the module's `heddle.target`; none if there is none, or it is none
/// of ours.
llvm::SmallVector<const Level *> levelsOf(mlir::ModuleOp module);
/// What the clones for each level of the module add to their names: nothing if
/// there is one level, else `.LEVEL`.
llvm::SmallVector<std::string> levelSuffixes(mlir::ModuleOp module);
/// Emits a module of the LLVM dialect with functions decode, batch and prefill
/// of `levels` as an object (or assembly) file that defines `heddle_levels`.
/// Functions of other levels are left out.
llvm::Error emitObject(mlir::ModuleOp module,
                       llvm::ArrayRef<const Level *> levels,
                       llvm::StringRef path, bool assembly);

} // namespace heddle::codegen

#endif // HEDDLE_CODEGEN_COMMON_TARGET_H
