//===- Stranger.cpp - A dialect that Heddle has never heard of ------------===//
//
// Two ops and no emitter: `halve` works on each token by itself, `mix` on all
// of them. The lowerings are external models, attached as to an op of somebody
// else's.
//
//===----------------------------------------------------------------------===//
#include "heddle/dialects/Heddle/Heddle.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Tools/Plugins/DialectPlugin.h"

using namespace mlir;
using Values = SmallVector<Value>;

namespace stranger {
template <typename Concrete, template <typename> class... Traits>
struct OpOf
    : Op<Concrete, OpTrait::ZeroRegions, OpTrait::OneResult, Traits...> {
  using Op<Concrete, OpTrait::ZeroRegions, OpTrait::OneResult, Traits...>::Op;
  static ArrayRef<StringRef> getAttributeNames() { return {}; }
};
struct HalveOp : OpOf<HalveOp, OpTrait::OneOperand, heddle::RowWise> {
  using OpOf::OpOf;
  static StringRef getOperationName() { return "stranger.halve"; }
};
struct MixOp : OpOf<MixOp, OpTrait::NOperands<2>::Impl> {
  using OpOf::OpOf;
  static StringRef getOperationName() { return "stranger.mix"; }
};
} // namespace stranger
MLIR_DECLARE_EXPLICIT_TYPE_ID(stranger::HalveOp)
MLIR_DECLARE_EXPLICIT_TYPE_ID(stranger::MixOp)
MLIR_DEFINE_EXPLICIT_TYPE_ID(stranger::HalveOp)
MLIR_DEFINE_EXPLICIT_TYPE_ID(stranger::MixOp)

namespace stranger {
struct HalveLowering
    : heddle::LinalgLoweringInterface::ExternalModel<HalveLowering, HalveOp> {
  FailureOr<Values> lowerToLinalg(Operation *op, OpBuilder &b,
                                  ValueRange operands) const {
    auto type = cast<RankedTensorType>(operands[0].getType());
    Value half = arith::ConstantOp::create(b, op->getLoc(),
                                           DenseElementsAttr::get(type, 0.5f));
    return Values{arith::MulFOp::create(b, op->getLoc(), operands[0], half)};
  }
};

/// x [T, K] times w [K, N].
struct MixLowering
    : heddle::LinalgLoweringInterface::ExternalModel<MixLowering, MixOp> {
  FailureOr<Values> lowerToLinalg(Operation *op, OpBuilder &b,
                                  ValueRange operands) const {
    Location loc = op->getLoc();
    SmallVector<OpFoldResult> sizes = {
        tensor::getMixedSize(b, loc, operands[0], 0),
        tensor::getMixedSize(b, loc, operands[1], 1)};
    Value zero = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0));
    Value out = tensor::EmptyOp::create(b, loc, sizes, b.getF32Type());
    out = linalg::FillOp::create(b, loc, zero, out).getResult(0);
    return Values{linalg::MatmulOp::create(b, loc, operands, out).getResult(0)};
  }
};

struct StrangerDialect : Dialect {
  static constexpr StringLiteral getDialectNamespace() { return "stranger"; }
  explicit StrangerDialect(MLIRContext *context)
      : Dialect(getDialectNamespace(), context,
                TypeID::get<StrangerDialect>()) {
    addOperations<HalveOp, MixOp>();
    HalveOp::attachInterface<HalveLowering>(*context);
    MixOp::attachInterface<MixLowering>(*context);
  }
};
} // namespace stranger

extern "C" DialectPluginLibraryInfo mlirGetDialectPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "stranger", "0.1",
          [](DialectRegistry *registry) {
            registry->insert<stranger::StrangerDialect>();
          }};
}
