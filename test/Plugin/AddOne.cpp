//===- AddOne.cpp - A plugin of one part a kind ---------------------------===//
#include "heddle/Plugin/Registry.h"
#include "mlir/IR/Builders.h"
#include <numeric>

using namespace mlir;

namespace {
/// Marks the module, so that a test sees where it ran.
struct Mark : PassWrapper<Mark, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(Mark)
  StringRef getArgument() const override { return "add-one-mark"; }
  StringRef getDescription() const override { return "Marks the module"; }
  void runOnOperation() override {
    getOperation()->setAttr("add_one.seen", UnitAttr::get(&getContext()));
  }
};

/// Experts 0 to k - 1 with the same weight, whatever the token: the numbers are
/// those of a region, so the plugin needs no op of its own.
heddle::RouterOpInterface first(OpBuilder &b, Location loc,
                                const heddle::RouteRequest &request) {
  auto logits = cast<RankedTensorType>(request.logits.getType());
  auto slots = [&](int64_t tokens, Type type) {
    return RankedTensorType::get({tokens, request.k}, type);
  };
  Type i32 = b.getI32Type(), f32 = b.getF32Type();
  int64_t tokens = logits.getDimSize(0);
  if (request.selectBias) {
    emitError(loc, "unsupported: router = first with a bias");
    return {};
  }
  auto op = heddle::CustomRouteOp::create(
      b, loc, slots(tokens, i32), slots(tokens, f32), request.logits, Value());
  OpBuilder inner(op.getContext());
  inner.createBlock(&op.getBody(), {}, logits.clone({1, logits.getDimSize(1)}),
                    loc);
  SmallVector<int32_t> numbers(request.k);
  std::iota(numbers.begin(), numbers.end(), 0);
  Value ids = arith::ConstantOp::create(
      inner, loc, DenseElementsAttr::get(slots(1, i32), ArrayRef(numbers)));
  Value weights = arith::ConstantOp::create(
      inner, loc,
      DenseElementsAttr::get(slots(1, f32), 1.0f / float(request.k)));
  heddle::YieldOp::create(inner, loc, ValueRange{ids, weights});
  return cast<heddle::RouterOpInterface>(op.getOperation());
}

void decode(const uint8_t *src, int64_t nBlocks,
            const heddle::import::Decoded &to) {
  std::copy(src, src + nBlocks, to.codes);
}
} // namespace

extern "C" const heddle::PluginInfo *heddleGetPluginInfo() {
  static const heddle::PluginInfo info = {
      HEDDLE_PLUGIN_API_VERSION, "add-one", "0.1",
      [](heddle::Registry &registry) {
        using namespace heddle;
        registry.addPass([] { return std::make_unique<Mark>(); });
        registry.addToPhase("fuse", [](OpPassManager &pm) {
          pm.addPass(std::make_unique<Mark>());
        });
        registry.addEncoding(
            {"i8", 1, 1, {import::ElemKind::I8, 1, false, false, 0}, decode});
        registry.addRouter(
            {"first", "the first experts, whatever the token", first});
      }};
  return &info;
}
