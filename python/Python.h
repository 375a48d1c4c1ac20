//===- Python.h - What the parts of the extension share ---------*- C++ -*-===//
#ifndef HEDDLE_PYTHON_PYTHON_H
#define HEDDLE_PYTHON_PYTHON_H

#include "heddle/Support/Error.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

namespace heddle::python {
namespace py = pybind11;

/// One diagnostic of MLIR, as a Python exception carries it.
struct DiagnosticRecord {
  std::string severity, message, file;
  int64_t line, column;
};

/// Collects what MLIR says while it lives.
class Recorder {
public:
  explicit Recorder(mlir::MLIRContext *context);
  /// Raises heddle.DiagnosticError with what was said. Needs the GIL.
  [[noreturn]] void raise(const std::string &what) const;
  std::vector<DiagnosticRecord> records;

private:
  mlir::ScopedDiagnosticHandler handler;
};

/// Raises heddle.Error with the exit code, the line and the hint. Needs the
/// GIL.
void raiseOnError(llvm::Error error);

/// A context that knows every dialect of ours and of the plugins loaded so far.
std::shared_ptr<mlir::MLIRContext> makeContext();

/// A module and the context it lives in; or, while a pass runs, one that MLIR
/// owns.
struct Module {
  std::shared_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> owned;
  mlir::ModuleOp module;
  /// False once the pass that it was lent to has ended.
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);

  mlir::ModuleOp get() const;
};

/// The `.mlir` text in a new module. Raises heddle.DiagnosticError.
std::unique_ptr<Module> parse(std::shared_ptr<mlir::MLIRContext> context,
                              const std::string &text);
/// Makes the body of `module` that of `text`, of the same context.
mlir::LogicalResult replaceBody(mlir::ModuleOp module, const std::string &text);

void bindModule(py::module_ &m);
void bindParts(py::module_ &m);
} // namespace heddle::python

#endif // HEDDLE_PYTHON_PYTHON_H
