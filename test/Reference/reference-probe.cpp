//===- reference-probe.cpp - Runs functions of a module in f64 ------------===//
//
// reference-probe FILE.mlir [MODEL] < STEPS > RESULTS
//
// STEPS is a JSON array, done in order by one interpreter, RESULTS one with an
// element for each:
//   {"call": NAME, "args": [DATA, …]}   [DATA, …], the results that are no
//   caches
//   {"forward": [TOKENS, POSITIONS, ROWS]}   DATA without a shape
//   {"reset": true}                     null
//   {"register": OP}                    null; OP then doubles its operand
// A failed step is {"code": EXIT CODE, "error": MESSAGE}.
// DATA is {"shape": […], "floats": […]} or {"shape": […], "ints": […]}.
//
//===----------------------------------------------------------------------===//
#include "heddle/Plugin/Registry.h"
#include "heddle/Reference/Interpreter.h"
#include "heddle/dialects/Heddle/Heddle.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace heddle;
using namespace heddle::reference;
namespace json = llvm::json;

namespace {
template <typename T> std::vector<T> numbers(const json::Value *value) {
  std::vector<T> out;
  if (const json::Array *array = value ? value->getAsArray() : nullptr)
    for (const json::Value &element : *array)
      out.push_back(std::is_floating_point_v<T>
                        ? static_cast<T>(element.getAsNumber().value_or(NAN))
                        : static_cast<T>(element.getAsInteger().value_or(-1)));
  return out;
}

Data fromJSON(const json::Object &object) {
  std::vector<int64_t> shape = numbers<int64_t>(object.get("shape"));
  if (const json::Value *ints = object.get("ints"))
    return Data::ofInts(shape, numbers<int64_t>(ints));
  return Data::ofFloats(shape, numbers<double>(object.get("floats")));
}

json::Value toJSON(const Data &data) {
  json::Object object{{"shape", json::Array(data.shape)}};
  if (data.floats)
    object["floats"] = json::Array(*data.floats);
  if (data.weights)
    object["floats"] = json::Array(*data.weights);
  if (data.ints)
    object["ints"] = json::Array(*data.ints);
  return object;
}

json::Value failed(llvm::Error error) {
  json::Object object;
  llvm::handleAllErrors(std::move(error), [&](const Failure &failure) {
    object["code"] = static_cast<int>(failure.code);
    object["error"] = failure.message;
  });
  return object;
}

json::Value step(Interpreter &interpreter, const json::Object &object) {
  if (object.get("reset")) {
    interpreter.reset();
    return nullptr;
  }
  if (auto name = object.getString("register")) {
    registerSemantics(*name, [](Interpreter &, mlir::Operation *,
                                llvm::ArrayRef<Data> operands,
                                llvm::SmallVectorImpl<Data> &results) {
      std::vector<double> twice(*operands[0].floats);
      for (double &value : twice)
        value *= 2;
      results.push_back(Data::ofFloats(operands[0].shape, std::move(twice)));
      return llvm::Error::success();
    });
    return nullptr;
  }
  if (const json::Array *inputs = object.getArray("forward");
      inputs && inputs->size() == 3) {
    auto logits = interpreter.forward(numbers<int32_t>(&(*inputs)[0]),
                                      numbers<int32_t>(&(*inputs)[1]),
                                      numbers<int32_t>(&(*inputs)[2]));
    if (!logits)
      return failed(logits.takeError());
    return json::Object{{"floats", json::Array(*logits)}};
  }
  std::vector<Data> args;
  if (const json::Array *given = object.getArray("args"))
    for (const json::Value &arg : *given)
      args.push_back(fromJSON(*arg.getAsObject()));
  auto results = interpreter.call(object.getString("call").value_or(""), args);
  if (!results)
    return failed(results.takeError());
  json::Array out;
  for (const Data &data : *results)
    if (!data.cache)
      out.push_back(toJSON(data));
  return out;
}
} // namespace

int main(int argc, char **argv) {
  if (argc < 2 || argc > 3)
    return report(
        failure(ExitCode::Usage, "arguments = other, limit FILE.mlir [MODEL]"),
        "reference-probe");
  registerBuiltins();
  mlir::MLIRContext context;
  context.loadDialect<HeddleDialect, mlir::func::FuncDialect,
                      mlir::arith::ArithDialect>();
  context.allowUnregisteredDialects();
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(
      argv[1], mlir::ParserConfig(&context));
  if (!module)
    return report(
        failure(ExitCode::Malformed, std::string(argv[1]) + ": not a module"),
        "reference-probe");
  std::unique_ptr<import::ModelSource> source;
  if (argc == 3) {
    auto opened = import::openGGUF(argv[2]);
    if (!opened)
      return report(opened.takeError(), "reference-probe");
    source = std::move(*opened);
  }
  auto input = llvm::MemoryBuffer::getSTDIN();
  if (!input)
    return report(failure(ExitCode::InputOutput,
                          "standard input: " + input.getError().message()),
                  "reference-probe");
  auto steps = json::parse((*input)->getBuffer());
  if (!steps || !steps->getAsArray())
    return report(failure(ExitCode::Usage, "steps = other, limit a JSON array"),
                  "reference-probe");
  Interpreter interpreter(*module, source.get());
  json::Array results;
  for (const json::Value &value : *steps->getAsArray())
    results.push_back(step(interpreter, *value.getAsObject()));
  llvm::outs() << json::Value(std::move(results)) << '\n';
  return 0;
}
