//===- CustomRouteSemantics.cpp - Regions of heddle.custom_route, in f64 --===//
//
// A routing is a few hundred operations on tensors of one token, so it is run
// element by element: no op of linalg is known by name but softmax, which has
// no loops of its own.
//
//===----------------------------------------------------------------------===//
#include "Formulas.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>
#include <fmt/format.h>

using namespace mlir;

namespace heddle::reference {
namespace {

/// A float is in `f`, an integer, index or truth value in `i`.
struct Scalar {
  double f = 0;
  int64_t i = 0;
};
using Scalars = llvm::ArrayRef<Scalar>;

/// Elements that an op may touch: what a type says is no memory yet.
constexpr int64_t kMostElements = 1 << 24;

llvm::Error unknown(Operation *op) {
  return failure(ExitCode::Unsupported,
                 "the reference has no semantics for the op " +
                     op->getName().getStringRef().str());
}

llvm::Expected<int64_t> elements(Operation *op, llvm::ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t size : shape) {
    if (size > kMostElements || (count *= size) > kMostElements)
      return failure(ExitCode::Limit,
                     fmt::format("{}: elements, limit {}",
                                 op->getName().getStringRef().str(),
                                 kMostElements));
  }
  return count;
}

bool isFloat(Type type) { return isa<FloatType>(getElementTypeOrSelf(type)); }

/// As many bits as the type has, the sign kept; of one bit 0 or 1.
int64_t wrapped(int64_t value, Type type) {
  auto integer = dyn_cast<IntegerType>(getElementTypeOrSelf(type));
  if (!integer || integer.getWidth() >= 64)
    return value;
  return integer.getWidth() == 1
             ? value & 1
             : llvm::SignExtend64(value, integer.getWidth());
}

template <typename T> bool holds(arith::CmpIPredicate is, T a, T b) {
  switch (is) {
  case arith::CmpIPredicate::eq:
    return a == b;
  case arith::CmpIPredicate::ne:
    return a != b;
  case arith::CmpIPredicate::slt:
  case arith::CmpIPredicate::ult:
    return a < b;
  case arith::CmpIPredicate::sle:
  case arith::CmpIPredicate::ule:
    return a <= b;
  case arith::CmpIPredicate::sgt:
  case arith::CmpIPredicate::ugt:
    return a > b;
  case arith::CmpIPredicate::sge:
  case arith::CmpIPredicate::uge:
    return a >= b;
  }
  llvm_unreachable("a predicate that is none");
}

bool compare(arith::CmpIOp op, int64_t a, int64_t b) {
  auto is = op.getPredicate();
  bool isUnsigned =
      is == arith::CmpIPredicate::ult || is == arith::CmpIPredicate::ule ||
      is == arith::CmpIPredicate::ugt || is == arith::CmpIPredicate::uge;
  return isUnsigned ? holds<uint64_t>(is, a, b) : holds<int64_t>(is, a, b);
}

bool compare(arith::CmpFOp op, double a, double b) {
  bool unordered = std::isnan(a) || std::isnan(b);
  switch (op.getPredicate()) {
  case arith::CmpFPredicate::AlwaysFalse:
    return false;
  case arith::CmpFPredicate::AlwaysTrue:
    return true;
  case arith::CmpFPredicate::ORD:
    return !unordered;
  case arith::CmpFPredicate::UNO:
    return unordered;
  case arith::CmpFPredicate::OEQ:
    return a == b;
  case arith::CmpFPredicate::OGT:
    return a > b;
  case arith::CmpFPredicate::OGE:
    return a >= b;
  case arith::CmpFPredicate::OLT:
    return a < b;
  case arith::CmpFPredicate::OLE:
    return a <= b;
  case arith::CmpFPredicate::ONE:
    return !unordered && a != b;
  case arith::CmpFPredicate::UEQ:
    return unordered || a == b;
  case arith::CmpFPredicate::UGT:
    return unordered || a > b;
  case arith::CmpFPredicate::UGE:
    return unordered || a >= b;
  case arith::CmpFPredicate::ULT:
    return unordered || a < b;
  case arith::CmpFPredicate::ULE:
    return unordered || a <= b;
  case arith::CmpFPredicate::UNE:
    return a != b;
  }
  llvm_unreachable("a predicate that is none");
}

/// One element of an op of arith or math.
llvm::Expected<Scalar> compute(Operation *op, Scalars v) {
  auto f = [](double value) { return Scalar{value, 0}; };
  auto i = [&](int64_t value) {
    return Scalar{0, wrapped(value, op->getResult(0).getType())};
  };
  // One that is no number makes none (maximumf), or gives way (maxnumf).
  auto extreme = [&](bool most, bool gives) {
    double a = v[0].f, b = v[1].f;
    if (std::isnan(a) || std::isnan(b))
      return f(gives ? (std::isnan(a) ? b : a) : a + b);
    return f(most ? std::max(a, b) : std::min(a, b));
  };
  auto floorDiv = [&] { return int64_t(std::floor(double(v[0].i) / v[1].i)); };
  using Result = llvm::Expected<Scalar>;
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([&](arith::AddFOp) { return Result(f(v[0].f + v[1].f)); })
      .Case([&](arith::SubFOp) { return Result(f(v[0].f - v[1].f)); })
      .Case([&](arith::MulFOp) { return Result(f(v[0].f * v[1].f)); })
      .Case([&](arith::DivFOp) { return Result(f(v[0].f / v[1].f)); })
      .Case([&](arith::NegFOp) { return Result(f(-v[0].f)); })
      .Case([&](arith::MaximumFOp) { return Result(extreme(true, false)); })
      .Case([&](arith::MinimumFOp) { return Result(extreme(false, false)); })
      .Case([&](arith::MaxNumFOp) { return Result(extreme(true, true)); })
      .Case([&](arith::MinNumFOp) { return Result(extreme(false, true)); })
      .Case([&](arith::CmpFOp op) {
        return Result(i(compare(op, v[0].f, v[1].f)));
      })
      .Case([&](arith::CmpIOp op) {
        return Result(i(compare(op, v[0].i, v[1].i)));
      })
      .Case([&](arith::SelectOp) { return Result(v[0].i ? v[1] : v[2]); })
      .Case([&](arith::AddIOp) { return Result(i(v[0].i + v[1].i)); })
      .Case([&](arith::SubIOp) { return Result(i(v[0].i - v[1].i)); })
      .Case([&](arith::MulIOp) { return Result(i(v[0].i * v[1].i)); })
      // By positive constants alone: (C5) of custom_route.
      .Case([&](arith::DivSIOp) { return Result(i(v[0].i / v[1].i)); })
      .Case([&](arith::RemSIOp) { return Result(i(v[0].i % v[1].i)); })
      .Case([&](arith::FloorDivSIOp) { return Result(i(floorDiv())); })
      .Case([&](arith::MaxSIOp) { return Result(i(std::max(v[0].i, v[1].i))); })
      .Case([&](arith::MinSIOp) { return Result(i(std::min(v[0].i, v[1].i))); })
      .Case([&](arith::AndIOp) { return Result(i(v[0].i & v[1].i)); })
      .Case([&](arith::OrIOp) { return Result(i(v[0].i | v[1].i)); })
      .Case([&](arith::XOrIOp) { return Result(i(v[0].i ^ v[1].i)); })
      .Case<arith::IndexCastOp, arith::ExtSIOp, arith::ExtUIOp,
            arith::TruncIOp>([&](auto) { return Result(i(v[0].i)); })
      .Case<arith::SIToFPOp, arith::UIToFPOp>(
          [&](auto) { return Result(f(double(v[0].i))); })
      .Case([&](arith::FPToSIOp) { return Result(i(int64_t(v[0].f))); })
      .Case([&](math::ExpOp) { return Result(f(std::exp(v[0].f))); })
      .Case([&](math::LogOp) { return Result(f(std::log(v[0].f))); })
      .Case([&](math::Log1pOp) { return Result(f(std::log1p(v[0].f))); })
      .Case([&](math::SqrtOp) { return Result(f(std::sqrt(v[0].f))); })
      .Case([&](math::RsqrtOp) { return Result(f(1 / std::sqrt(v[0].f))); })
      .Case([&](math::TanhOp) { return Result(f(std::tanh(v[0].f))); })
      .Case([&](math::AbsFOp) { return Result(f(std::fabs(v[0].f))); })
      .Case([&](math::FmaOp) { return Result(f(v[0].f * v[1].f + v[2].f)); })
      .Default([](Operation *op) { return Result(unknown(op)); });
}

Scalar at(const Data &data, int64_t index) {
  return data.floats ? Scalar{(*data.floats)[index], 0}
                     : Scalar{0, (*data.ints)[index]};
}

Data dataOf(Type type, llvm::ArrayRef<Scalar> values) {
  auto shaped = dyn_cast<ShapedType>(type);
  llvm::ArrayRef<int64_t> shape =
      shaped ? shaped.getShape() : llvm::ArrayRef<int64_t>();
  if (isFloat(type)) {
    std::vector<double> floats;
    for (Scalar v : values)
      floats.push_back(v.f);
    return Data::ofFloats(shape, std::move(floats));
  }
  std::vector<int64_t> ints;
  for (Scalar v : values)
    ints.push_back(v.i);
  return Data::ofInts(shape, std::move(ints));
}

std::vector<Scalar> scalarsOf(const Data &data) {
  std::vector<Scalar> values(data.numElements());
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = at(data, i);
  return values;
}

/// Where `point` lies in a tensor of `shape`, row major.
int64_t offset(llvm::ArrayRef<int64_t> point, llvm::ArrayRef<int64_t> shape) {
  int64_t at = 0;
  for (auto [i, size] : llvm::zip_equal(point, shape))
    at = at * size + i;
  return at;
}

/// Calls `body` on every point of `ranges`, the last dimension fastest.
llvm::Error
forEach(llvm::ArrayRef<int64_t> ranges,
        llvm::function_ref<llvm::Error(llvm::ArrayRef<int64_t>)> body) {
  if (llvm::is_contained(ranges, 0))
    return llvm::Error::success();
  SmallVector<int64_t> point(ranges.size());
  for (;;) {
    if (llvm::Error error = body(point))
      return error;
    int64_t d = ranges.size() - 1;
    while (d >= 0 && ++point[d] == ranges[d])
      point[d--] = 0;
    if (d < 0)
      return llvm::Error::success();
  }
}

class Routing {
public:
  explicit Routing(Interpreter &in) : in(in) {}
  llvm::DenseMap<Value, Data> values;

