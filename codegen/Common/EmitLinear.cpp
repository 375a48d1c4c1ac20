//===- EmitLinear.cpp - Matrix product with a packed weight ---------------===//
//
// An item is a panel of rows. The weight is one linear stream: per group along k,
// scales, minima, then codes, rows side by side (#heddle.packed). Codes are decoded in
// registers; every output element is one chain of fma over k in stream order, so a
// result does not depend on how tokens are tiled.
//
//===----------------------------------------------------------------------===//
#include "heddle/codegen/Common/KernelBuilder.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;
using Values = KernelBuilder::Values;

namespace {
struct LinearEmitter {
  KernelBuilder &b;
  PackedAttr packed;
  EncAttr enc;
  int64_t n, k, tile;
  Value x, weight, bias, out;

  int64_t chunks() const { return packed.getRows() / b.lanes; }

  /// `count` lanes of `bits` each from byte `at` of group (panel, g).
  Value bytes(Value panel, Value g, Value at, Type elem) {
    int64_t width = elem.getIntOrFloatBitWidth() / 8 * b.lanes;
    Value raw = b.loadVec(weight, {panel, g, at}, width);
    return vector::BitCastOp::create(b, b.vec(b.lanes, elem), raw);
  }

  /// One f16 per row, of chunk c, as f32 lanes.
  Value halves(Value panel, Value g, int64_t base, int64_t c) {
    Value half = bytes(panel, g, b.index(base + c * b.lanes * 2), b.getF16Type());
    return arith::ExtFOp::create(b, b.f32s(), half);
  }

  /// acc[t][c] += w[c] * x[t0 + t, k].
  void accumulate(Values &acc, Value w, int64_t c, Value t0, Value kIndex, int64_t tokens) {
    for (int64_t t = 0; t < tokens; ++t) {
      Value xs = b.broadcast(b.load(x, {b.add(t0, b.index(t)), kIndex}), b.f32s());
      acc[t * chunks() + c] = b.fma(w, xs, acc[t * chunks() + c]);
    }
  }

  Values group(Value panel, Value g, Value t0, int64_t tokens, Values acc) {
    int64_t rows = packed.getRows(), size = enc.getGroup(), base = 0;
    Values scale(chunks()), min(chunks());
    for (auto [has, values] : {std::pair{enc.getScale(), &scale}, {enc.getMin(), &min}}) {
      if (!has)
        continue;
      for (int64_t c = 0; c < chunks(); ++c)
        (*values)[c] = halves(panel, g, base, c);
      base += rows * 2;
    }
    Value k0 = b.mul(g, b.index(size));
    int64_t bits = enc.getElemBits();
    bool nibbles = bits == 4;
    Type elem = enc.getStorageType();
    int64_t stride = rows * elem.getIntOrFloatBitWidth() / 8;
    int64_t steps = nibbles ? size / 2 : size;
    auto step = [&](Value j, Values acc) {
      Value at = b.add(b.mul(j, b.index(stride)), b.index(base));
      for (int64_t c = 0; c < chunks(); ++c) {
        Value codes = bytes(panel, g, b.add(at, b.index(c * b.lanes * elem.getIntOrFloatBitWidth() / 8)), elem);
        if (!nibbles) {
          accumulate(acc, b.decode(enc, codes, scale[c], min[c]), c, t0, b.add(k0, j), tokens);
          continue;
        }
        VectorType i32 = b.vec(b.lanes, b.getI32Type());
        Value wide = arith::ExtUIOp::create(b, i32, codes);
        Value low = arith::AndIOp::create(b, wide, b.splat(i32, 15));
        Value high = arith::ShRUIOp::create(b, wide, b.splat(i32, 4));
        accumulate(acc, b.decode(enc, low, scale[c], min[c]), c, t0, b.add(k0, j), tokens);
        accumulate(acc, b.decode(enc, high, scale[c], min[c]), c, t0, b.add(k0, b.add(j, b.index(size / 2))), tokens);
      }
      return acc;
    };
    if (steps == 1)
      return step(b.index(0), acc);
    return b.loop(b.index(0), b.index(steps), 1, acc, step);
  }

  void tokens(Value panel, Value t0, int64_t count) {
    Values zero(count * chunks(), b.splat(b.f32s(), 0));
    Values acc = b.loop(b.index(0), b.index(packed.getGroups(k)), 1, zero,
                        [&](Value g, Values acc) { return group(panel, g, t0, count, acc); });
    Value n0 = b.mul(panel, b.index(packed.getRows()));
    for (int64_t t = 0; t < count; ++t)
      for (int64_t c = 0; c < chunks(); ++c)
        finish(acc[t * chunks() + c], b.add(t0, b.index(t)), b.add(n0, b.index(c * b.lanes)));
  }

  /// Adds the bias and writes one chunk; a last panel may be cut.
  void finish(Value acc, Value t, Value first) {
    if (n % packed.getRows() == 0) {
      if (bias)
        acc = b.add(acc, b.loadVec(bias, {first}, b.lanes));
      b.storeVec(acc, out, {t, first});
      return;
    }
    Value left = arith::MaxSIOp::create(b, b.sub(b.index(n), first), b.index(0));
    Value valid = arith::MinSIOp::create(b, left, b.index(b.lanes));
    if (bias) {
      Value mask = vector::CreateMaskOp::create(b, b.vec(b.lanes, b.getI1Type()), ValueRange(valid));
      acc = b.add(acc, vector::MaskedLoadOp::create(b, b.f32s(), bias, ValueRange(first), mask, b.splat(b.f32s(), 0)));
    }
    b.storePart(acc, out, {t, first}, valid);
  }
};
} // namespace

LogicalResult codegen::emitLinear(KernelBuilder &b, KernelOp kernel, Value lo, Value hi, ValueRange args) {
  auto op = cast<LinearOp>(kernel.getBody().front().front());
  auto type = cast<RankedTensorType>(op.getWeight().getType());
  auto packed = dyn_cast_or_null<PackedAttr>(type.getEncoding());
  if (!packed || packed.getRows() % b.lanes)
    return kernel.emitError("a linear kernel needs a packed weight whose rows are a multiple of ") << b.lanes;
  auto arg = [&](Value operand) { return args[cast<BlockArgument>(operand).getArgNumber()]; };
  LinearEmitter e{b, packed, packed.getEnc(), type.getDimSize(0), type.getDimSize(1),
                  kernel.getScheduleAttr().get("token_tile", 1), arg(op.getX()), arg(op.getWeight()),
                  op.getBias() ? arg(op.getBias()) : Value(), args.back()};
  int64_t staticTokens = cast<RankedTensorType>(op.getX().getType()).getDimSize(0);
  b.loop(lo, hi, 1, [&](Value panel) {
    if (staticTokens == 1)
      return e.tokens(panel, b.index(0), 1);
    Value count = b.dim(e.x, 0);
    Value whole = b.sub(count, b.rem(count, b.index(e.tile)));
    if (e.tile > 1)
      b.loop(b.index(0), whole, e.tile, [&](Value t) { e.tokens(panel, t, e.tile); });
    b.loop(e.tile > 1 ? whole : b.index(0), count, 1, [&](Value t) { e.tokens(panel, t, 1); });
  });
  return success();
}
