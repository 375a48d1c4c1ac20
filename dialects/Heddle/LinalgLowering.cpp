//===- LinalgLowering.cpp - What ops compute, in linalg on tensors --------===//
//
// The generic path of ops of ours. Their emitters are faster; these say the
// same with the same roundings where a sum's order allows it, and check each
// other in tests.
//
//===----------------------------------------------------------------------===//
#include "heddle/dialects/Heddle/Heddle.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;
using namespace heddle;
using utils::IteratorType;
using Values = SmallVector<Value>;

#include "heddle/dialects/Heddle/HeddleInterfaces.cpp.inc"

namespace {
using Sizes = SmallVector<OpFoldResult>;

struct LinalgBuilder : ImplicitLocOpBuilder {
  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;

  /// Dimensions of a map, by position.
  AffineMap map(unsigned loops, ArrayRef<unsigned> dims) {
    return AffineMap::getMultiDimMapWithTargets(loops, dims, getContext());
  }
  Value constant(double value) {
    return arith::ConstantOp::create(
        *this, getF32FloatAttr(static_cast<float>(value)));
  }
  Value empty(Sizes sizes) {
    return tensor::EmptyOp::create(*this, sizes, getF32Type());
  }
  Value zeros(Sizes sizes) {
    return linalg::FillOp::create(*this, ValueRange(constant(0)),
                                  ValueRange(empty(sizes)))
        .getResult(0);
  }
  Sizes sizes(Value tensor) {
    return tensor::getMixedSizes(*this, getLoc(), tensor);
  }
  Value add(Value a, Value b) { return arith::AddFOp::create(*this, a, b); }
  Value sub(Value a, Value b) { return arith::SubFOp::create(*this, a, b); }
  Value mul(Value a, Value b) { return arith::MulFOp::create(*this, a, b); }
  Value div(Value a, Value b) { return arith::DivFOp::create(*this, a, b); }
  Value fma(Value a, Value b, Value c) {
    return math::FmaOp::create(*this, a, b, c);
  }

  /// One scalar result at each point of `out`; the last map is out's, loops
  /// that it lacks reduce. The body's last argument is out's element.
  Value generic(ValueRange ins, Value out, ArrayRef<AffineMap> maps,
                llvm::function_ref<Value(LinalgBuilder &, ValueRange)> body) {
    SmallVector<IteratorType> loops(maps.back().getNumDims(),
                                    IteratorType::reduction);
    for (AffineExpr e : maps.back().getResults())
      loops[cast<AffineDimExpr>(e).getPosition()] = IteratorType::parallel;
    return linalg::GenericOp::create(
               *this, out.getType(), ins, out, maps, loops,
               [&](OpBuilder &nested, Location loc, ValueRange args) {
                 LinalgBuilder b(loc, nested);
                 linalg::YieldOp::create(b, body(b, args));
               })
        .getResult(0);
  }

  /// `x` with dimension `at` split in two, the inner of `inner` elements; no
  /// data moves.
  Value split(Value x, int64_t at, int64_t inner) {
    auto type = cast<RankedTensorType>(x.getType());
    SmallVector<int64_t> shape(type.getShape());
    Sizes all = sizes(x);
    shape[at] /= inner;
    all[at] = getIndexAttr(shape[at]);
    shape.insert(shape.begin() + at + 1, inner);
    all.insert(all.begin() + at + 1, getIndexAttr(inner));
    return tensor::ExpandShapeOp::create(*this, type.clone(shape), x,
                                         pair(at, shape.size()), all);
  }
  /// The opposite of `split`.
  Value join(Value x, int64_t at) {
    return tensor::CollapseShapeOp::create(
        *this, x, pair(at, cast<RankedTensorType>(x.getType()).getRank()));
  }

private:
  static SmallVector<ReassociationIndices> pair(int64_t at, int64_t rank) {
    SmallVector<ReassociationIndices> groups;
    for (int64_t i = 0; i < rank; ++i)
      if (i == at + 1)
        groups.back().push_back(i);
      else
        groups.push_back({i});
    return groups;
  }
};

int64_t widthOf(Value v) {
  return cast<RankedTensorType>(v.getType()).getDimSize(1);
}
} // namespace

