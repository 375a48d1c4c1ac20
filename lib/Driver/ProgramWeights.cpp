//===- ProgramWeights.cpp - What lies where in a program's weights --------===//
#include "heddle/Driver/ProgramWeights.h"
#include "heddle/Import/Encoding.h"
#include "heddle/Import/GraphBuilder.h"
#include "heddle/Import/Parameters.h"
#include "heddle/Support/Error.h"
#include "heddle/dialects/Heddle/Heddle.h"
#include <fmt/format.h>
#include <numeric>

using namespace mlir;
using namespace heddle;

namespace {
struct Parameter {
  std::string name;
  RankedTensorType type;
  import::StoredParameter stored;
};

class Planner {
public:
  Planner(ModuleOp module, const import::ModelSource &source)
      : module(module), source(source),
        permutations(std::make_shared<import::RowPermutations>(
            import::rowPermutations(module))) {}

  llvm::Expected<ProgramWeights> run() {
    auto names = module->getAttrOfType<ArrayAttr>("heddle.params"),
         types = module->getAttrOfType<ArrayAttr>("heddle.param_types");
    for (auto [name, type] : llvm::zip(names, types))
      if (llvm::Error error =
              add(cast<StringAttr>(name).str(),
                  cast<RankedTensorType>(cast<TypeAttr>(type).getValue())))
        return error;
    SmallVector<ArrayRef<int64_t>> groups;
    if (auto list = module->getAttrOfType<ArrayAttr>("heddle.expert_groups"))
      for (Attribute group : list)
        groups.push_back(cast<DenseI64ArrayAttr>(group).asArrayRef());
    std::vector<bool> isExpert(parameters.size());
    for (ArrayRef<int64_t> group : groups)
      for (int64_t i : group)
        isExpert[i] = true;
    for (size_t i = 0; i < parameters.size(); ++i)
      result.params.push_back(nullptr);
    for (size_t i = 0; i < parameters.size(); ++i)
      if (!isExpert[i])
        addDense(i);
    if (groups.empty())
      return std::move(result);
    llvm::json::Array list;
    for (ArrayRef<int64_t> group : groups)
      if (llvm::Error error = addExperts(group, list))
        return error;
    result.experts =
        llvm::json::Object{{"index", layoutWeights(result.jobs).index},
                           {"groups", std::move(list)}};
    return std::move(result);
  }

private:
  llvm::Error add(std::string name, RankedTensorType type) {
    std::optional<import::StoredParameter> stored =
        import::findParameter(source, name);
    if (!stored || !stored->fits(type.getShape()))
      return heddle::failure(
          ExitCode::Malformed,
          fmt::format("{}: tensor {} is not the one the graph was made from",
                      source.path, name));
    std::string encoding = stored->encoding().str();
    const import::EncodingInfo *info = import::findEncoding(encoding);
    if (auto packed = encodingOf<PackedAttr>(type)) {
      if (!info ||
          import::encodingAttr(*module.getContext(), *info) != packed.getEnc())
        return heddle::failure(
            ExitCode::Malformed,
            fmt::format("{}: tensor {} has encoding {}, not the graph's",
                        source.path, name, encoding));
    } else if (!info || !import::isFloat(*info)) {
      return heddle::failure(
          ExitCode::Malformed,
          fmt::format("{}: tensor {} has encoding {}, the graph's is of floats",
                      source.path, name, encoding));
    }
    result.parameters += stored->numElements();
    result.bytesByEncoding[encoding] += stored->numBytes();
    parameters.push_back(std::make_shared<Parameter>(
        Parameter{std::move(name), type, std::move(*stored)}));
    return llvm::Error::success();
  }

  /// The job of one matrix, or of the whole parameter.
  WeightJob job(size_t i, std::optional<int64_t> matrix) {
    std::shared_ptr<const Parameter> p = parameters[i];
    int64_t bytes = packedBytes(p->type) / (matrix ? p->type.getDimSize(0) : 1);
    return {p->name, bytes,
            [p, map = permutations, matrix](const ByteSink &sink) {
              return packParameter(
                  p->stored, p->type,
                  [&](int64_t row) {
                    return import::storedRow(*map, p->name, row,
                                             p->stored.shape[0]);
                  },
                  sink, matrix);
            }};
  }

  void addDense(size_t i) {
    result.jobs.push_back(job(i, std::nullopt));
    result.params[i] = llvm::json::Object{
        {"name", parameters[i]->name},
        {"offset", layoutWeights(result.jobs).offsets.back()},
        {"bytes", result.jobs.back().bytes}};
  }

  /// The experts of one layer, in the order that `heddle.resident_map` has for
  /// it.
  llvm::Error addExperts(ArrayRef<int64_t> group, llvm::json::Array &list) {
    const Parameter &first = *parameters[group.front()];
    int64_t count = first.type.getDimSize(0);
    std::vector<int64_t> order(count);
    std::iota(order.begin(), order.end(), 0);
    auto ofGroup = [&](StringRef attr) -> DenseI64ArrayAttr {
      auto all = module->getAttrOfType<DictionaryAttr>(attr);
      return all ? all.getAs<DenseI64ArrayAttr>(first.name)
                 : DenseI64ArrayAttr();
    };
    for (StringRef attr : {"heddle.resident_map", "heddle.expert_uses"})
      if (auto numbers = ofGroup(attr); numbers && numbers.size() != count)
        return heddle::failure(
            ExitCode::Malformed,
            fmt::format("{}: {} of {} = {} experts, limit {}", source.path,
                        attr.str(), first.name, numbers.size(), count));
    if (auto places = ofGroup("heddle.resident_map"))
      for (auto [expert, place] : llvm::enumerate(places.asArrayRef()))
        order[place] = expert;
    int64_t stride = 0;
    size_t begin = result.jobs.size();
    llvm::json::Array params;
    for (int64_t expert : order)
      for (auto [index, i] : llvm::enumerate(group)) {
        result.jobs.push_back(job(i, expert));
        if (index == 0)
          result.jobs.back().alignment = kExpertAlignment;
      }
    WeightLayout layout = layoutWeights(result.jobs);
    int64_t offset = layout.offsets[begin];
    for (auto [index, i] : llvm::enumerate(group)) {
      int64_t bytes = result.jobs[begin + index].bytes,
              at = layout.offsets[begin + index] - offset;
      stride = llvm::alignTo(at + bytes, kExpertAlignment);
      params.push_back(i);
      result.params[i] = llvm::json::Object{
          {"name", parameters[i]->name}, {"offset", at}, {"bytes", bytes}};
    }
    llvm::json::Object object{{"params", std::move(params)},
                              {"experts", count},
                              {"offset", offset},
                              {"stride", stride},
                              {"order", llvm::json::Array(order)}};
    if (auto uses = ofGroup("heddle.expert_uses"))
      object["uses"] = llvm::json::Array(uses.asArrayRef());
    list.push_back(std::move(object));
    return llvm::Error::success();
  }

  ModuleOp module;
  const import::ModelSource &source;
  std::shared_ptr<const import::RowPermutations> permutations;
  std::vector<std::shared_ptr<const Parameter>> parameters;
  ProgramWeights result;
};
} // namespace

llvm::Expected<ProgramWeights>
heddle::planWeights(ModuleOp module, const import::ModelSource &source) {
  return Planner(module, source).run();
}
