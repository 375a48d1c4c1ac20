//===- PythonParts.cpp - Passes, families and routers that are functions --===//
//
// They register through addPlugin like anybody's, so that names, owners and
// phases are checked alike. The functions live as long as the process: the
// tables do.
//
//===----------------------------------------------------------------------===//
#include "Python.h"
#include "heddle/Import/GraphBuilder.h"
#include "heddle/Plugin/Registry.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/Pass.h"
#include <fmt/format.h>

using namespace mlir;
namespace heddle::python {
namespace {

/// What a Python exception says, in one line; it stays set for no one.
std::string lineOf(const py::error_already_set &error) {
  std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

struct PythonPass : PassWrapper<PythonPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(PythonPass)
  /// The registry of passes keeps pointers into both texts.
  PythonPass(const char *name, const char *summary, PyObject *function)
      : name(name), summary(summary), function(function) {}
  StringRef getArgument() const override { return name; }
  StringRef getDescription() const override { return summary; }

  void runOnOperation() override {
    py::gil_scoped_acquire acquire;
    // Python may keep it, or a traceback does.
    auto lent = std::make_unique<Module>();
    lent->module = getOperation();
    auto alive = lent->alive;
    try {
      py::object result = py::reinterpret_borrow<py::function>(function)(
          py::cast(std::move(lent)));
      if (!result.is_none() &&
          failed(replaceBody(getOperation(),
                             py::cast<std::string>(py::str(result)))))
        signalPassFailure();
    } catch (const py::error_already_set &error) {
      getOperation().emitError() << name << ": " << lineOf(error);
      signalPassFailure();
    }
    *alive = false;
  }

  const char *name, *summary;
  PyObject *function;
};

/// A checkpoint, for a family: metadata and the shapes and encodings of
/// tensors.
py::dict describe(const import::ModelSource &source) {
  py::dict metadata, tensors;
  for (const auto &[key, value] : source.metadata)
    metadata[py::str(key)] = std::visit(
        [](const auto &v) -> py::object { return py::cast(v); }, value);
  for (const import::TensorEntry &tensor : source.tensors)
    tensors[py::str(tensor.name)] =
        py::make_tuple(py::tuple(py::cast(tensor.shape)), tensor.encoding);
  return py::dict(py::arg("path") = source.path, py::arg("metadata") = metadata,
                  py::arg("tensors") = tensors);
}

/// Calls `function(source)`; the module is the text it gives.
llvm::Error buildFamily(PyObject *function, const import::ModelSource &source,
                        ModuleOp module) {
  py::gil_scoped_acquire acquire;
  Recorder recorder(module.getContext());
  try {
    py::object result =
        py::reinterpret_borrow<py::function>(function)(describe(source));
    if (succeeded(replaceBody(module, py::cast<std::string>(py::str(result)))))
      return llvm::Error::success();
    return failure(ExitCode::Malformed,
                   fmt::format("{}: the family's graph: {}", source.path,
                               recorder.records.empty()
                                   ? "no module"
                                   : recorder.records[0].message));
  } catch (const py::error_already_set &error) {
    return failure(ExitCode::Unsupported, source.path + ": " + lineOf(error));
  }
}

/// Calls `function(experts, k, bias)`; the router is the one function of the
/// module whose text it gives, as the region of a heddle.custom_route.
RouterOpInterface buildRoute(const std::string &name, PyObject *function,
                             OpBuilder &b, Location loc,
                             const RouteRequest &request) {
  auto bad = [&](const Twine &what) -> RouterOpInterface {
    emitError(loc) << "unsupported: router " << name << ": " << what;
    return {};
  };
  auto logits = cast<RankedTensorType>(request.logits.getType());
  py::gil_scoped_acquire acquire;
  std::string text;
  try {
    text = py::cast<std::string>(
        py::str(py::reinterpret_borrow<py::function>(function)(
            logits.getDimSize(1), request.k, request.selectBias != nullptr)));
  } catch (const py::error_already_set &error) {
    return bad(lineOf(error));
  }
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  std::string wrong;
  {
    Recorder recorder(loc.getContext());
    if (failed(replaceBody(*module, text)))
      wrong =
          recorder.records.empty() ? "no module" : recorder.records[0].message;
  }
  if (!wrong.empty())
    return bad(wrong);
  auto functions = module->getOps<func::FuncOp>();
  if (!llvm::hasSingleElement(module->getBody()->getOperations()) ||
      functions.empty() ||
      !llvm::hasSingleElement((*functions.begin()).getBody()))
    return bad("its text is not one function of one block");
  func::FuncOp route = *functions.begin();
  auto slots = [&](Type type) {
    return RankedTensorType::get({logits.getDimSize(0), request.k}, type);
  };
  auto op = CustomRouteOp::create(b, loc, slots(b.getI32Type()),
                                  slots(b.getF32Type()), request.logits,
                                  request.selectBias);
  op.getBody().takeBody(route.getBody());
  Operation *end = op.getBody().front().getTerminator();
  OpBuilder inner(end);
  YieldOp::create(inner, end->getLoc(), end->getOperands());
  end->erase();
  if (succeeded(verify(op)))
    return cast<RouterOpInterface>(op.getOperation());
  op->erase();
  return {};
}

/// addPlugin calls a plain function; this is what it has to do.
std::function<void(Registry &)> *pending;

/// What the tables keep for the life of the process: they have pointers to
/// names.
struct Kept {
  Kept(const std::string &name, const std::string &summary,
       py::function function)
      : name(strdup(name.c_str())), summary(strdup(summary.c_str())),
        function(function.release().ptr()) {}
  const char *name, *summary;
  PyObject *function;
};

void addPart(const std::string &owner, std::function<void(Registry &)> part) {
  pending = &part;
  // Names of plugins are kept as strings, so these bytes may go.
  raiseOnError(addPlugin({HEDDLE_PLUGIN_API_VERSION, owner.c_str(), "python",
                          [](Registry &registry) { (*pending)(registry); }},
                         owner));
}
} // namespace

void bindParts(py::module_ &m) {
  m.def("add_pass",
        [](const std::string &name, const std::string &summary,
           const std::string &phase, bool front, py::function function) {
          Kept kept(name, summary, std::move(function));
          addPart("python:" + name, [&](Registry &registry) {
            auto make = [=] {
              return std::make_unique<PythonPass>(kept.name, kept.summary,
                                                  kept.function);
            };
            registry.addPass(make);
            if (!phase.empty())
              registry.addToPhase(
                  phase, [=](OpPassManager &pm) { pm.addPass(make()); },
                  front ? PhaseEnd::Front : PhaseEnd::Back);
          });
        });
  m.def("add_router", [](const std::string &name, const std::string &summary,
                         py::function function) {
    Kept kept(name, summary, std::move(function));
    addPart("python:" + name, [&](Registry &registry) {
      registry.addRouter(
          {kept.name, kept.summary,
           [=](OpBuilder &b, Location loc, const RouteRequest &request) {
             return buildRoute(kept.name, kept.function, b, loc, request);
           }});
    });
  });
  m.def("add_family", [](const std::string &name, const std::string &summary,
                         py::function function) {
    Kept kept(name, summary, std::move(function));
    addPart("python:" + name, [&](Registry &registry) {
      registry.addFamily(
          {kept.name, kept.summary,
           [=](const import::ModelSource &source, ModuleOp module) {
             return buildFamily(kept.function, source, module);
           }});
    });
  });
}
} // namespace heddle::python