FailureOr<Values> GLUOp::lowerToLinalg(OpBuilder &builder,
                                       ValueRange operands) {
  LinalgBuilder b(getLoc(), builder);
  AffineMap id = b.getMultiDimIdentityMap(2);
  return Values{b.generic(
      operands, b.empty(b.sizes(operands[0])), {id, id, id},
      [&](LinalgBuilder &n, ValueRange v) {
        Value g = v[0], u = v[1], power = g;
        if (ActivationAttr of = getActivation(); of.isClamped()) {
          double limit = of.getLimitValue();
          g = arith::MinimumFOp::create(n, g, n.constant(limit));
          u = arith::MaximumFOp::create(
              n, arith::MinimumFOp::create(n, u, n.constant(limit)),
              n.constant(-limit));
          u = n.add(u, n.constant(1));
          power = n.mul(g, n.constant(of.getAlphaValue()));
        }
        Value e = math::ExpOp::create(n, arith::NegFOp::create(n, power));
        return n.mul(n.div(g, n.add(n.constant(1), e)), u);
      })};
}

FailureOr<Values> RMSNormOp::lowerToLinalg(OpBuilder &builder,
                                           ValueRange operands) {
  LinalgBuilder b(getLoc(), builder);
  // Partial sums that are independent of one another, so that they fill a
  // vector on any target and the order depends on the width alone.
  constexpr int64_t partials = 16;
  Value x = operands[0], w = operands[1];
  int64_t groups = getGroups(), part = widthOf(x) / groups;
  // Without groups the row stays whole, and its result needs no reshape.
  bool grouped = groups > 1;
  Value xs = grouped ? b.split(x, 1, part) : x;
  unsigned loops = grouped ? 3 : 2, last = loops - 1;
  SmallVector<unsigned> lead = {0, 1};
  lead.resize(last);
  Sizes leading = b.sizes(xs);
  leading.pop_back();
  AffineMap id = b.getMultiDimIdentityMap(loops), kept = b.map(loops, lead);

  Value terms = xs;
  auto square = [](LinalgBuilder &n, ValueRange v) {
    return n.fma(v[0], v[0], v[1]);
  };
  auto plus = [](LinalgBuilder &n, ValueRange v) { return n.add(v[0], v[1]); };
  bool wide = part % partials == 0 && part > partials;
  if (wide) {
    Sizes sizes = leading;
    sizes.push_back(b.getIndexAttr(partials));
    SmallVector<unsigned> lanes = lead;
    lanes.push_back(loops);
    // Loops: leading, steps, lanes; the lanes are innermost and make the
    // vector.
    terms = b.generic(
        b.split(xs, last, partials), b.zeros(sizes),
        {b.getMultiDimIdentityMap(loops + 1), b.map(loops + 1, lanes)}, square);
  }
  Value sum = wide ? b.generic(terms, b.zeros(leading), {id, kept}, plus)
                   : b.generic(terms, b.zeros(leading), {id, kept}, square);
  AffineMap flat = b.getMultiDimIdentityMap(last);
  Value inverse = b.generic(
      sum, b.empty(leading), {flat, flat}, [&](LinalgBuilder &n, ValueRange v) {
        Value mean = n.add(n.div(v[0], n.constant(part)),
                           n.constant(getEpsilon().convertToDouble()));
        return n.div(n.constant(1), math::SqrtOp::create(n, mean));
      });
  Value y = b.generic({xs, inverse, w}, b.empty(b.sizes(xs)),
                      {id, kept, b.map(loops, {last}), id},
                      [&](LinalgBuilder &n, ValueRange v) {
                        Value scale =
                            getUnitOffset() ? n.add(v[2], n.constant(1)) : v[2];
                        return n.mul(n.mul(v[0], v[1]), scale);
                      });
  return Values{grouped ? b.join(y, 1) : y};
}

