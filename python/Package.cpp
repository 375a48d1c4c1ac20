//===- Package.cpp - The extension module heddle._heddle ------------------===//
#include "Python.h"
#include "heddle/Driver/Compile.h"
#include "heddle/Driver/Explain.h"
#include "heddle/Plugin/Registry.h"
#include "mlir/InitAllPasses.h"

using namespace heddle;
using namespace heddle::python;

/// Runs `work` without the GIL; raises its error.
static void computing(llvm::function_ref<llvm::Error()> work) {
  std::optional<llvm::Error> error;
  {
    py::gil_scoped_release release;
    error = work();
  }
  raiseOnError(std::move(*error));
}

PYBIND11_MODULE(_heddle, m) {
  mlir::registerAllPasses();
  registerBuiltins();
  bindModule(m);
  bindParts(m);

  py::class_<CompileOptions>(m, "CompileOptions")
      .def(py::init<>())
      .def_readwrite("model", &CompileOptions::model)
      .def_readwrite("output", &CompileOptions::output)
      .def_readwrite("target", &CompileOptions::target)
      .def_readwrite("numeric", &CompileOptions::numeric)
      .def_readwrite("profile", &CompileOptions::profile)
      .def_readwrite("context", &CompileOptions::context)
      .def_readwrite("weights_from", &CompileOptions::weightsFrom)
      .def_readwrite("dump_ir", &CompileOptions::dumpIR)
      .def_readwrite("external_weights", &CompileOptions::externalWeights)
      .def_readwrite("jobs", &CompileOptions::jobs)
      .def_readwrite("quiet", &CompileOptions::quiet)
      .def_readwrite("pass_options", &CompileOptions::passOptions);
  m.def("compile", [](const CompileOptions &options) {
    computing([&] { return heddle::compile(options); });
  });
  m.def("explain", [](const std::string &program) {
    ExplainOptions how;
    how.json = true;
    computing([&] { return explainProgram(program, how, false, 0); });
    llvm::outs().flush();
  });
  m.def("load_plugin", [](const std::string &path) {
    computing([&] { return loadPlugin(path); });
  });
  m.attr("__version__") = HEDDLE_VERSION;
}