  llvm::Error run(Operation &op) {
    return llvm::TypeSwitch<Operation *, llvm::Error>(&op)
        .Case<linalg::LinalgOp>([&](auto op) { return loops(op); })
        .Case<linalg::SoftmaxOp, tensor::EmptyOp, tensor::SplatOp,
              tensor::ExtractSliceOp, tensor::InsertSliceOp>(
            [&](auto op) { return eval(op); })
        .Case<tensor::ExpandShapeOp, tensor::CollapseShapeOp>([&](auto op) {
          values[op.getResult()] =
              dataOf(op.getResult().getType(), scalarsOf(values[op.getSrc()]));
          return llvm::Error::success();
        })
        .Case([&](arith::ConstantOp op) { return eval(op); })
        .Default([&](Operation *op) { return each(op); });
  }

private:
  Interpreter &in;

  llvm::Error eval(arith::ConstantOp op) {
    SmallVector<Data> results;
    if (llvm::Error error =
            (*findSemantics("arith.constant"))(in, op, {}, results))
      return error;
    values[op] = std::move(results[0]);
    return llvm::Error::success();
  }

  /// An op of arith or math, of elements or of tensors of them.
  llvm::Error each(Operation *op) {
    if (op->getNumResults() != 1 || op->getNumOperands() == 0)
      return unknown(op);
    Type type = op->getResult(0).getType();
    int64_t count = 1;
    for (Value operand : op->getOperands())
      count = std::max(count, values[operand].numElements());
    std::vector<Scalar> out;
    for (int64_t i = 0; i < count; ++i) {
      SmallVector<Scalar> v;
      for (Value operand : op->getOperands()) // a select's condition may be one
        v.push_back(at(values[operand], values[operand].shape.empty() ? 0 : i));
      auto made = compute(op, v);
      if (!made)
        return made.takeError();
      out.push_back(*made);
    }
    values[op->getResult(0)] = dataOf(type, out);
    return llvm::Error::success();
  }

