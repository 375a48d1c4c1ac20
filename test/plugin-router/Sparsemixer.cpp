//===- Sparsemixer.cpp - A router of its own op ---------------------------===//
//
// What a router is made of: an op with RouterOpInterface, its lowering to
// linalg for programs, its meaning for `heddle reference`, and a name by which
// families and heddle-set-router ask for it.
//
//===----------------------------------------------------------------------===//
#include "heddle/Plugin/Registry.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include <cmath>

#include "SparsemixerDialect.h.inc"
#define GET_OP_CLASSES
#include "Sparsemixer.h.inc"

using namespace mlir;
using Values = SmallVector<Value>;

#include "SparsemixerDialect.cpp.inc"
#define GET_OP_CLASSES
#include "Sparsemixer.cpp.inc"

void sparsemixer::SparsemixerDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "Sparsemixer.cpp.inc"
      >();
}

namespace {
/// Loops over rows and columns; a value of shape [T] is the same along a row.
struct Loops : ImplicitLocOpBuilder {
  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;
  using Body = llvm::function_ref<Values(Loops &, ValueRange)>;

  Value f32(float value) {
    return arith::ConstantOp::create(*this, getF32FloatAttr(value));
  }
  Value i32(int32_t value) {
    return arith::ConstantOp::create(*this, getI32IntegerAttr(value));
  }
  Value filled(ArrayRef<int64_t> shape, Value value) {
    Value empty = tensor::EmptyOp::create(*this, shape, value.getType());
    return linalg::FillOp::create(*this, value, empty).getResult(0);
  }
  Value column() {
    return arith::IndexCastOp::create(*this, getI32Type(),
                                      linalg::IndexOp::create(*this, 1));
  }
  Value compare(arith::CmpIPredicate is, Value a, Value b) {
    return arith::CmpIOp::create(*this, is, a, b);
  }
  Value compare(arith::CmpFPredicate is, Value a, Value b) {
    return arith::CmpFOp::create(*this, is, a, b);
  }
  Value select(Value c, Value a, Value b) {
    return arith::SelectOp::create(*this, c, a, b);
  }

  /// linalg.generic of `ins` and `outs`, which are summed up along a row where
  /// they are of shape [T].
  Values loop(ValueRange ins, ValueRange outs, Body body) {
    SmallVector<AffineMap> maps;
    auto rank = [](Value v) {
      return cast<RankedTensorType>(v.getType()).getRank();
    };
    for (Value v : llvm::concat<Value>(Values(ins), Values(outs)))
      maps.push_back(rank(v) == 2 ? getMultiDimIdentityMap(2)
                                  : AffineMap::get(2, 0, getAffineDimExpr(0)));
    SmallVector<utils::IteratorType> kinds = {
        utils::IteratorType::parallel, rank(outs[0]) == 2
                                           ? utils::IteratorType::parallel
                                           : utils::IteratorType::reduction};
    auto op = linalg::GenericOp::create(
        *this, outs.getTypes(), ins, outs, maps, kinds,
        [&](OpBuilder &b, Location loc, ValueRange args) {
          Loops inner(loc, b);
          linalg::YieldOp::create(inner, body(inner, args));
        });
    return Values(op.getResults());
  }
};
} // namespace

