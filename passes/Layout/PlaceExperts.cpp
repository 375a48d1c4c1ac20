//===- PlaceExperts.cpp - Where in the file an expert lies ----------------===//
#include "heddle/passes/Passes.h"
#include <numeric>

namespace heddle {
#define GEN_PASS_DEF_PLACEEXPERTS
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct PlaceExperts : heddle::impl::PlaceExpertsBase<PlaceExperts> {
  void runOnOperation() override {
    auto uses =
        getOperation()->getAttrOfType<DictionaryAttr>("heddle.expert_uses");
    if (!uses)
      return;
    Builder b(&getContext());
    SmallVector<NamedAttribute> maps;
    for (NamedAttribute layer : uses) {
      auto counts = cast<DenseI64ArrayAttr>(layer.getValue()).asArrayRef();
      SmallVector<int64_t> order(counts.size()), places(counts.size());
      std::iota(order.begin(), order.end(), 0);
      llvm::stable_sort(
          order, [&](int64_t x, int64_t y) { return counts[x] > counts[y]; });
      for (auto [place, expert] : llvm::enumerate(order))
        places[expert] = place;
      maps.push_back(
          b.getNamedAttr(layer.getName(), b.getDenseI64ArrayAttr(places)));
    }
    getOperation()->setAttr("heddle.resident_map", b.getDictionaryAttr(maps));
  }
};
} // namespace
