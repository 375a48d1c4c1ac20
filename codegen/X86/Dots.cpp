//===- Dots.cpp - Dot products of x86-64 ----------------------------------===//
//
// pmaddubsw multiplies unsigned by signed bytes and adds neighbours into 16
// bits with saturation; vpdpbusd adds four products into 32 bits. x is never
// -128 (docs/numeric-modes.md), so that its sign can be flipped.
//
//===----------------------------------------------------------------------===//
#include "Dots.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;

static VectorType bytes(Value v) { return cast<VectorType>(v.getType()); }

/// x with the sign of w, |w| as unsigned bytes: u8 x s8 instructions then take
/// signed codes.
static Value absolute(KernelBuilder &b, Value w) {
  return math::AbsIOp::create(b, w);
}

//===----------------------------------------------------------------------===//
// pmaddubsw
//===----------------------------------------------------------------------===//

static Value maddubs(KernelBuilder &b, Value partial, Value w, Value x) {
  int64_t n = bytes(w).getDimSize(0);
  StringRef name = n == 64   ? "llvm.x86.avx512.pmaddubs.w.512"
                   : n == 32 ? "llvm.x86.avx2.pmadd.ub.sw"
                             : "llvm.x86.ssse3.pmadd.ub.sw.128";
  return b.add(partial,
               b.intrinsic(name, b.vec(n / 2, b.getI16Type()), {w, x}));
}

static Value maddubsSigned(KernelBuilder &b, Value partial, Value w, Value x) {
  bool wide = bytes(w).getDimSize(0) == 32;
  Value flipped =
      b.intrinsic(wide ? "llvm.x86.avx2.psign.b" : "llvm.x86.ssse3.psign.b.128",
                  bytes(w), {x, w});
  return maddubs(b, partial, absolute(b, w), flipped);
}

/// 512 bits have no psignb; a mask does it.
static Value maddubsMasked(KernelBuilder &b, Value partial, Value w, Value x) {
  Value zero = b.splat(w.getType(), 0),
        negative = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, w, zero);
  Value flipped = arith::SelectOp::create(b, negative, b.sub(zero, x), x);
  return maddubs(b, partial, absolute(b, w), flipped);
}

static Value widenPairs(KernelBuilder &b, Value partial) {
  int64_t n = bytes(partial).getDimSize(0);
  VectorType i32s = b.vec(n / 2, b.getI32Type());
  Value ones = b.splat(partial.getType(), 1);
  StringRef name = n == 32   ? "llvm.x86.avx512.pmaddw.d.512"
                   : n == 16 ? "llvm.x86.avx2.pmadd.wd"
                             : "llvm.x86.sse2.pmadd.wd";
  return b.intrinsic(name, i32s, {partial, ones});
}

//===----------------------------------------------------------------------===//
// vpdpbusd
//===----------------------------------------------------------------------===//

static Value dpbusd(KernelBuilder &b, Value partial, Value w, Value x) {
  bool wide = bytes(w).getDimSize(0) == 64;
  return b.intrinsic(wide ? "llvm.x86.avx512.vpdpbusd.512"
                          : "llvm.x86.avx512.vpdpbusd.256",
                     bytes(partial), {partial, w, x});
}

//===----------------------------------------------------------------------===//
// pshufb
//===----------------------------------------------------------------------===//

static Value shuffleBytes(KernelBuilder &b, Value table, Value codes) {
  int64_t n = bytes(table).getDimSize(0);
  return b.intrinsic(n == 64   ? "llvm.x86.avx512.pshuf.b.512"
                     : n == 32 ? "llvm.x86.avx2.pshuf.b"
                               : "llvm.x86.ssse3.pshuf.b.128",
                     table.getType(), {table, codes});
}

llvm::ArrayRef<IntegerDot> codegen::x86::integerDots() {
  static const IntegerDot dots[] = {
      {"ssse3.pmaddubsw", "x86_64", "ssse3", 4, 4, 16, maddubs, maddubsSigned,
       widenPairs, shuffleBytes},
      {"avx2.pmaddubsw", "x86_64", "avx2", 8, 4, 16, maddubs, maddubsSigned,
       widenPairs, shuffleBytes},
      {"avxvnni.vpdpbusd", "x86_64", "avx2,avxvnni", 8, 4, 32, dpbusd, nullptr,
       nullptr, shuffleBytes},
      {"avx512bw.pmaddubsw", "x86_64", "avx512bw", 16, 4, 16, maddubs,
       maddubsMasked, widenPairs, shuffleBytes},
      {"avx512vnni.vpdpbusd", "x86_64", "avx512bw,avx512vnni", 16, 4, 32,
       dpbusd, nullptr, nullptr, shuffleBytes},
  };
  return dots;
}

//===----------------------------------------------------------------------===//
// vdpbf16ps
//===----------------------------------------------------------------------===//

static Value dpbf16(KernelBuilder &b, Value sum, Value w, Value x) {
  return b.intrinsic("llvm.x86.avx512bf16.dpbf16ps.512", sum.getType(),
                     {sum, w, x});
}

static Value permuteWords(KernelBuilder &b, Value table, Value index) {
  return b.intrinsic("llvm.x86.avx512.permvar.hi.512", table.getType(),
                     {table, index});
}

llvm::ArrayRef<FloatDot> codegen::x86::floatDots() {
  static const FloatDot dots[] = {
      {"avx512bf16.vdpbf16ps", "x86_64", "avx512bw,avx512bf16", 16, dpbf16,
       permuteWords},
  };
  return dots;
}
