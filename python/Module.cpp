//===- Module.cpp - heddle.Module and heddle.Operation --------------------===//
#include "Python.h"
#include "heddle/Driver/ModuleFile.h"
#include "heddle/Import/Family.h"
#include "heddle/Import/Importer.h"
#include "heddle/Plugin/Registry.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;
namespace heddle::python {

Recorder::Recorder(MLIRContext *context)
    : handler(context, [this](Diagnostic &diagnostic) {
        auto record = [&](Diagnostic &d) {
          const char *severity =
              d.getSeverity() == DiagnosticSeverity::Error     ? "error"
              : d.getSeverity() == DiagnosticSeverity::Warning ? "warning"
              : d.getSeverity() == DiagnosticSeverity::Note    ? "note"
                                                               : "remark";
          DiagnosticRecord row = {severity, d.str(), "", 0, 0};
          if (auto at = d.getLocation()->findInstanceOf<FileLineColLoc>()) {
            row.file = at.getFilename().str();
            row.line = at.getLine();
            row.column = at.getColumn();
          } else if (auto name = d.getLocation()->findInstanceOf<NameLoc>()) {
            row.file = name.getName().str();
          }
          records.push_back(std::move(row));
        };
        record(diagnostic);
        for (Diagnostic &note : diagnostic.getNotes())
          record(note);
        return success();
      }) {}

void Recorder::raise(const std::string &what) const {
  py::list rows;
  for (const DiagnosticRecord &r : records)
    rows.append(
        py::make_tuple(r.severity, r.message, r.file, r.line, r.column));
  py::object error = py::module_::import("heddle").attr("DiagnosticError");
  PyErr_SetObject(error.ptr(), error(what, rows).ptr());
  throw py::error_already_set();
}

void raiseOnError(llvm::Error error) {
  if (!error)
    return;
  int code = static_cast<int>(ExitCode::Bug);
  std::string message, hint;
  llvm::handleAllErrors(
      std::move(error),
      [&](const Failure &failure) {
        code = static_cast<int>(failure.code);
        message = failure.message;
        hint = failure.hint;
      },
      [&](const llvm::ErrorInfoBase &other) { message = other.message(); });
  py::object type = py::module_::import("heddle").attr("Error");
  PyErr_SetObject(type.ptr(), type(message, code, hint).ptr());
  throw py::error_already_set();
}

std::shared_ptr<MLIRContext> makeContext() {
  DialectRegistry registry;
  registerDialects(registry);
  auto context = std::make_shared<MLIRContext>(registry);
  context->loadAllAvailableDialects();
  return context;
}

ModuleOp Module::get() const {
  if (!*alive)
    throw std::runtime_error("the pass that this module was lent to has ended");
  return module;
}

std::unique_ptr<Module> parse(std::shared_ptr<MLIRContext> context,
                              const std::string &text) {
  raiseOnError(checkModuleText("<string>", text, Resources::Checked));
  Recorder recorder(context.get());
  auto result = std::make_unique<Module>();
  {
    py::gil_scoped_release release;
    result->owned = parseSourceString<ModuleOp>(
        text, ParserConfig(context.get()), "<string>");
  }
  if (!result->owned)
    recorder.raise("the text is not a module");
  result->context = std::move(context);
  result->module = *result->owned;
  return result;
}

LogicalResult replaceBody(ModuleOp module, const std::string &text) {
  if (llvm::Error error = checkModuleText("<string>", text, Resources::Checked))
    return module.emitError() << llvm::toString(std::move(error));
  auto parsed = parseSourceString<ModuleOp>(
      text, ParserConfig(module.getContext()), "<string>");
  if (!parsed)
    return mlir::failure();
  module.getBodyRegion().takeBody(parsed->getBodyRegion());
  module->setAttrs((*parsed)->getAttrDictionary());
  return success();
}

static void run(Module &self, std::string pipeline, const py::kwargs &options) {
  ModuleOp module = self.get();
  Recorder recorder(module.getContext());
  if (!options.empty()) {
    pipeline += "{";
    for (auto [name, value] : options) {
      std::string option = py::cast<std::string>(name);
      std::replace(option.begin(), option.end(), '_', '-');
      pipeline += option + "=" + py::cast<std::string>(py::str(value)) + " ";
    }
    pipeline.back() = '}';
  }
  StringRef text = StringRef(pipeline).trim();
  if (text.consume_front("builtin.module("))
    text.consume_back(")");
  PassManager pm(module.getContext(), ModuleOp::getOperationName());
  std::string words;
  llvm::raw_string_ostream os(words);
  if (failed(parsePassPipeline(text, pm, os)))
    recorder.raise(words.substr(0, words.find('\n')));
  bool done;
  {
    py::gil_scoped_release release;
    done = succeeded(pm.run(module));
  }
  if (!done)
    recorder.raise(recorder.records.empty() ? "the pipeline failed"
                                            : recorder.records[0].message);
}

/// An operation, good while its module is and nothing erased it.
struct Op {
  Operation *op;
  std::shared_ptr<bool> alive;
  Operation *get() const {
    if (!*alive || !op)
      throw std::runtime_error("the operation is no more");
    return op;
  }
};

template <typename T> static std::string text(T &&value) {
  std::string out;
  llvm::raw_string_ostream os(out);
  value.print(os);
  return out;
}

template <typename Range> static std::vector<std::string> texts(Range &&range) {
  std::vector<std::string> out;
  for (auto item : range)
    out.push_back(text(item));
  return out;
}

static void bindOperation(py::module_ &m) {
  py::class_<Op>(m, "Operation", "An operation of a module, while that lives.")
      .def_property_readonly(
          "name",
          [](const Op &o) { return o.get()->getName().getStringRef().str(); })
      .def_property_readonly(
          "location", [](const Op &o) { return text(o.get()->getLoc()); })
      .def_property_readonly(
          "operand_types",
          [](const Op &o) { return texts(o.get()->getOperandTypes()); })
      .def_property_readonly(
          "result_types",
          [](const Op &o) { return texts(o.get()->getResultTypes()); })
      .def_property_readonly(
          "attributes",
          [](const Op &o) {
            std::map<std::string, std::string> out;
            for (NamedAttribute attr : o.get()->getAttrDictionary())
              out[attr.getName().str()] = text(attr.getValue());
            return out;
          },
          "Name to text, a copy; set_attribute changes one.")
      .def(
          "set_attribute",
          [](Op &o, const std::string &name, const std::string &value) {
            raiseOnError(checkModuleText(name, value, Resources::None));
            Recorder recorder(o.get()->getContext());
            Attribute attr = parseAttribute(value, o.get()->getContext());
            if (!attr)
              recorder.raise(name + ": not an attribute: " + value);
            o.get()->setAttr(name, attr);
          },
          py::arg("name"), py::arg("value"),
          "`value` is MLIR text, as \"0.5 : f32\".")
      .def(
          "replace_by_operand",
          [](Op &o, unsigned index) {
            Operation *op = o.get();
            if (op->getNumResults() != 1 || index >= op->getNumOperands() ||
                op->getOperand(index).getType() != op->getResult(0).getType())
              throw py::value_error("operand and result are not of one type");
            op->getResult(0).replaceAllUsesWith(op->getOperand(index));
            op->erase();
            o.op = nullptr;
          },
          py::arg("index") = 0,
          "Puts an operand in place of the result, and erases the operation.")
      .def("__str__", [](const Op &o) { return text(*o.get()); });
}

void bindModule(py::module_ &m) {
  bindOperation(m);
  py::class_<Module>(m, "Module", "A module of MLIR, in a context of its own.")
      .def_static(
          "parse",
          [](const std::string &text) { return parse(makeContext(), text); },
          py::arg("text"))
      .def_static(
          "from_model",
          [](const std::string &path) {
            auto result = std::make_unique<Module>();
            result->context = makeContext();
            std::optional<llvm::Error> error;
            {
              py::gil_scoped_release release;
              auto source = import::openModel(path);
              auto module =
                  source ? import::importModel(*result->context, **source)
                         : llvm::Expected<OwningOpRef<ModuleOp>>(
                               source.takeError());
              if (module)
                result->owned = std::move(*module);
              else
                error = module.takeError();
            }
            if (error)
              raiseOnError(std::move(*error));
            result->module = *result->owned;
            result->module->setAttr(
                "heddle.phase",
                StringAttr::get(result->context.get(), "import"));
            return result;
          },
          py::arg("path"),
          "The graph of a checkpoint, as `heddle import` prints it.")
      .def("__str__", [](const Module &self) { return text(self.get()); })
      .def(
          "walk",
          [](const Module &self, const py::function &visit) {
            // Gathered first: the function may erase what it is shown.
            std::vector<Operation *> ops;
            self.get()->walk([&](Operation *op) { ops.push_back(op); });
            for (Operation *op : ops)
              visit(Op{op, self.alive});
          },
          py::arg("visit"),
          "Calls visit(Operation) on every operation, inner ones first.")
      .def(
          "verify",
          [](const Module &self) {
            Recorder recorder(self.get()->getContext());
            if (failed(mlir::verify(self.get())))
              recorder.raise(recorder.records.empty()
                                 ? "invalid"
                                 : recorder.records[0].message);
          },
          "Raises DiagnosticError if the module is invalid.")
      .def("run", &run, py::arg("pipeline"),
           "Runs a pipeline, as `heddle compile --print-pipeline` prints it, "
           "or one pass with options: "
           "run(\"heddle-choose-layouts\", rows=16). Raises DiagnosticError.");
}
} // namespace heddle::python
