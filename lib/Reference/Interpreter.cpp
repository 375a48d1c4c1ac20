//===- Interpreter.cpp - Functions, parameters and caches -----------------===//
#include "heddle/Reference/Interpreter.h"
#include "Parallel.h"
#include "Semantics.h"
#include "heddle/Import/Encoding.h"
#include "heddle/dialects/Heddle/Heddle.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/ScopeExit.h"
#include <fmt/format.h>

using namespace mlir;

namespace heddle::reference {

Data Data::ofFloats(llvm::ArrayRef<int64_t> shape, std::vector<double> values) {
  Data data;
  data.shape.assign(shape.begin(), shape.end());
  data.floats = std::make_shared<const std::vector<double>>(std::move(values));
  return data;
}

Data Data::ofInts(llvm::ArrayRef<int64_t> shape, std::vector<int64_t> values) {
  Data data;
  data.shape.assign(shape.begin(), shape.end());
  data.ints = std::make_shared<const std::vector<int64_t>>(std::move(values));
  return data;
}

int64_t Data::numElements() const {
  int64_t n = 1;
  for (int64_t d : shape)
    n *= d;
  return n;
}

Interpreter::Interpreter(ModuleOp module, const import::ModelSource *source)
    : module(module), source(source),
      permutations(import::rowPermutations(module)) {}

static llvm::Error mismatch(func::FuncOp function, unsigned arg, Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return failure(ExitCode::Usage,
                 fmt::format("argument {} of @{} does not fit {}", arg,
                             function.getName().str(), text));
}

// Whether `data` is a value of `type`.
static bool fits(const Data &data, Type type) {
  if (auto cache = dyn_cast<CacheType>(type))
    return data.cache && data.cache->layers == cache.getLayers() &&
           data.cache->heads == cache.getHeads() &&
           data.cache->dim == cache.getDim();
  bool isFloat = isa<FloatType>(getElementTypeOrSelf(type));
  size_t size = data.floats    ? data.floats->size()
                : data.weights ? data.weights->size()
                : data.ints    ? data.ints->size()
                               : 0;
  if ((isFloat ? !data.floats && !data.weights : !data.ints) ||
      static_cast<int64_t>(size) != data.numElements())
    return false;
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return data.shape.empty();
  if (tensor.getRank() != static_cast<int64_t>(data.shape.size()))
    return false;
  for (auto [want, have] : llvm::zip_equal(tensor.getShape(), data.shape))
    if (want != have && !ShapedType::isDynamic(want))
      return false;
  return true;
}

llvm::Expected<SmallVector<Data>> Interpreter::run(func::FuncOp function,
                                                   llvm::ArrayRef<Data> args) {
  constexpr int kMaxDepth = 64;
  if (depth >= kMaxDepth)
    return failure(ExitCode::Limit,
                   fmt::format("calls nested in @{} = {}, limit {}",
                               function.getName().str(), depth + 1, kMaxDepth));
  ++depth;
  llvm::scope_exit leave([&] { --depth; });
  if (function.isExternal() || !function.getBody().hasOneBlock())
    return failure(ExitCode::Unsupported,
                   "@" + function.getName().str() + " is not one block");
  if (args.size() != function.getNumArguments())
    return failure(ExitCode::Usage,
                   fmt::format("arguments of @{} = {}, limit {}",
                               function.getName().str(), args.size(),
                               function.getNumArguments()));
  llvm::DenseMap<Value, Data> values;
  for (auto [arg, data] : llvm::zip_equal(function.getArguments(), args)) {
    if (!fits(data, arg.getType()))
      return mismatch(function, arg.getArgNumber(), arg.getType());
    values[arg] = data;
  }
  for (Operation &op : function.getBody().front()) {
    SmallVector<Data> operands, results;
    for (Value operand : op.getOperands())
      operands.push_back(values.lookup(operand));
    if (isa<func::ReturnOp>(op))
      return operands;
    StringRef name = op.getName().getStringRef();
    const Semantics *semantics = findSemantics(name);
    if (!semantics)
      return failure(ExitCode::Unsupported,
                     "the reference has no semantics for the op " + name.str());
    if (llvm::Error error = (*semantics)(*this, &op, operands, results))
      return std::move(error);
    if (results.size() != op.getNumResults())
      return failure(ExitCode::Bug,
                     fmt::format("semantics of {} made {} results", name.str(),
                                 results.size()));
    for (auto [result, data] : llvm::zip_equal(op.getResults(), results))
      values[result] = std::move(data);
  }
  return failure(ExitCode::Unsupported,
                 "@" + function.getName().str() + " does not return");
}

llvm::Expected<SmallVector<Data>> Interpreter::call(StringRef name,
                                                    llvm::ArrayRef<Data> args) {
  auto function = module.lookupSymbol<func::FuncOp>(name);
  if (!function)
    return failure(ExitCode::Usage,
                   "the module has no function @" + name.str());
  SmallVector<Data> all;
  for (BlockArgument arg : function.isExternal() ? Block::BlockArgListType()
                                                 : function.getArguments()) {
    if (auto type = dyn_cast<CacheType>(arg.getType())) {
      if (type.getKind() != "full_kv")
        return failure(ExitCode::Unsupported,
                       "the reference has no cache of kind " +
                           type.getKind().str());
      auto &cache =
          caches[fmt::format("{}#{}", name.str(), arg.getArgNumber())];
      if (!cache) {
        size_t parts = type.getLayers() * type.getHeads();
        cache = std::make_shared<Cache>(
            Cache{type.getLayers(), type.getHeads(), type.getDim(),
                  std::vector<std::vector<double>>(parts),
                  std::vector<std::vector<double>>(parts),
                  std::vector<std::vector<bool>>(type.getLayers())});
      }
      all.emplace_back().cache = cache;
    } else if (!args.empty()) {
      all.push_back(args.front());
      args = args.drop_front();
    }
  }
  llvm::append_range(all, args); // too many, for run to refuse
  return run(function, all);
}

llvm::Expected<std::vector<double>>
Interpreter::forward(llvm::ArrayRef<int32_t> tokens,
                     llvm::ArrayRef<int32_t> positions,
                     llvm::ArrayRef<int32_t> rows) {
  auto ids = [](llvm::ArrayRef<int32_t> values) {
    return Data::ofInts({static_cast<int64_t>(values.size())},
                        {values.begin(), values.end()});
  };
  if (tokens.size() != positions.size())
    return failure(ExitCode::Usage,
                   fmt::format("positions = {}, limit {} as of tokens",
                               positions.size(), tokens.size()));
  auto results = call("forward", {ids(tokens), ids(positions), ids(rows)});
  if (!results)
    return results.takeError();
  if (results->empty() || !results->front().floats)
    return failure(ExitCode::Unsupported, "@forward returns no logits");
  return *results->front().floats;
}

llvm::Expected<Data> Interpreter::parameter(StringRef name,
                                            RankedTensorType type) {
  if (auto it = parameters.find(name);
      it != parameters.end() &&
      llvm::ArrayRef(it->second.shape) == type.getShape())
    return it->second;
  std::optional<import::StoredParameter> stored;
  if (source)
    stored = import::findParameter(*source, name);
  if (!stored)
    return failure(ExitCode::Usage,
                   "the reference was given no tensor " + name.str());
  if (!stored->fits(type.getShape()) || type.getRank() == 0)
    return failure(ExitCode::Malformed,
                   source->path + ": tensor " + name.str() +
                       " has another shape than the graph's");
  const import::EncodingInfo *info = import::findEncoding(stored->encoding());
  if (!info)
    return failure(ExitCode::Unsupported, source->path + ": tensor " +
                                              name.str() + " in " +
                                              stored->encoding().str());

  // A vector is one stored row, whose elements are what is permuted.
  bool isVector = type.getRank() == 1;
  int64_t width = isVector ? 1 : type.getShape().back(),
          rows = type.getNumElements() / width;
  if (int64_t heads = import::permutedHeads(permutations, name);
      heads && !import::dividesRows(heads, rows))
    return failure(
        ExitCode::Malformed,
        fmt::format(
            "heddle.unpermute of {} = {}, limit a divisor of half its {} rows",
            name.str(), heads, rows));
  auto values = std::make_shared<std::vector<float>>(rows * width);
  if (isVector) {
    std::vector<float> all(rows);
    std::vector<uint8_t> scratch;
    import::dequantize(*info, stored->row(0, rows, scratch),
                       rows / info->blockElems, all.data());
    for (int64_t r = 0; r < rows; ++r)
      (*values)[r] = all[import::storedRow(permutations, name, r, rows)];
  } else {
    int64_t blocks = width / info->blockElems;
    parallelFor(rows, width, [&](int64_t begin, int64_t end) {
      std::vector<uint8_t> scratch;
      for (int64_t r = begin; r < end; ++r)
        import::dequantize(
            *info,
            stored->row(import::storedRow(permutations, name, r, rows), width,
                        scratch),
            blocks, values->data() + r * width);
    });
  }
  Data data;
  if (isVector)
    data = Data::ofFloats({rows}, {values->begin(), values->end()});
  else
    data.shape.assign(type.getShape().begin(), type.getShape().end()),
        data.weights = std::move(values);
  return parameters[name] = data;
}

} // namespace heddle::reference
