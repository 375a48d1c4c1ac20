//===- KernelBuilder.h - What emitters build loops with ---------*- C++ -*-===//
//
// An emitter expands one kernel into a function
//   (first item, end item, inputs…, results…)
// on buffers. This is its toolbox: vectors of the target's lanes, loops with
// carried values, explicit fma and explicit reduction trees, so that one
// reduction order is visible in the IR.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_CODEGEN_COMMON_KERNELBUILDER_H
#define HEDDLE_CODEGEN_COMMON_KERNELBUILDER_H

#include "heddle/dialects/Heddle/Heddle.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace heddle::codegen {

using mlir::Value;

/// Lines of counters that threads take items from (KernelBuilder::takeItems()):
/// one of threads that came and left, one for each of at most eight parts. A
/// cache line each, so that threads do not wait for one another's.
constexpr int64_t kItemCounters = 9;
inline mlir::MemRefType itemCounters(mlir::MLIRContext *context) {
  return mlir::MemRefType::get({kItemCounters, 8},
                               mlir::IntegerType::get(context, 64));
}

class KernelBuilder : public mlir::ImplicitLocOpBuilder {
public:
  using Values = llvm::SmallVector<Value>;
  KernelBuilder(mlir::Location loc, mlir::OpBuilder builder, int64_t lanes)
      : ImplicitLocOpBuilder(loc, builder), lanes(lanes) {}

  /// f32 lanes of a vector register.
  const int64_t lanes;
  /// How many threads take items; null where a thread gets a share of them.
  Value threads = Value();

  mlir::VectorType vec(int64_t n, mlir::Type elem);
  mlir::VectorType f32s() { return vec(lanes, getF32Type()); }

  Value index(int64_t value);
  Value i32(int64_t value);
  Value f32(double value);
  Value f64(double value);
  /// `value` (a number of IR type `type`, scalar or vector) as a constant.
  Value splat(mlir::Type type, double value);

  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value div(Value a, Value b);
  Value rem(Value a, Value b);
  /// a * b + c, rounded once; twice on a level without such an instruction
  /// (ExpandMath).
  Value fma(Value a, Value b, Value c);
  Value broadcast(Value scalar, mlir::VectorType type);
  Value toIndex(Value i);

  /// for i = lo, lo + step, … < hi with `carried` values; returns their finals.
  Values loop(Value lo, Value hi, int64_t step, Values carried,
              llvm::function_ref<Values(Value i, Values carried)> body);
  void loop(Value lo, Value hi, int64_t step,
            llvm::function_ref<void(Value i)> body);

  /// if (condition) then else.
  void branch(Value condition, llvm::function_ref<void()> then,
              llvm::function_ref<void()> otherwise);

  /// `body` of the number that `value` is, of 1 to `most`; nothing if it is
  /// none.
  void choose(Value value, int64_t most,
              llvm::function_ref<void(int64_t)> body);

  /// The index `value`, without how it was computed. LLVM's loop strength
  /// reduction takes a base that it sees through apart and computes addresses
  /// anew in each turn of an inner loop (6 % more instructions of a tile).
  Value opaque(Value value);

  /// Items 0 … `items` - 1 to `threads` threads, all of which must come here
  /// once. Each takes those of a part of its own, one after another, so that it
  /// reads one stream of memory, and then what is left of the others' parts.
  /// `counters`: memref<9x8xi64> (itemCounters()), zero before and after.
  void takeItems(Value counters, Value items, Value threads,
                 llvm::function_ref<void(Value item)> body);

  Value load(Value buffer, Values at);
  void store(Value value, Value buffer, Values at);
  /// `n` consecutive elements along the innermost dimension.
  Value loadVec(Value buffer, Values at, int64_t n);
  void storeVec(Value vector, Value buffer, Values at);

  /// Sum and maximum of a vector of 2^m elements, in a fixed tree: halves are
  /// combined lane by lane until one is left.
  Value sumTree(Value vector);
  Value maxTree(Value vector);

  Value dim(Value buffer, int64_t i);
  /// A call of an LLVM intrinsic.
  Value intrinsic(llvm::StringRef name, mlir::Type result,
                  mlir::ValueRange operands);
  /// A buffer on the stack for `tokens` rows of a value. Call outside of loops.
  Value localRows(mlir::RankedTensorType type, int64_t tokens);

  /// The f32 value of stored codes: `scale * (code + offset) + min`, or
  /// `scale * table[code]`, exact for every encoding before the one rounding of
  /// the sum. `codes` is one integer or float element or a vector of them;
  /// scale and min may be null.
  Value decode(EncAttr enc, Value codes, Value scale, Value min);
  /// table[codes], of 2^m numbers: codes are an integer below that or a vector
  /// of them, and so is what is found. By selects, for any level.
  Value lookup(llvm::ArrayRef<int8_t> table, Value codes);
  /// The f32 scale, or minimum, of groups under `super`: stored integers (i8)
  /// times `f16s` (as f32), rounded once.
  Value groupScale(EncAttr enc, Value stored, Value f16s, bool isMin);
  /// `low` with the bits above four that a byte of `plane` has for step `step`
  /// of those it covers. Both of one type: i32, or i8 in vectors of an even
  /// number.
  Value withHighBits(Value low, Value plane, int64_t bits, int64_t step);

private:
  Value tree(Value vector, llvm::function_ref<Value(Value, Value)> combine);
};

/// Builds the loop over the items that a thread takes, around what it is given.
using ItemLoop =
    llvm::function_ref<void(llvm::function_ref<void(Value item)> body)>;

/// Expands `kernel` into a function's body; `args` are the function's buffer
/// arguments, inputs then results.
using EmitFn = mlir::LogicalResult (*)(KernelBuilder &, KernelOp kernel,
                                       ItemLoop items, mlir::ValueRange args);

mlir::LogicalResult emitMatmul(KernelBuilder &, KernelOp, ItemLoop,
                               mlir::ValueRange);
/// Query heads of a pass of an attention kernel: of one token `head_tile` of
/// its schedule, where that divides those of a KV head, else all of these.
int64_t headTileOf(KernelOp kernel);
mlir::LogicalResult emitAttention(KernelBuilder &, KernelOp, ItemLoop,
                                  mlir::ValueRange);
/// Items of a kernel that expands cached latents.
int64_t expandItems(KernelOp kernel);
mlir::LogicalResult emitExpand(KernelBuilder &, KernelOp, ItemLoop,
                               mlir::ValueRange);
mlir::LogicalResult emitGeneric(KernelBuilder &, KernelOp, ItemLoop,
                                mlir::ValueRange);
mlir::LogicalResult emitRows(KernelBuilder &, KernelOp, ItemLoop,
                             mlir::ValueRange);
mlir::LogicalResult emitExperts(KernelBuilder &, KernelOp, ItemLoop,
                                mlir::ValueRange);
mlir::LogicalResult emitPlan(KernelBuilder &, KernelOp, ItemLoop,
                             mlir::ValueRange);

} // namespace heddle::codegen

#endif // HEDDLE_CODEGEN_COMMON_KERNELBUILDER_H
