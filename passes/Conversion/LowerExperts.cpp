//===- LowerExperts.cpp - The form of experts by the token count ----------===//
#include "heddle/passes/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_LOWEREXPERTS
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct LowerExperts : heddle::impl::LowerExpertsBase<LowerExperts> {
  void runOnOperation() override {
    getOperation().walk([](ExpertsOp op) {
      OpBuilder b(op);
      Location loc = op.getLoc();
      Value x = op.getX(), ids = op.getIds(), position;
      std::function<Value(Value, Value, Value)> product;
      if (cast<RankedTensorType>(x.getType()).getDimSize(0) == 1) {
        product = [&](Value x, Value weight, Value bias) -> Value {
          return RoutedMatmulOp::create(b, loc, x, weight, ids, bias);
        };
      } else {
        int64_t experts =
            cast<RankedTensorType>(op.getGate().getType()).getDimSize(0);
        auto plan = PlanOp::create(b, loc, ids, experts);
        x = DispatchOp::create(b, loc, x, plan.getOrder());
        position = plan.getPosition();
        product = [&b, loc, offsets = plan.getOffsets()](Value x, Value weight,
                                                         Value bias) -> Value {
          return GroupedMatmulOp::create(b, loc, x, weight, offsets, bias);
        };
      }
      Value gate = product(x, op.getGate(), op.getGateBias()),
            up = product(x, op.getUp(), op.getUpBias());
      Value hidden = GLUOp::create(b, loc, gate, up, op.getActivation());
      if (auto rows = op.getHidden()) {
        auto type = cast<RankedTensorType>(hidden.getType());
        hidden = ConvertRowsOp::create(
            b, loc,
            RankedTensorType::get(type.getShape(), type.getElementType(),
                                  *rows),
            hidden);
      }
      Value ys = product(hidden, op.getDown(), op.getDownBias());
      op.replaceAllUsesWith(
          CombineOp::create(b, loc, ys, op.getWeights(), position).getResult());
      op.erase();
    });
  }
};
} // namespace
