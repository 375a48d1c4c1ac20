//===- SetRouter.cpp - Another router in the place of a graph's own -------===//
#include "heddle/Plugin/Router.h"
#include "heddle/passes/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_SETROUTER
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct SetRouter : heddle::impl::SetRouterBase<SetRouter> {
  using SetRouterBase::SetRouterBase;
  void runOnOperation() override {
    if (name.empty())
      return;
    SmallVector<RouteOp> routes;
    getOperation().walk([&](RouteOp route) { routes.push_back(route); });
    if (routes.empty()) {
      getOperation().emitError("name = ")
          << name << ": the graph has no heddle.route";
      return signalPassFailure();
    }
    for (RouteOp route : routes) {
      OpBuilder b(route);
      RouterOpInterface other = buildRouter(
          name, b, route.getLoc(),
          {route.getLogits(), route.getSelectBias(), route.getRouter().getK()});
      if (!other)
        return signalPassFailure();
      route.replaceAllUsesWith(ValueRange{other.getIds(), other.getWeights()});
      route.erase();
    }
  }
};
} // namespace
