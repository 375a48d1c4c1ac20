//===- MoESemantics.cpp - The formulas of MoEOps.td, in f64 ---------------===//
#include "Formulas.h"
#include <cmath>
#include <numeric>

using namespace mlir;

namespace heddle::reference {

//===----------------------------------------------------------------------===//
// Routing
//===----------------------------------------------------------------------===//

static double sigmoid(double v) { return 1 / (1 + std::exp(-v)); }

static void softmax(std::vector<double> &v) {
  double most = *std::max_element(v.begin(), v.end()), sum = 0;
  for (double &x : v)
    sum += x = std::exp(x - most);
  for (double &x : v)
    x /= sum;
}

// The numbers of the `count` largest, largest first, the lower of equal ones
// first.
static std::vector<int64_t> largest(const std::vector<double> &values,
                                    int64_t count) {
  std::vector<int64_t> ids(values.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::stable_sort(ids.begin(), ids.end(),
                   [&](int64_t a, int64_t b) { return values[a] > values[b]; });
  ids.resize(count);
  return ids;
}

// What selection goes by, once groups are left out.
static void keepGroups(RouterAttr router, std::vector<double> &by) {
  int64_t groups = router.getGroups(), size = by.size() / groups;
  if (groups == 1)
    return;
  std::vector<double> of(groups);
  for (int64_t g = 0; g < groups; ++g) {
    std::vector<double> members(by.begin() + g * size,
                                by.begin() + (g + 1) * size);
    std::sort(members.rbegin(), members.rend());
    of[g] = router.getReduce() == "max" ? members[0] : members[0] + members[1];
  }
  std::vector<int64_t> kept = largest(of, router.getKeep());
  for (int64_t g = 0; g < groups; ++g)
    if (!llvm::is_contained(kept, g))
      std::fill(by.begin() + g * size, by.begin() + (g + 1) * size,
                router.getFill() == "zero" ? 0 : -INFINITY);
}

static llvm::Error evalRoute(Interpreter &, RouteOp op, Operands v,
                             Results &results) {
  RouterAttr router = op.getRouter();
  int64_t tokens = v[0].shape[0], experts = v[0].shape[1], k = router.getK();
  std::vector<int64_t> ids;
  std::vector<double> weights;
  for (int64_t t = 0; t < tokens; ++t) {
    const double *z = v[0].floats->data() + t * experts;
    std::vector<double> score(z, z + experts);
    if (router.getScore() == "softmax")
      softmax(score);
    for (double &s : score)
      s = router.getScore() == "sigmoid" ? sigmoid(s)
          : router.getScore() == "sqrt_softplus"
              ? std::sqrt(std::max(s, 0.0) +
                          std::log1p(std::exp(-std::fabs(s))))
              : s;
    std::vector<double> by = score;
    for (int64_t e = 0; v.size() > 1 && e < experts; ++e)
      by[e] += (*v[1].floats)[e];
    keepGroups(router, by);
    std::vector<int64_t> chosen = largest(by, k);
    std::vector<double> w;
    for (int64_t e : chosen)
      w.push_back(score[e]);
    if (router.getPost() == "softmax")
      softmax(w);
    double sum = 0;
    for (double &x : w)
      sum += x = router.getPost() == "sigmoid" ? sigmoid(x) : x;
    double by1 = router.getNorm() == "sum" ? sum + router.getEpsValue()
                 : router.getNorm() == "clamp_min"
                     ? std::max(sum, router.getEpsValue())
                     : 1;
    for (double x : w)
      weights.push_back(x / by1 * router.getScaleValue());
    llvm::append_range(ids, chosen);
  }
  results.push_back(Data::ofInts({tokens, k}, std::move(ids)));
  results.push_back(Data::ofFloats({tokens, k}, std::move(weights)));
  return llvm::Error::success();
}

static llvm::Error evalPlan(Interpreter &, PlanOp op, Operands v,
                            Results &results) {
  int64_t experts = op.getExperts(), slots = v[0].ints->size();
  if (llvm::Error error = checkIds(op, "expert", v[0], experts))
    return error;
  std::vector<int64_t> order(slots), position(slots), offsets(experts + 1);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return (*v[0].ints)[a] < (*v[0].ints)[b];
  });
  for (int64_t r = 0; r < slots; ++r) {
    position[order[r]] = r;
    ++offsets[(*v[0].ints)[r] + 1];
  }
  std::partial_sum(offsets.begin(), offsets.end(), offsets.begin());
  results.push_back(Data::ofInts(v[0].shape, std::move(order)));
  results.push_back(Data::ofInts(v[0].shape, std::move(position)));
  results.push_back(Data::ofInts({experts + 1}, std::move(offsets)));
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Rows of slots
//===----------------------------------------------------------------------===//

static llvm::Error evalDispatch(Interpreter &, DispatchOp op, Operands v,
                                Results &results) {
  int64_t tokens = v[0].shape[0], width = v[0].shape[1], k = v[1].shape[1];
  if (llvm::Error error = checkIds(op, "slot", v[1], tokens * k))
    return error;
  std::vector<double> out;
  for (int64_t slot : *v[1].ints) {
    const double *row = v[0].floats->data() + slot / k * width;
    out.insert(out.end(), row, row + width);
  }
  results.push_back(Data::ofFloats({tokens, k * width}, std::move(out)));
  return llvm::Error::success();
}

// Row r of x times the matrix of expert `of(r)`, and its bias, if there is one.
static std::vector<double> products(const Data &weight, const Data *bias,
                                    const double *x, int64_t count,
                                    llvm::function_ref<int64_t(int64_t)> of,
                                    llvm::function_ref<int64_t(int64_t)> from) {
  int64_t n = weight.shape[1], k = weight.shape[2];
  std::vector<double> out(count * n);
  parallelFor(n, count * k, [&](int64_t begin, int64_t end) {
    for (int64_t r = 0; r < count; ++r)
      for (int64_t i = begin; i < end; ++i) {
        int64_t at = (of(r) * n + i) * k;
        const double *row = x + from(r) * k;
        out[r * n + i] = weight.weights
                             ? dot(row, weight.weights->data() + at, k)
                             : dot(row, weight.floats->data() + at, k);
        if (int64_t b = of(r) * n + i; bias)
          out[r * n + i] +=
              bias->weights ? (*bias->weights)[b] : (*bias->floats)[b];
      }
  });
  return out;
}

static llvm::Error evalGroupedMatmul(Interpreter &, GroupedMatmulOp op,
                                     Operands v, Results &results) {
  const Data &x = v[0], &w = v[1];
  int64_t k = x.shape[1] / w.shape[2], count = x.shape[0] * k;
  llvm::ArrayRef<int64_t> offsets = *v[2].ints;
  std::vector<int64_t> expert;
  for (int64_t e = 0; e < w.shape[0]; ++e) {
    if (offsets[e] != int64_t(expert.size()) || offsets[e + 1] < offsets[e] ||
        offsets[e + 1] > count)
      return outOfRange(op, "offset", offsets[e + 1], count + 1);
    expert.resize(offsets[e + 1], e);
  }
  if (int64_t(expert.size()) != count)
    return outOfRange(op, "offset", offsets.back(), count + 1);
  auto of = [&](int64_t r) { return expert[r]; };
  auto from = [](int64_t r) { return r; };
  results.push_back(
      Data::ofFloats({x.shape[0], k * w.shape[1]},
                     products(w, op.getBias() ? &v[3] : nullptr,
                              x.floats->data(), count, of, from)));
  return llvm::Error::success();
}

// Slots t * k + s of each token times their experts' matrices. x has a row a
// token or, `own`, a slot.
static std::vector<double> routed(const Data &weight, const Data *bias,
                                  const double *x, const Data &ids, bool own) {
  int64_t k = ids.shape[1];
  return products(
      weight, bias, x, ids.ints->size(),
      [&](int64_t r) { return (*ids.ints)[r]; },
      [&](int64_t r) { return own ? r : r / k; });
}

static llvm::Error evalRoutedMatmul(Interpreter &, RoutedMatmulOp op,
                                    Operands v, Results &results) {
  const Data &x = v[0], &w = v[1], &ids = v[2];
  if (llvm::Error error = checkIds(op, "expert", ids, w.shape[0]))
    return error;
  if (llvm::Error error = checkRows(op, x, ids))
    return error;
  bool own = x.shape[1] != w.shape[2];
  results.push_back(Data::ofFloats(
      {x.shape[0], ids.shape[1] * w.shape[1]},
      routed(w, op.getBias() ? &v[3] : nullptr, x.floats->data(), ids, own)));
  return llvm::Error::success();
}

// Sums over a token's slots; `row` is that of slot t * k + s.
static Data combined(const std::vector<double> &ys, const Data &weights,
                     int64_t width, llvm::function_ref<int64_t(int64_t)> row) {
  int64_t tokens = weights.shape[0], k = weights.shape[1];
  std::vector<double> out(tokens * width);
  for (int64_t slot = 0; slot < tokens * k; ++slot)
    for (int64_t i = 0; i < width; ++i)
      out[slot / k * width + i] +=
          (*weights.floats)[slot] * ys[row(slot) * width + i];
  return Data::ofFloats({tokens, width}, std::move(out));
}

static llvm::Error evalCombine(Interpreter &, CombineOp op, Operands v,
                               Results &results) {
  int64_t slots = v[1].floats->size();
  if (llvm::Error error = checkRows(op, v[0], v[1]))
    return error;
  if (v.size() > 2)
    if (llvm::Error error = checkIds(op, "position", v[2], slots))
      return error;
  results.push_back(combined(
      *v[0].floats, v[1], v[0].shape[1] / v[1].shape[1],
      [&](int64_t slot) { return v.size() > 2 ? (*v[2].ints)[slot] : slot; }));
  return llvm::Error::success();
}

static llvm::Error evalExperts(Interpreter &, ExpertsOp op, Operands v,
                               Results &results) {
  const Data &x = v[0], &ids = v[1], &weights = v[2];
  if (llvm::Error error = checkIds(op, "expert", ids, v[3].shape[0]))
    return error;
  if (llvm::Error error = checkRows(op, x, ids))
    return error;
  if (llvm::Error error = checkRows(op, ids, weights))
    return error;
  const Data *biases = op.getDownBias() ? &v[6] : nullptr; // all or none
  auto product = [&](int64_t i, const double *rows) {
    return routed(v[3 + i], biases ? biases + i : nullptr, rows, ids,
                  /*own=*/i == 2);
  };
  std::vector<double> gate = product(0, x.floats->data()),
                      up = product(1, x.floats->data());
  for (size_t i = 0; i < gate.size(); ++i)
    gate[i] = gated(op.getActivation(), gate[i], up[i]);
  if (op.getHidden())
    gate = roundRows(*op.getHidden(), std::move(gate));
  std::vector<double> ys = product(2, gate.data());
  results.push_back(
      combined(ys, weights, v[5].shape[1], [](int64_t slot) { return slot; }));
  return llvm::Error::success();
}

static llvm::Error evalGateRows(Interpreter &, GateRowsOp op, Operands v,
                                Results &results) {
  if (llvm::Error error = checkRows(op, v[0], v[1]))
    return error;
  int64_t tokens = v[0].shape[0], width = v[0].shape[1], d = v[1].shape[1];
  std::vector<double> out(*v[0].floats);
  for (int64_t t = 0; t < tokens; ++t) {
    double gate =
        sigmoid(dot(v[1].floats->data() + t * d, v[2].floats->data(), d));
    for (int64_t i = 0; i < width; ++i)
      out[t * width + i] *= gate;
  }
  results.push_back(Data::ofFloats(v[0].shape, std::move(out)));
  return llvm::Error::success();
}

void addMoESemantics(llvm::StringMap<Semantics> &map) {
  add(map, evalRoute);
  add(map, evalPlan);
  add(map, evalDispatch);
  add(map, evalGroupedMatmul);
  add(map, evalRoutedMatmul);
  add(map, evalCombine);
  add(map, evalExperts);
  add(map, evalGateRows);
}

} // namespace heddle::reference