  llvm::Error loops(linalg::LinalgOp op) {
    SmallVector<int64_t> ranges = op.getStaticLoopRanges();
    if (auto count = elements(op, ranges); !count)
      return count.takeError();
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    std::vector<std::vector<Scalar>> buffers;
    for (Value operand : op->getOperands())
      buffers.push_back(scalarsOf(values[operand]));
    Block &body = op->getRegion(0).front();
    auto where = [&](size_t i, llvm::ArrayRef<int64_t> point) {
      auto shape = llvm::ArrayRef(values[op->getOperand(i)].shape);
      return offset(maps[i].compose(point), shape);
    };
    if (llvm::Error error =
            forEach(ranges, [&](llvm::ArrayRef<int64_t> point) -> llvm::Error {
              llvm::DenseMap<Value, Scalar> local;
              auto get = [&](Value v) {
                auto it = local.find(v);
                return it != local.end() ? it->second : at(values[v], 0);
              };
              for (auto [i, arg] : llvm::enumerate(body.getArguments()))
                local[arg] = buffers[i][where(i, point)];
              for (Operation &inner : body.without_terminator()) {
                if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
                  local[index] = Scalar{0, point[index.getDim()]};
                  continue;
                }
                if (auto constant = dyn_cast<arith::ConstantOp>(inner)) {
                  if (llvm::Error error = eval(constant))
                    return error;
                  continue;
                }
                SmallVector<Scalar> v;
                for (Value operand : inner.getOperands())
                  v.push_back(get(operand));
                auto made = compute(&inner, v);
                if (!made)
                  return made.takeError();
                local[inner.getResult(0)] = *made;
              }
              size_t first = op.getNumDpsInputs();
              for (auto [i, made] :
                   llvm::enumerate(body.getTerminator()->getOperands()))
                buffers[first + i][where(first + i, point)] = get(made);
              return llvm::Error::success();
            }))
      return error;
    for (auto [i, result] : llvm::enumerate(op->getResults()))
      values[result] =
          dataOf(result.getType(), buffers[op.getNumDpsInputs() + i]);
    return llvm::Error::success();
  }

