//===- Semantics.cpp - The formulas of HeddleOps.td, in f64 ---------------===//
#include "Formulas.h"
#include <cmath>
#include <fmt/format.h>

using namespace mlir;

namespace heddle::reference {

llvm::Error outOfRange(Operation *op, StringRef what, int64_t value,
                       int64_t limit) {
  return failure(ExitCode::Limit,
                 fmt::format("{}: {} = {}, limit 0 to {}",
                             op->getName().getStringRef().str(), what.str(),
                             value, limit - 1));
}

llvm::Error checkIds(Operation *op, StringRef what, const Data &ids,
                     int64_t limit) {
  for (int64_t id : *ids.ints)
    if (id < 0 || id >= limit)
      return outOfRange(op, what, id, limit);
  return llvm::Error::success();
}

llvm::Error checkRows(Operation *op, const Data &a, const Data &b) {
  if (a.shape[0] == b.shape[0])
    return llvm::Error::success();
  return failure(
      ExitCode::Usage,
      fmt::format("{}: tokens = {}, limit {} as of the other operand",
                  op->getName().getStringRef().str(), b.shape[0], a.shape[0]));
}

//===----------------------------------------------------------------------===//
// Structure
//===----------------------------------------------------------------------===//

static llvm::Error evalParam(Interpreter &in, ParamOp op, Operands,
                             Results &results) {
  auto data = in.parameter(op.getName(), cast<RankedTensorType>(op.getType()));
  if (!data)
    return data.takeError();
  results.push_back(*data);
  return llvm::Error::success();
}

static llvm::Error evalLayers(Interpreter &in, LayersOp op, Operands operands,
                              Results &results) {
  size_t carriedCount = op.getCarried().size();
  SmallVector<Data> carried(operands.take_front(carriedCount));
  for (auto [layer, kind] : llvm::enumerate(op.getOrder())) {
    auto symbol = cast<FlatSymbolRefAttr>(op.getKinds()[kind]);
    auto function =
        in.getModule().lookupSymbol<func::FuncOp>(symbol.getValue());
    auto row = cast<ArrayAttr>(op.getRows()[layer]);
    SmallVector<Data> args = carried;
    args.push_back(Data::ofInts({}, {static_cast<int64_t>(layer)}));
    llvm::append_range(args, operands.drop_front(carriedCount));
    for (Attribute name : row) {
      auto type =
          cast<RankedTensorType>(function.getArgumentTypes()[args.size()]);
      auto data = in.parameter(cast<StringAttr>(name).getValue(), type);
      if (!data)
        return data.takeError();
      args.push_back(*data);
    }
    auto out = in.run(function, args);
    if (!out)
      return out.takeError();
    carried = std::move(*out);
  }
  llvm::append_range(results, carried);
  return llvm::Error::success();
}

static llvm::Error evalConstant(Interpreter &, arith::ConstantOp op, Operands,
                                Results &results) {
  Attribute value = op.getValue();
  if (auto i = dyn_cast<IntegerAttr>(value)) {
    results.push_back(Data::ofInts({}, {i.getValue().getSExtValue()}));
  } else if (auto f = dyn_cast<FloatAttr>(value)) {
    results.push_back(Data::ofFloats({}, {f.getValueAsDouble()}));
  } else if (auto f = dyn_cast<DenseFPElementsAttr>(value)) {
    std::vector<double> values;
    for (APFloat v : f) {
      bool lost;
      v.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
      values.push_back(v.convertToDouble());
    }
    results.push_back(
        Data::ofFloats(f.getType().getShape(), std::move(values)));
  } else if (auto i = dyn_cast<DenseIntElementsAttr>(value)) {
    std::vector<int64_t> values;
    for (APInt v : i)
      values.push_back(v.getSExtValue());
    results.push_back(Data::ofInts(i.getType().getShape(), std::move(values)));
  } else {
    return failure(ExitCode::Unsupported,
                   "the reference has no semantics for this arith.constant");
  }
  return llvm::Error::success();
}

static llvm::Error evalAdd(Interpreter &, arith::AddFOp op, Operands operands,
                           Results &results) {
  const Data &a = operands[0], &b = operands[1];
  if (!a.floats || !b.floats || a.shape != b.shape)
    return failure(ExitCode::Usage, "arith.addf: operands of different shapes");
  std::vector<double> out(*a.floats);
  for (size_t i = 0; i < out.size(); ++i)
    out[i] += (*b.floats)[i];
  results.push_back(Data::ofFloats(a.shape, std::move(out)));
  return llvm::Error::success();
}

static llvm::Error evalToFloat(Interpreter &, arith::SIToFPOp, Operands v,
                               Results &results) {
  results.push_back(
      Data::ofFloats(v[0].shape, {v[0].ints->begin(), v[0].ints->end()}));
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

template <typename T>
static Data gather(const Data &ids, const std::vector<T> &table,
                   int64_t width) {
  std::vector<double> out;
  out.reserve(ids.ints->size() * width);
  for (int64_t id : *ids.ints)
    out.insert(out.end(), table.begin() + id * width,
               table.begin() + (id + 1) * width);
  return Data::ofFloats({static_cast<int64_t>(ids.ints->size()), width},
                        std::move(out));
}

static llvm::Error gatherRows(Operation *op, StringRef what, const Data &ids,
                              const Data &table, Results &results) {
  if (llvm::Error error = checkIds(op, what, ids, table.shape[0]))
    return error;
  results.push_back(table.weights ? gather(ids, *table.weights, table.shape[1])
                                  : gather(ids, *table.floats, table.shape[1]));
  return llvm::Error::success();
}

static llvm::Error evalEmbedding(Interpreter &, EmbeddingOp op, Operands v,
                                 Results &results) {
  return gatherRows(op, "token", v[0], v[1], results);
}

static llvm::Error evalSelectRows(Interpreter &, SelectRowsOp op, Operands v,
                                  Results &results) {
  return gatherRows(op, "row", v[1], v[0], results);
}

static llvm::Error evalRMSNorm(Interpreter &, RMSNormOp op, Operands v,
                               Results &results) {
  const std::vector<double> &weight = *v[1].floats;
  std::vector<double> out(*v[0].floats);
  size_t part = weight.size();
  double epsilon = op.getEpsilon().convertToDouble(),
         offset = op.getUnitOffset() ? 1 : 0;
  for (size_t at = 0; at < out.size(); at += part) {
    double sum = 0;
    for (size_t i = 0; i < part; ++i)
      sum += out[at + i] * out[at + i];
    double scale = 1 / std::sqrt(sum / part + epsilon);
    for (size_t i = 0; i < part; ++i)
      out[at + i] *= scale * (weight[i] + offset);
  }
  results.push_back(Data::ofFloats(v[0].shape, std::move(out)));
  return llvm::Error::success();
}

double gated(ActivationAttr activation, double gate, double up) {
  double slope = 1;
  if (activation.isClamped()) {
    double limit = activation.getLimitValue();
    slope = activation.getAlphaValue();
    gate = std::min(gate, limit);
    up = std::clamp(up, -limit, limit) + 1;
  }
  return gate / (1 + std::exp(-slope * gate)) * up;
}

static llvm::Error evalGLU(Interpreter &, GLUOp op, Operands v,
                           Results &results) {
  if (llvm::Error error = checkRows(op, v[0], v[1]))
    return error;
  std::vector<double> out(*v[0].floats);
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = gated(op.getActivation(), out[i], (*v[1].floats)[i]);
  results.push_back(Data::ofFloats(v[0].shape, std::move(out)));
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

static llvm::Error evalSliceHeads(Interpreter &, SliceHeadsOp op, Operands v,
                                  Results &results) {
  int64_t rows = v[0].shape[0] * op.getHeads(), size = op.getSize(),
          head = v[0].shape[1] / op.getHeads();
  std::vector<double> out;
  for (int64_t r = 0; r < rows; ++r) {
    auto from = v[0].floats->begin() + r * head + op.getFirst();
    out.insert(out.end(), from, from + size);
  }
  results.push_back(Data::ofFloats(
      {v[0].shape[0], int64_t(op.getHeads()) * size}, std::move(out)));
  return llvm::Error::success();
}

static llvm::Error evalConcatHeads(Interpreter &, ConcatHeadsOp op, Operands v,
                                   Results &results) {
  if (llvm::Error error = checkRows(op, v[0], v[1]))
    return error;
  int64_t rows = v[0].shape[0] * op.getHeads();
  std::vector<double> out;
  for (int64_t r = 0; r < rows; ++r)
    for (const Data *part : {&v[0], &v[1]}) {
      int64_t size = part->shape[1] / op.getHeads();
      auto from = part->floats->begin() + r * size;
      out.insert(out.end(), from, from + size);
    }
  results.push_back(Data::ofFloats(
      {v[0].shape[0], v[0].shape[1] + v[1].shape[1]}, std::move(out)));
  return llvm::Error::success();
}

template <typename T>
static void multiply(const Data &x, const T *weight, int64_t rows,
                     int64_t matrices, const double *bias, double *out) {
  int64_t tokens = x.shape[0], width = x.shape[1] / matrices;
  parallelFor(rows, tokens * width, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n)
      for (int64_t t = 0; t < tokens; ++t)
        out[t * rows + n] = dot(x.floats->data() + t * x.shape[1] +
                                    n / (rows / matrices) * width,
                                weight + n * width, width) +
                            (bias ? bias[n] : 0);
  });
}

static llvm::Error evalLinear(Interpreter &, LinearOp op, Operands v,
                              Results &results) {
  const Data &x = v[0], &w = v[1];
  int64_t heads = op.getMatrices(),
          rows = w.shape.size() == 3 ? w.shape[0] * w.shape[1] : w.shape[0];
  std::vector<double> out(x.shape[0] * rows);
  const double *bias = v.size() > 2 ? v[2].floats->data() : nullptr;
  if (w.weights)
    multiply(x, w.weights->data(), rows, heads, bias, out.data());
  else
    multiply(x, w.floats->data(), rows, heads, bias, out.data());
  results.push_back(Data::ofFloats({x.shape[0], rows}, std::move(out)));
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Positions and attention
//===----------------------------------------------------------------------===//

static llvm::Error evalRopeAngles(Interpreter &, RopeAnglesOp op, Operands v,
                                  Results &results) {
  int64_t tokens = v[0].shape[0], dim = op.getDim(), half = dim / 2;
  double theta = op.getTheta().convertToDouble(),
         scale = op.getScale().convertToDouble();
  double amplitude = op.getAmplitude().convertToDouble();
  std::optional<llvm::ArrayRef<double>> given = op.getFrequencies();
  std::vector<double> out(tokens * dim);
  for (int64_t i = 0; i < half; ++i) {
    double f = (given ? (*given)[i] : std::pow(theta, -2.0 * i / dim)) / scale;
    if (v.size() > 1)
      f /= (*v[1].floats)[i];
    for (int64_t t = 0; t < tokens; ++t) {
      double angle = (*v[0].ints)[t] * f;
      out[t * dim + i] = amplitude * std::cos(angle);
      out[t * dim + half + i] = amplitude * std::sin(angle);
    }
  }
  results.push_back(Data::ofFloats({tokens, dim}, std::move(out)));
  return llvm::Error::success();
}

static llvm::Error evalRope(Interpreter &, RopeOp op, Operands v,
                            Results &results) {
  if (llvm::Error error = checkRows(op, v[0], v[1]))
    return error;
  int64_t tokens = v[0].shape[0], width = v[0].shape[1], heads = op.getHeads();
  int64_t dim = v[1].shape[1], half = dim / 2;
  // Elements i·step and i·step + apart of a head are a pair.
  int64_t step = op.getInterleaved() ? 2 : 1,
          apart = op.getInterleaved() ? 1 : half;
  std::vector<double> out(*v[0].floats);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < half; ++i) {
        double c = (*v[1].floats)[t * dim + i],
               s = (*v[1].floats)[t * dim + half + i];
        double *pair = out.data() + t * width + h * (width / heads) + i * step;
        double a = pair[0], b = pair[apart];
        pair[0] = a * c - b * s;
        pair[apart] = b * c + a * s;
      }
  results.push_back(Data::ofFloats(v[0].shape, std::move(out)));
  return llvm::Error::success();
}

static llvm::Error checkSlot(Operation *op, const Cache &cache,
                             const Data &slot) {
  int64_t value = slot.ints->front();
  return value >= 0 && value < cache.layers
             ? llvm::Error::success()
             : outOfRange(op, "slot", value, cache.layers);
}

/// Where sequences begin in a cache, for as many tokens as there are positions.
static llvm::Error checkStarts(Operation *op, const Data &positions,
                               const Data &starts, int64_t limit) {
  if (starts.shape != positions.shape)
    return failure(ExitCode::Usage,
                   fmt::format("{}: starts = {}, limit {} as of positions",
                               op->getName().getStringRef().str(),
                               starts.shape[0], positions.shape[0]));
  return checkIds(op, "start", starts, limit);
}

static llvm::Error evalCacheAppend(Interpreter &, CacheAppendOp op, Operands v,
                                   Results &results) {
  constexpr int64_t kMaxPositions = 1 << 24;
  Cache &cache = *v[0].cache;
  const Data &key = v[2], &value = v[3], &positions = v[4];
  const Data *starts = op.getStarts() ? &v[5] : nullptr;
  if (llvm::Error error = checkSlot(op, cache, v[1]))
    return error;
  if (llvm::Error error = checkRows(op, key, value))
    return error;
  if (llvm::Error error = checkRows(op, key, positions))
    return error;
  if (llvm::Error error = checkIds(op, "position", positions, kMaxPositions))
    return error;
  if (starts)
    if (llvm::Error error = checkStarts(op, positions, *starts, kMaxPositions))
      return error;
  int64_t slot = v[1].ints->front(), dim = cache.dim;
  for (auto [t, token] : llvm::enumerate(*positions.ints)) {
    int64_t position = token + (starts ? (*starts->ints)[t] : 0);
    std::vector<bool> &written = cache.written[slot];
    if (static_cast<int64_t>(written.size()) <= position)
      written.resize(position + 1);
    written[position] = true;
    for (int64_t h = 0; h < cache.heads; ++h) {
      auto put = [&](std::vector<double> &to, const Data &from) {
        if (static_cast<int64_t>(to.size()) < (position + 1) * dim)
          to.resize((position + 1) * dim);
        const double *row = from.floats->data() + (t * cache.heads + h) * dim;
        std::copy(row, row + dim, to.begin() + position * dim);
      };
      put(cache.keys[slot * cache.heads + h], key);
      put(cache.values[slot * cache.heads + h], value);
    }
  }
  results.push_back(v[0]);
  return llvm::Error::success();
}

static llvm::Error evalAttention(Interpreter &, AttentionOp op, Operands v,
                                 Results &results) {
  const Data &query = v[0], &positions = v[3];
  const Data *starts = op.getStarts() ? &v[4] : nullptr;
  const Data *sinks = op.getSinks() ? &v.back() : nullptr;
  const Cache &cache = *v[1].cache;
  if (llvm::Error error = checkSlot(op, cache, v[2]))
    return error;
  if (llvm::Error error = checkRows(op, query, positions))
    return error;
  int64_t slot = v[2].ints->front(), heads = op.getHeads(), dim = cache.dim,
          longest = 0;
  double scale = op.getScale().convertToDouble();
  auto first = [&](int64_t position) -> int64_t {
    return op.getWindow()
               ? std::max<int64_t>(
                     0, position - static_cast<int64_t>(*op.getWindow()) + 1)
               : 0;
  };
  const std::vector<bool> &written = cache.written[slot];
  auto size = static_cast<int64_t>(written.size());
  if (llvm::Error error = checkIds(op, "position", positions, size))
    return error;
  if (starts)
    if (llvm::Error error = checkStarts(op, positions, *starts, size))
      return error;
  auto startOf = [&](int64_t t) { return starts ? (*starts->ints)[t] : 0; };
  for (auto [t, position] : llvm::enumerate(*positions.ints)) {
    longest = std::max<int64_t>(longest, position + 1);
    for (int64_t j = first(position); j <= position; ++j)
      if (int64_t at = startOf(t) + j; at >= size || !written[at])
        return failure(
            ExitCode::Usage,
            fmt::format(
                "heddle.attention: position {} needs position {}, which "
                "was never written",
                position, j));
  }
  int64_t tokens = query.shape[0];
  std::vector<double> out(tokens * heads * dim);
  parallelFor(
      tokens * heads, 2 * longest * dim, [&](int64_t begin, int64_t end) {
        std::vector<double> weights;
        for (int64_t item = begin; item < end; ++item) {
          int64_t head =
              slot * cache.heads + item % heads / (heads / cache.heads);
          int64_t last = (*positions.ints)[item / heads], from = first(last);
          int64_t begin = startOf(item / heads) * dim;
          const double *keys = cache.keys[head].data() + begin,
                       *values = cache.values[head].data() + begin;
          weights.assign(last - from + 1, 0);
          double most = sinks ? (*sinks->floats)[item % heads] : -INFINITY,
                 sink = most, sum = 0;
          for (int64_t j = from; j <= last; ++j) {
            weights[j - from] = scale * dot(query.floats->data() + item * dim,
                                            keys + j * dim, dim);
            most = std::max(most, weights[j - from]);
          }
          if (sinks)
            sum = std::exp(sink - most);
          for (double &w : weights)
            sum += w = std::exp(w - most);
          double *to = out.data() + item * dim;
          for (int64_t j = from; j <= last; ++j)
            for (int64_t i = 0; i < dim; ++i)
              to[i] += weights[j - from] / sum * values[j * dim + i];
        }
      });
  results.push_back(Data::ofFloats(query.shape, std::move(out)));
  return llvm::Error::success();
}

std::vector<double> roundRows(RowsAttr rows, std::vector<double> out) {
  if (rows.getElem() == "bf16") {
    // To the nearest of 8 significant bits, ties to even.
    for (double &v : out)
      if (int exponent; std::isfinite(v) && v != 0) {
        double mantissa = std::frexp(v, &exponent);
        v = std::ldexp(std::nearbyint(std::ldexp(mantissa, 8)), exponent - 8);
      }
  } else {
    for (size_t first = 0; first < out.size(); first += rows.getGroup()) {
      double amax = 0;
      for (int64_t i = 0; i < rows.getGroup(); ++i)
        amax = std::max(amax, std::fabs(out[first + i]));
      for (int64_t i = 0; i < rows.getGroup(); ++i)
        out[first + i] =
            amax > 0
                ? std::nearbyint(out[first + i] * 127 / amax) * (amax / 127)
                : 0;
    }
  }
  return out;
}

static llvm::Error evalConvertRows(Interpreter &, ConvertRowsOp op,
                                   Operands operands, Results &results) {
  results.push_back(Data::ofFloats(
      operands[0].shape,
      roundRows(encodingOf<RowsAttr>(op.getType()), *operands[0].floats)));
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Registry
//===----------------------------------------------------------------------===//

static llvm::StringMap<Semantics> &registry() {
  static llvm::StringMap<Semantics> map = [] {
    llvm::StringMap<Semantics> builtin;
    add(builtin, evalParam);
    add(builtin, evalLayers);
    add(builtin, evalConstant);
    add(builtin, evalAdd);
    add(builtin, evalToFloat);
    add(builtin, evalEmbedding);
    add(builtin, evalSelectRows);
    add(builtin, evalRMSNorm);
    add(builtin, evalGLU);
    add(builtin, evalLinear);
    add(builtin, evalSliceHeads);
    add(builtin, evalConcatHeads);
    add(builtin, evalConvertRows);
    add(builtin, evalRopeAngles);
    add(builtin, evalRope);
    add(builtin, evalCacheAppend);
    add(builtin, evalAttention);
    addMoESemantics(builtin);
    addCustomRouteSemantics(builtin);
    return builtin;
  }();
  return map;
}

void registerSemantics(StringRef opName, Semantics semantics) {
  registry()[opName] = std::move(semantics);
}

bool hasSemantics(StringRef opName) { return registry().contains(opName); }

const Semantics *findSemantics(StringRef opName) {
  auto it = registry().find(opName);
  return it == registry().end() ? nullptr : &it->second;
}

} // namespace heddle::reference
