//===- Interpreter.h - What a graph means, in f64 ---------------*- C++ -*-===//
//
// The reference that compiled programs are compared with. It runs any function
// of `heddle` ops before layout, in double precision, from the formulas of
// HeddleOps.td; it shares no code with lowering.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_REFERENCE_INTERPRETER_H
#define HEDDLE_REFERENCE_INTERPRETER_H

#include "heddle/Import/ModelSource.h"
#include "heddle/Import/Parameters.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include <functional>
#include <memory>
#include <vector>

namespace heddle::reference {

/// Keys and values of every position, growing as positions are written.
struct Cache {
  int64_t layers, heads, dim;
  /// [slot · heads + head] → [position · dim + i].
  std::vector<std::vector<double>> keys, values;
  /// [slot] → [position] whether it was written.
  std::vector<std::vector<bool>> written;
};

/// The value of an SSA value: one of the pointers is set. Row major. A scalar
/// has the shape [].
struct Data {
  llvm::SmallVector<int64_t, 2> shape;
  std::shared_ptr<const std::vector<double>> floats;
  /// Also indices.
  std::shared_ptr<const std::vector<int64_t>> ints;
  /// A matrix of the checkpoint, decoded to f32.
  std::shared_ptr<const std::vector<float>> weights;
  /// One object however often it is appended to, as in a compiled program: the
  /// cache before an append is not kept.
  std::shared_ptr<Cache> cache;

  static Data ofFloats(llvm::ArrayRef<int64_t> shape,
                       std::vector<double> values);
  static Data ofInts(llvm::ArrayRef<int64_t> shape,
                     std::vector<int64_t> values);
  int64_t numElements() const;
};

class Interpreter;

/// Computes the results of an op; one Data a result. Shapes of operands agree
/// with their types, but for dimensions that the types leave open.
using Semantics = std::function<llvm::Error(
    Interpreter &, mlir::Operation *, llvm::ArrayRef<Data> operands,
    llvm::SmallVectorImpl<Data> &results)>;

/// Adds or replaces the meaning of an op. Not while an interpreter runs.
void registerSemantics(llvm::StringRef opName, Semantics semantics);
bool hasSemantics(llvm::StringRef opName);

/// Caches persist between calls. `source` must outlive the interpreter; it may
/// be null if the module has no parameters.
class Interpreter {
public:
  Interpreter(mlir::ModuleOp module, const import::ModelSource *source);

  /// Runs @forward; returns logits [rows.size(), V] row major. Errors:
  /// Unsupported, naming the op that has no semantics; Limit, for a token,
  /// position or row out of range.
  llvm::Expected<std::vector<double>> forward(llvm::ArrayRef<int32_t> tokens,
                                              llvm::ArrayRef<int32_t> positions,
                                              llvm::ArrayRef<int32_t> rows);

  /// Runs any function of the module. `args` leaves out cache arguments: each
  /// has one cache, kept between calls by function and argument number.
  llvm::Expected<llvm::SmallVector<Data>> call(llvm::StringRef function,
                                               llvm::ArrayRef<Data> args);

  /// Empties the caches.
  void reset() { caches.clear(); }

  // For semantics:

  /// Runs a function on all its arguments, caches among them.
  llvm::Expected<llvm::SmallVector<Data>> run(mlir::func::FuncOp function,
                                              llvm::ArrayRef<Data> args);
  /// A parameter of the checkpoint, rows in logical order; decoded once.
  llvm::Expected<Data> parameter(llvm::StringRef name,
                                 mlir::RankedTensorType type);
  mlir::ModuleOp getModule() const { return module; }

private:
  mlir::ModuleOp module;
  const import::ModelSource *source;
  import::RowPermutations permutations;
  llvm::StringMap<Data> parameters;
  llvm::StringMap<std::shared_ptr<Cache>> caches;
  int depth = 0;
};

} // namespace heddle::reference

#endif // HEDDLE_REFERENCE_INTERPRETER_H
