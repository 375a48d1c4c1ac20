//===- Router.h - Ways to choose experts, by name ---------------*- C++ -*-===//
//
// A router is a name for an op with RouterOpInterface: whoever builds a graph
// asks for it by name (buildRouter), and heddle-set-router puts it in the place
// of a graph's `heddle.route`. What the op computes is its own matter: a
// lowering to linalg for programs, semantics for the f64 reference.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_PLUGIN_ROUTER_H
#define HEDDLE_PLUGIN_ROUTER_H

#include "heddle/Support/PartTable.h"
#include "heddle/dialects/Heddle/Heddle.h"
#include <functional>

namespace heddle {

/// What a layer asks of its router.
struct RouteRequest {
  /// [T, E] f32.
  mlir::Value logits;
  /// [E] f32, of models that add it where experts are selected; else null.
  mlir::Value selectBias;
  /// Experts of a token, 1 to E.
  int64_t k;
};

struct Router {
  const char *name, *summary;
  /// Builds an op for the request; where it can't, null, having emitted an
  /// error that says `unsupported` and what it lacks.
  std::function<RouterOpInterface(mlir::OpBuilder &, mlir::Location,
                                  const RouteRequest &)>
      build;
};

const PartTable<Router> &routers();

/// The op of the router `name`. Null, having emitted an error, where there is
/// none of this name or it makes something else than was asked for.
RouterOpInterface buildRouter(llvm::StringRef name, mlir::OpBuilder &builder,
                              mlir::Location loc, const RouteRequest &request);

} // namespace heddle

#endif // HEDDLE_PLUGIN_ROUTER_H
