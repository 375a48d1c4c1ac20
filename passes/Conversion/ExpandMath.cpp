//===- ExpandMath.cpp - exp, sin, cos, and what a level lacks -------------===//
//
// exp (f32): x = n ln 2 + r, |r| <= ln 2 / 2, a degree 7 polynomial in r, then
// 2^n through the exponent field; the constants split ln 2 so that n ln 2 is
// exact (Cody and Waite, Software Manual for the Elementary Functions, 1980).
// sin, cos (f64): x = n pi/2 + r, |r| <= pi/4, Taylor series to r^17, whose
// remainder is below half an ulp; arguments up to 2^30 keep an absolute error
// below 1e-9. pi/2 is split so that n times its first two parts is exact for n
// below 2^30.
//
// A level without fused multiply and add gets a product and a sum, and one that
// cannot widen f16 or round to bf16 gets integer operations: no library is
// called for any.
//
//===----------------------------------------------------------------------===//
#include "heddle/codegen/Common/KernelBuilder.h"
#include "heddle/codegen/Common/Target.h"
#include "heddle/passes/Passes.h"
#include <cmath>

namespace heddle {
#define GEN_PASS_DEF_EXPANDMATH
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;

namespace {
Type like(Type type, Type elem) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? Type(vector.clone(elem)) : elem;
}

Value polynomial(KernelBuilder &b, Value x, ArrayRef<double> highestFirst) {
  Value p = b.splat(x.getType(), highestFirst.front());
  for (double c : highestFirst.drop_front())
    p = b.fma(p, x, b.splat(x.getType(), c));
  return p;
}

struct ExpandExp : OpRewritePattern<math::ExpOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::ExpOp op,
                                PatternRewriter &rewriter) const override {
    Type type = op.getType();
    if (!getElementTypeOrSelf(type).isF32())
      return failure();
    KernelBuilder b(op.getLoc(), rewriter, 1);
    Value x = op.getOperand();
    auto c = [&](double v) { return b.splat(type, v); };
    // A NaN takes the bound here and comes back at the end.
    Value bound = arith::MaxNumFOp::create(
        b, arith::MinNumFOp::create(b, x, c(89)), c(-89));
    Value n = math::RoundEvenOp::create(b, b.mul(bound, c(1.4426950408889634)));
    Value r = b.fma(n, c(-0.693359375), bound);
    r = b.fma(n, c(2.12194440e-4), r);
    Value p = polynomial(
        b, r, {1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1, 1});
    // 2^n in two factors, since n may be 128.
    Type i32 = like(type, b.getI32Type());
    Value whole = arith::FPToSIOp::create(b, i32, n);
    Value half = arith::ShRSIOp::create(b, whole, b.splat(i32, 1));
    auto power = [&](Value e) -> Value {
      Value bits = arith::ShLIOp::create(b, b.add(e, b.splat(i32, 127)),
                                         b.splat(i32, 23));
      return arith::BitcastOp::create(b, type, bits);
    };
    p = b.mul(b.mul(p, power(half)), power(b.sub(whole, half)));
    Value small =
        arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, c(-87.3));
    Value nan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x, x);
    p = arith::SelectOp::create(b, small, c(0), p);
    rewriter.replaceOpWithNewOp<arith::SelectOp>(op, nan, x, p);
    return success();
  }
};

template <typename Op> struct ExpandTrig : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    Type type = op.getType();
    if (!getElementTypeOrSelf(type).isF64())
      return failure();
    KernelBuilder b(op.getLoc(), rewriter, 1);
    Value x = op.getOperand();
    auto c = [&](double v) { return b.splat(type, v); };
    Value n = math::RoundEvenOp::create(b, b.mul(x, c(M_2_PI)));
    Value r = x;
    for (double part : {0x1.921fb4p0, 0x1.4442dp-24, 0x1.8469898cc517p-48})
      r = b.fma(n, c(-part), r);
    Value r2 = b.mul(r, r);
    auto factorial = [](int n) { return std::tgamma(n + 1.0); };
    SmallVector<double> s, k;
    for (int i = 17; i >= 1; i -= 2)
      s.push_back((i / 2 % 2 ? -1 : 1) / factorial(i));
    for (int i = 16; i >= 0; i -= 2)
      k.push_back((i / 2 % 2 ? -1 : 1) / factorial(i));
    Value sin = b.mul(polynomial(b, r2, s), r), cos = polynomial(b, r2, k);
    Type i64 = like(type, b.getI64Type());
    Value quadrant = arith::FPToSIOp::create(b, i64, n);
    if (std::is_same_v<Op, math::CosOp>) // cos x = sin (x + pi/2)
      quadrant = b.add(quadrant, b.splat(i64, 1));
    auto bit = [&](int64_t mask) -> Value {
      Value masked = arith::AndIOp::create(b, quadrant, b.splat(i64, mask));
      return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, masked,
                                   b.splat(i64, 0));
    };
    Value value = arith::SelectOp::create(b, bit(1), cos, sin);
    rewriter.replaceOpWithNewOp<arith::SelectOp>(
        op, bit(2), arith::NegFOp::create(b, value).getResult(), value);
    return success();
  }
};