FailureOr<Values> RopeOp::lowerToLinalg(OpBuilder &builder,
                                        ValueRange operands) {
  LinalgBuilder b(getLoc(), builder);
  Value x = operands[0], angles = operands[1];
  int64_t head = widthOf(x) / getHeads(), dim = widthOf(angles), half = dim / 2;
  Value heads = b.split(x, 1, head);
  Sizes sizes = b.sizes(heads), ones(3, b.getIndexAttr(1));
  // Every second element from the first or second, or the first or second half.
  auto slice = [&](int64_t at, int64_t count, int64_t step) {
    Sizes offsets(3, b.getIndexAttr(0)), part = sizes, strides = ones;
    offsets[2] = b.getIndexAttr(at);
    part[2] = b.getIndexAttr(count);
    strides[2] = b.getIndexAttr(step);
    return std::tuple(offsets, part, strides);
  };
  int64_t step = getInterleaved() ? 2 : 1, second = getInterleaved() ? 1 : half;
  auto take = [&](int64_t at, int64_t count, int64_t step) -> Value {
    auto [offsets, part, strides] = slice(at, count, step);
    return tensor::ExtractSliceOp::create(b, heads, offsets, part, strides);
  };
  auto angle = [&](int64_t at) -> Value {
    Sizes part = b.sizes(angles), zero(2, b.getIndexAttr(0)),
          one(2, b.getIndexAttr(1));
    zero[1] = b.getIndexAttr(at);
    part[1] = b.getIndexAttr(half);
    return tensor::ExtractSliceOp::create(b, angles, zero, part, one);
  };
  Value first = take(0, half, step), other = take(second, half, step),
        cos = angle(0), sin = angle(half);
  AffineMap id = b.getMultiDimIdentityMap(3), perHead = b.map(3, {0, 2});
  auto rotate = [&](Value p, Value q, bool minus) {
    return b.generic({p, q, cos, sin}, b.empty(b.sizes(p)),
                     {id, id, perHead, perHead, id},
                     [&](LinalgBuilder &n, ValueRange v) {
                       Value pc = n.mul(v[0], v[2]), qs = n.mul(v[1], v[3]);
                       return minus ? n.sub(pc, qs) : n.add(pc, qs);
                     });
  };
  Value out = b.empty(sizes);
  auto put = [&](Value v, int64_t at, int64_t count, int64_t step) {
    auto [offsets, part, strides] = slice(at, count, step);
    out = tensor::InsertSliceOp::create(b, v, out, offsets, part, strides);
  };
  put(rotate(first, other, true), 0, half, step);
  put(rotate(other, first, false), second, half, step);
  if (dim < head)
    put(take(dim, head - dim, 1), dim, head - dim, 1);
  return Values{b.join(out, 1)};
}

FailureOr<Values> LinearOp::lowerToLinalg(OpBuilder &builder,
                                          ValueRange operands) {
  if (getMatrices() > 1 || getWeight().getType().getRank() != 2)
    return emitError("unsupported: heads of heddle.linear on the generic path");
  LinalgBuilder b(getLoc(), builder);
  Value x = operands[0], w = operands[1];
  Sizes sizes = {b.sizes(x)[0], b.sizes(w)[0]};
  // One chain of fma over k from zero, as the emitter's.
  Value y = b.generic(
      {x, w}, b.zeros(sizes),
      {b.map(3, {0, 2}), b.map(3, {1, 2}), b.map(3, {0, 1})},
      [](LinalgBuilder &n, ValueRange v) { return n.fma(v[0], v[1], v[2]); });
  if (operands.size() > 2)
    y = b.generic(
        operands[2], y, {b.map(2, {1}), b.getMultiDimIdentityMap(2)},
        [](LinalgBuilder &n, ValueRange v) { return n.add(v[1], v[0]); });
  return Values{y};
}
