//===- Dots.cpp - Integer dot products of AArch64 -------------------------===//
//
// sdot adds four signed products into 32 bits. Without it smull multiplies into
// 16 bits, addp adds neighbours (two products of at most 128 * 127 fit) and
// sadalp adds pairs of those into 32. Unsigned codes below 128 are signed ones.
//
//===----------------------------------------------------------------------===//
#include "Dots.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;

static Value smull(KernelBuilder &b, Value partial, Value w, Value x) {
  VectorType i16s = b.vec(8, b.getI16Type());
  auto half = [&](Value v, int64_t at) -> Value {
    return vector::ExtractStridedSliceOp::create(b, v, ArrayRef<int64_t>{at},
                                                 ArrayRef<int64_t>{8},
                                                 ArrayRef<int64_t>{1});
  };
  Value low = b.intrinsic("llvm.aarch64.neon.smull.v8i16", i16s,
                          {half(w, 0), half(x, 0)});
  Value high = b.intrinsic("llvm.aarch64.neon.smull.v8i16", i16s,
                           {half(w, 8), half(x, 8)});
  Value pairs = b.intrinsic("llvm.aarch64.neon.addp.v8i16", i16s, {low, high});
  return b.add(partial, b.intrinsic("llvm.aarch64.neon.saddlp.v4i32.v8i16",
                                    b.vec(4, b.getI32Type()), {pairs}));
}

static Value sdot(KernelBuilder &b, Value partial, Value w, Value x) {
  return b.intrinsic("llvm.aarch64.neon.sdot.v4i32.v16i8",
                     cast<VectorType>(partial.getType()), {partial, w, x});
}

static Value tableLookup(KernelBuilder &b, Value table, Value codes) {
  return b.intrinsic("llvm.aarch64.neon.tbl1.v16i8", table.getType(),
                     {table, codes});
}

llvm::ArrayRef<IntegerDot> codegen::arm::integerDots() {
  static const IntegerDot dots[] = {
      {"neon.smull", "aarch64", "", 4, 4, 32, smull, smull, nullptr,
       tableLookup},
      {"dotprod.sdot", "aarch64", "dotprod", 4, 4, 32, sdot, sdot, nullptr,
       tableLookup},
  };
  return dots;
}