/// math.fma as two roundings.
struct ExpandFma : OpRewritePattern<math::FmaOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(math::FmaOp op,
                                PatternRewriter &rewriter) const override {
    const Level *level = levelOf(op);
    if (!level || level->fma)
      return failure();
    Value product =
        arith::MulFOp::create(rewriter, op.getLoc(), op.getA(), op.getB());
    rewriter.replaceOpWithNewOp<arith::AddFOp>(op, product, op.getC());
    return success();
  }
};

/// f16 to f32: exact, subnormals, infinities and NaNs included.
struct ExpandHalf : OpRewritePattern<arith::ExtFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::ExtFOp op,
                                PatternRewriter &rewriter) const override {
    const Level *level = levelOf(op);
    Type f32 = op.getType();
    if (!level || level->half || !getElementTypeOrSelf(op.getIn()).isF16() ||
        !getElementTypeOrSelf(f32).isF32())
      return failure();
    KernelBuilder b(op.getLoc(), rewriter, 1);
    Type i32 = like(f32, b.getI32Type());
    auto c = [&](int64_t v) { return b.splat(i32, v); };
    auto atLeast = [&](Value v, int64_t least) -> Value {
      return arith::CmpIOp::create(b, arith::CmpIPredicate::sge, v, c(least));
    };
    Value bits = arith::ExtUIOp::create(
        b, i32,
        arith::BitcastOp::create(b, like(f32, b.getI16Type()), op.getIn()));
    Value sign = arith::ShLIOp::create(
        b, arith::AndIOp::create(b, bits, c(0x8000)), c(16));
    Value size = arith::AndIOp::create(b, bits, c(0x7fff));
    // Exponents are 112 apart, those of infinities and NaNs 224.
    Value moved = b.add(arith::ShLIOp::create(b, size, c(13)), c(112 << 23));
    Value wide = arith::SelectOp::create(b, atLeast(size, 0x7c00),
                                         b.add(moved, c(112 << 23)), moved);
    // Below the least exponent the bits count 2^-24.
    Value small =
        b.mul(arith::SIToFPOp::create(b, f32, size), b.splat(f32, 0x1p-24));
    wide = arith::SelectOp::create(b, atLeast(size, 0x400), wide,
                                   arith::BitcastOp::create(b, i32, small));
    rewriter.replaceOpWithNewOp<arith::BitcastOp>(
        op, f32, arith::OrIOp::create(b, wide, sign));
    return success();
  }
};

/// f32 to bf16, to the nearest and ties to even; a NaN stays one.
struct ExpandBFloat : OpRewritePattern<arith::TruncFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::TruncFOp op,
                                PatternRewriter &rewriter) const override {
    const Level *level = levelOf(op);
    Value x = op.getIn();
    if (!level || level->bf16 || !getElementTypeOrSelf(op.getType()).isBF16() ||
        !getElementTypeOrSelf(x).isF32())
      return failure();
    KernelBuilder b(op.getLoc(), rewriter, 1);
    Type i32 = like(x.getType(), b.getI32Type());
    auto c = [&](int64_t v) { return b.splat(i32, v); };
    Value bits = arith::BitcastOp::create(b, i32, x);
    Value upper = arith::ShRUIOp::create(b, bits, c(16));
    // What is cut off rounds up from a half on, or from above it if the rest is
    // even.
    Value odd = arith::AndIOp::create(b, upper, c(1));
    Value rounded =
        arith::ShRUIOp::create(b, b.add(b.add(bits, c(0x7fff)), odd), c(16));
    Value nan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x, x);
    Value quiet = arith::OrIOp::create(b, upper, c(0x40));
    Value chosen = arith::SelectOp::create(b, nan, quiet, rounded);
    rewriter.replaceOpWithNewOp<arith::BitcastOp>(
        op, op.getType(),
        arith::TruncIOp::create(b, like(x.getType(), b.getI16Type()), chosen));
    return success();
  }
};

struct ExpandMath : heddle::impl::ExpandMathBase<ExpandMath> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<ExpandExp, ExpandTrig<math::SinOp>, ExpandTrig<math::CosOp>,
                 ExpandFma, ExpandHalf, ExpandBFloat>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
