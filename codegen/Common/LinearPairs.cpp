//===- LinearPairs.cpp - Products with activations in bf16 ----------------===//
//
// Weights enter as pairs of bf16, which an instruction multiplies and adds in
// f32. Integer codes are exact in bf16; the sum of a group is multiplied by the
// group's scale in f32. One order along k for every count of tokens: a sum's
// bits are the instruction's.
//
//===----------------------------------------------------------------------===//
#include "LinearTile.h"
#include "llvm/ADT/APFloat.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;
using Values = KernelBuilder::Values;

Value LinearTile::addPairs(Value sum, Value weights, Value x) {
  return floatDot ? floatDot->add(b, sum, weights, x)
                  : codegen::addPairs(b, sum, weights, x);
}

/// Activations k and k + 1 of the group, for every lane.
Value LinearTile::pair(const Group &g, Value t, Value k) {
  Value two;
  if (rows.isGrouped())
    two = b.loadVec(
        x,
        {t, g.index, b.add(b.index(RowsAttr::FloatsAt), b.mul(k, b.index(2)))},
        4);
  else
    two = b.loadVec(
        x, {t, b.add(b.mul(g.index, b.index(packed.getGroup())), k)}, 2);
  Value word = vector::ExtractOp::create(
      b,
      vector::BitCastOp::create(b, b.vec(1, b.getI32Type()), two).getResult(),
      0);
  return vector::BitCastOp::create(
      b, b.vec(2 * lanes(), b.getBF16Type()),
      b.broadcast(word, b.vec(lanes(), b.getI32Type())));
}

/// A step of codes as the numbers that they are, without the scale.
Value LinearTile::asFloats(const Group &g, int64_t c, Value step, bool high,
                           int64_t number) {
  EncAttr enc = packed.getEnc();
  int64_t n = 2 * lanes(), offset = enc.getOffset();
  VectorType words = b.vec(n, b.getI16Type()), wide = b.vec(n, b.getI32Type()),
             floats = b.vec(n, b.getBF16Type());
  bool looked = floatDot && floatDot->lookup && enc.getElemBits() < 6;
  if (looked) {
    // Of four bits, whatever lies above them picks the same number.
    int64_t distinct = 1 << enc.getElemBits();
    SmallVector<APInt> table;
    for (int64_t i = 0; i < n; ++i) {
      APFloat value(APFloat::BFloat());
      value.convertFromAPInt(APInt(16,
                                   enc.getTable() ? enc.getTable()[i % distinct]
                                                  : i % distinct + offset,
                                   /*isSigned=*/true),
                             /*IsSigned=*/true, APFloat::rmNearestTiesToEven);
      table.push_back(value.bitcastToAPInt());
    }
    Value index;
    if (enc.getHighBits()) {
      index = arith::ExtUIOp::create(b, words,
                                     stepOfCodes(g, c, step, high, number));
    } else {
      Value at =
          b.add(b.add(g.codes, b.mul(step, b.index(packed.getRows() * 2))),
                rowsAt(g, c, 2));
      index = arith::ExtUIOp::create(b, words, bytes(g, at, n, b.getI8Type()));
      if (high)
        index = arith::ShRUIOp::create(b, index, b.splat(words, 4));
    }
    Value constant =
        arith::ConstantOp::create(b, DenseElementsAttr::get(words, table));
    return vector::BitCastOp::create(b, floats,
                                     floatDot->lookup(b, constant, index));
  }
  Value codes = stepOfCodes(g, c, step, high, number);
  if (enc.getTable())
    codes = b.lookup(enc.getTable().asArrayRef(), codes);
  codes = !enc.isSigned() ? arith::ExtUIOp::create(b, wide, codes).getResult()
                          : arith::ExtSIOp::create(b, wide, codes).getResult();
  if (offset)
    codes = b.add(codes, b.splat(wide, offset));
  // Exact in bf16, so that the upper half of the f32 is all of it.
  Value bits = arith::BitcastOp::create(
      b, wide,
      arith::SIToFPOp::create(b, b.vec(n, b.getF32Type()), codes).getResult());
  return vector::BitCastOp::create(
      b, floats,
      arith::TruncIOp::create(
          b, words, arith::ShRUIOp::create(b, bits, b.splat(wide, 16))));
}

Values LinearTile::pairGroup(const Group &g, Value t0, int64_t tokens,
                             Values acc) {
  EncAttr enc = packed.getEnc();
  constexpr int64_t step = FloatDot::step;
  VectorType f32s = b.vec(lanes(), b.getF32Type());
  auto token = [&](int64_t t) { return b.add(t0, b.index(t)); };
  // sums[t, c] += weights[c] . x[t, k], k + 1.
  auto meet = [&](Values &sums, ValueRange weights, Value k) {
    for (int64_t t = 0; t < tokens; ++t) {
      Value xs = pair(g, token(t), k);
      for (int64_t c = 0; c < g.chunks; ++c) {
        Value &sum = sums[t * g.chunks + c];
        sum = addPairs(sum, weights[c], xs);
      }
    }
  };
  if (!enc.getScale() && enc.getElem() == "bf16") {
    Values weights;
    for (int64_t c = 0; c < g.chunks; ++c)
      weights.push_back(vector::BitCastOp::create(
          b, b.vec(step * lanes(), b.getBF16Type()),
          bytes(g, b.add(g.codes, rowsAt(g, c, 2 * step)), step * lanes(),
                b.getI16Type())));
    meet(acc, weights, b.index(0));
    return acc;
  }
  bool nibbles = enc.isNibbles();
  int64_t loads = (nibbles ? enc.getGroup() / 2 : enc.getGroup()) / step;
  // The codes of one byte follow one another.
  auto steps = [&](Value i, int64_t number, Values sums) {
    for (bool high : {false, true}) {
      if (high && !nibbles)
        break;
      Values weights;
      for (int64_t c = 0; c < g.chunks; ++c)
        weights.push_back(asFloats(g, c, i, high, number + (high ? loads : 0)));
      Value at = high ? b.add(i, b.index(loads)) : i;
      meet(sums, weights, b.mul(at, b.index(step)));
    }
    return sums;
  };
  Values sums(acc.size(), b.splat(f32s, 0));
  // As in integerGroup: a loop, where steps need not know their number.
  if (tokens == 1 || enc.getHighBits())
    for (int64_t i = 0; i < loads; ++i)
      sums = steps(b.index(i), i, sums);
  else
    sums = b.loop(b.index(0), b.index(loads), 1, sums,
                  [&](Value i, Values sums) { return steps(i, 0, sums); });
  Scales of = scales(g);
  for (int64_t t = 0; t < tokens; ++t) {
    Value sumOfX;
    if (enc.getMin()) {
      Value raw =
          b.loadVec(x, {token(t), g.index, b.index(RowsAttr::FloatSumAt)}, 4);
      Value one = vector::BitCastOp::create(b, b.vec(1, b.getF32Type()), raw);
      sumOfX = b.broadcast(vector::ExtractOp::create(b, one, 0), f32s);
    }
    for (int64_t c = 0; c < g.chunks; ++c) {
      Value &a = acc[t * g.chunks + c], sum = sums[t * g.chunks + c];
      a = of.scale[c] ? b.fma(sum, of.scale[c], a) : b.add(sum, a);
      if (sumOfX)
        a = b.fma(of.min[c], sumOfX, a);
    }
  }
  return acc;
}