  llvm::Error eval(linalg::SoftmaxOp op) {
    std::vector<Scalar> v = scalarsOf(values[op.getInput()]);
    auto shape = cast<ShapedType>(op.getInput().getType()).getShape();
    int64_t along = shape[op.getDimension()], step = 1;
    for (int64_t size : shape.drop_front(op.getDimension() + 1))
      step *= size;
    for (int64_t first = 0; first < int64_t(v.size()); ++first) {
      if (first / step % along)
        continue;
      double most = -INFINITY, sum = 0;
      auto of = [&](int64_t i) -> double & { return v[first + i * step].f; };
      for (int64_t i = 0; i < along; ++i)
        most = std::max(most, of(i));
      for (int64_t i = 0; i < along; ++i)
        sum += of(i) = std::exp(of(i) - most);
      for (int64_t i = 0; i < along; ++i)
        of(i) /= sum;
    }
    values[op->getResult(0)] = dataOf(op->getResult(0).getType(), v);
    return llvm::Error::success();
  }

  llvm::Error fill(Operation *op, Scalar value) {
    auto type = cast<ShapedType>(op->getResult(0).getType());
    auto count = elements(op, type.getShape());
    if (!count)
      return count.takeError();
    values[op->getResult(0)] = dataOf(type, std::vector<Scalar>(*count, value));
    return llvm::Error::success();
  }
  llvm::Error eval(tensor::EmptyOp op) { return fill(op, {}); }
  llvm::Error eval(tensor::SplatOp op) {
    return fill(op, at(values[op.getInput()], 0));
  }

  /// Elements of a slice, in order, and where each is in the whole.
  template <typename OpT>
  void slice(OpT op, llvm::ArrayRef<int64_t> whole,
             llvm::function_ref<void(int64_t inSlice, int64_t inWhole)> body) {
    int64_t n = 0;
    llvm::cantFail(forEach(op.getStaticSizes(), [&](auto point) {
      SmallVector<int64_t> at;
      for (auto [i, from, step] :
           llvm::zip_equal(point, op.getStaticOffsets(), op.getStaticStrides()))
        at.push_back(from + i * step);
      body(n++, offset(at, whole));
      return llvm::Error::success();
    }));
  }
  llvm::Error eval(tensor::ExtractSliceOp op) {
    const Data &from = values[op.getSource()];
    std::vector<Scalar> out(op.getType().getNumElements());
    slice(op, op.getSourceType().getShape(),
          [&](int64_t i, int64_t at) { out[i] = reference::at(from, at); });
    values[op] = dataOf(op.getType(), out);
    return llvm::Error::success();
  }
  llvm::Error eval(tensor::InsertSliceOp op) {
    const Data &from = values[op.getSource()];
    std::vector<Scalar> out = scalarsOf(values[op.getDest()]);
    slice(op, op.getDestType().getShape(),
          [&](int64_t i, int64_t at) { out[at] = reference::at(from, i); });
    values[op] = dataOf(op.getType(), out);
    return llvm::Error::success();
  }
};

llvm::Error evalCustomRoute(Interpreter &in, CustomRouteOp op, Operands v,
                            Results &results) {
  int64_t tokens = v[0].shape[0], experts = v[0].shape[1],
          k = op.getIds().getType().getDimSize(1);
  std::vector<int64_t> ids;
  std::vector<double> weights;
  Block &body = op.getBody().front();
  for (int64_t t = 0; t < tokens; ++t) {
    Routing routing(in);
    const double *row = v[0].floats->data() + t * experts;
    routing.values[body.getArgument(0)] =
        Data::ofFloats({1, experts}, {row, row + experts});
    if (v.size() > 1)
      routing.values[body.getArgument(1)] = v[1];
    for (Operation &inner : body.without_terminator())
      if (llvm::Error error = routing.run(inner))
        return error;
    auto made = body.getTerminator()->getOperands();
    llvm::append_range(ids, *routing.values[made[0]].ints);
    llvm::append_range(weights, *routing.values[made[1]].floats);
  }
  results.push_back(Data::ofInts({tokens, k}, std::move(ids)));
  results.push_back(Data::ofFloats({tokens, k}, std::move(weights)));
  return llvm::Error::success();
}
} // namespace

void addCustomRouteSemantics(llvm::StringMap<Semantics> &map) {
  add(map, evalCustomRoute);
}

} // namespace heddle::reference