FailureOr<Values> sparsemixer::RouteOp::lowerToLinalg(OpBuilder &builder,
                                                      ValueRange operands) {
  Loops b(getLoc(), builder);
  Value z = operands[0];
  auto shape = cast<RankedTensorType>(z.getType()).getShape();
  int64_t k = getIds().getType().getDimSize(1);
  Value none = b.f32(-INFINITY), near = b.f32(2 * getEps().convertToFloat());
  Value ids = b.filled({shape[0], k}, b.i32(0)),
        weights = b.filled({shape[0], k}, b.f32(0)), left = z;
  for (int64_t slot = 0; slot < k; ++slot) {
    // The largest, and its number.
    Values best = b.loop(
        left, {b.filled(shape[0], none), b.filled(shape[0], b.i32(0))},
        [](Loops &b, ValueRange v) -> Values {
          Value more = b.compare(arith::CmpFPredicate::OGT, v[0], v[1]);
          return {b.select(more, v[0], v[1]), b.select(more, b.column(), v[2])};
        });
    Value sum = b.loop(
        {z, left, best[0]}, b.filled(shape[0], b.f32(0)),
        [&](Loops &b, ValueRange v) -> Values {
          Value size =
              arith::MaximumFOp::create(b, math::AbsFOp::create(b, v[0]), v[2]);
          Value apart = arith::DivFOp::create(
              b, arith::SubFOp::create(b, v[2], v[0]), size);
          Value e =
              math::ExpOp::create(b, arith::SubFOp::create(b, v[1], v[2]));
          Value far = b.compare(arith::CmpFPredicate::OGT, apart, near);
          return {arith::AddFOp::create(b, v[3], b.select(far, b.f32(0), e))};
        })[0];
    Value number = b.i32(slot);
    auto put = [&](Value of, Value slots, bool inverse) {
      return b.loop(of, slots, [&](Loops &b, ValueRange v) -> Values {
        Value value = v[0];
        if (inverse)
          value = arith::DivFOp::create(b, b.f32(1), value);
        return {
            b.select(b.compare(arith::CmpIPredicate::eq, b.column(), number),
                     value, v[1])};
      })[0];
    };
    ids = put(best[1], ids, false);
    weights = put(sum, weights, true);
    left = b.loop({left, best[1]},
                  Value(tensor::EmptyOp::create(b, shape, b.getF32Type())),
                  [&](Loops &b, ValueRange v) -> Values {
                    return {b.select(
                        b.compare(arith::CmpIPredicate::eq, b.column(), v[1]),
                        none, v[0])};
                  })[0];
  }
  return Values{ids, weights};
}

/// The formula in f64.
static llvm::Error evaluate(heddle::reference::Interpreter &, Operation *op,
                            ArrayRef<heddle::reference::Data> operands,
                            SmallVectorImpl<heddle::reference::Data> &results) {
  using heddle::reference::Data;
  auto route = cast<sparsemixer::RouteOp>(op);
  int64_t tokens = operands[0].shape[0], experts = operands[0].shape[1],
          k = route.getIds().getType().getDimSize(1);
  double near = 2 * route.getEps().convertToDouble();
  std::vector<int64_t> ids;
  std::vector<double> weights;
  for (int64_t t = 0; t < tokens; ++t) {
    const double *z = operands[0].floats->data() + t * experts;
    std::vector<bool> taken(experts);
    for (int64_t slot = 0; slot < k; ++slot) {
      int64_t best = -1;
      for (int64_t e = 0; e < experts; ++e)
        if (!taken[e] && (best < 0 || z[e] > z[best]))
          best = e;
      double sum = 0, most = z[best];
      for (int64_t e = 0; e < experts; ++e)
        if (!taken[e] &&
            !((most - z[e]) / std::max(std::fabs(z[e]), most) > near))
          sum += std::exp(z[e] - most);
      taken[best] = true;
      ids.push_back(best);
      weights.push_back(1 / sum);
    }
  }
  results.push_back(Data::ofInts({tokens, k}, std::move(ids)));
  results.push_back(Data::ofFloats({tokens, k}, std::move(weights)));
  return llvm::Error::success();
}

static heddle::RouterOpInterface build(OpBuilder &b, Location loc,
                                       const heddle::RouteRequest &request) {
  if (request.selectBias) {
    emitError(loc, "unsupported: router = sparsemixer with a bias");
    return {};
  }
  int64_t tokens =
      cast<RankedTensorType>(request.logits.getType()).getDimSize(0);
  auto op = sparsemixer::RouteOp::create(
      b, loc, RankedTensorType::get({tokens, request.k}, b.getI32Type()),
      RankedTensorType::get({tokens, request.k}, b.getF32Type()),
      request.logits, b.getF32FloatAttr(0.01f));
  return cast<heddle::RouterOpInterface>(op.getOperation());
}

extern "C" LLVM_ATTRIBUTE_VISIBILITY_DEFAULT const heddle::PluginInfo *
heddleGetPluginInfo() {
  static const heddle::PluginInfo info = {
      HEDDLE_PLUGIN_API_VERSION, "sparsemixer", "0.1",
      [](heddle::Registry &registry) {
        registry.addDialects([](DialectRegistry &dialects) {
          dialects.insert<sparsemixer::SparsemixerDialect>();
        });
        registry.addSemantics("sparsemixer.route", evaluate);
        registry.addRouter(
            {"sparsemixer", "Phi-3.5-MoE's, arXiv 2409.12136", build});
      }};
  return &info;
}
