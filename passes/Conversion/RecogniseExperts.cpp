//===- RecogniseExperts.cpp - A loop over experts as one op ---------------===//
#include "heddle/Import/Parameters.h"
#include "heddle/passes/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace heddle {
#define GEN_PASS_DEF_RECOGNISEEXPERTS
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
//===----------------------------------------------------------------------===//
// Bodies of linalg.generic
//===----------------------------------------------------------------------===//

constexpr auto kParallel = utils::IteratorType::parallel,
               kReduction = utils::IteratorType::reduction;

/// The generic op that makes `value`, of these loops, with maps from them to
/// the dimensions of its inputs and its one output.
linalg::GenericOp generic(Value value, ArrayRef<utils::IteratorType> loops,
                          ArrayRef<SmallVector<unsigned>> dims) {
  auto op = value.getDefiningOp<linalg::GenericOp>();
  if (!op || op.getNumDpsInits() != 1 ||
      op.getNumDpsInputs() + 1 != int64_t(dims.size()) ||
      op.getIteratorTypesArray() != loops)
    return {};
  for (auto [map, of] : llvm::zip_equal(op.getIndexingMapsArray(), dims))
    if (map !=
        AffineMap::getMultiDimMapWithTargets(loops.size(), of, op.getContext()))
      return {};
  return op;
}

/// What the body of `op` yields.
Value yielded(linalg::GenericOp op) {
  return op.getBody()->getTerminator()->getOperand(0);
}

/// `Op` of these two values, in either order if it commutes.
template <typename Op> bool isOf(Value value, Value a, Value b) {
  auto op = value.getDefiningOp<Op>();
  return op && ((op->getOperand(0) == a && op->getOperand(1) == b) ||
                (op->template hasTrait<OpTrait::IsCommutative>() &&
                 op->getOperand(0) == b && op->getOperand(1) == a));
}

template <typename Cmp, typename Predicate>
bool compares(Value value, Predicate predicate, Value a, Value b) {
  auto op = value.getDefiningOp<Cmp>();
  return op && op.getPredicate() == predicate && op.getLhs() == a &&
         op.getRhs() == b;
}

bool isZero(Value value) {
  return matchPattern(value, m_AnyZeroFloat()) || matchPattern(value, m_Zero());
}

/// A tensor of zeros.
bool isZeros(Value value) {
  auto fill = value.getDefiningOp<linalg::FillOp>();
  return fill ? isZero(fill.getInputs()[0]) : isZero(value);
}

/// Whether `value` is loop `dim` of the body around it.
bool isIndex(Value value, uint64_t dim) {
  if (auto cast = value.getDefiningOp<arith::IndexCastOp>())
    value = cast.getIn();
  auto index = value.getDefiningOp<linalg::IndexOp>();
  return index && index.getDim() == dim;
}

//===----------------------------------------------------------------------===//
// Routing
//===----------------------------------------------------------------------===//

struct Routing {
  Value logits;
  int64_t k = 0;
  bool norm = false;
};

/// rank[t, e] = how many p[t, j] come before p[t, e]: those that are larger,
/// and of equal ones those with a lower number.
bool isRankOf(Value rank, Value p) {
  auto op = generic(rank, {kParallel, kParallel, kReduction},
                    {{0, 2}, {0, 1}, {0, 1}});
  if (!op || op.getInputs()[0] != p || op.getInputs()[1] != p ||
      !isZeros(op.getOutputs()[0]))
    return false;
  Block *body = op.getBody();
  Value other = body->getArgument(0), own = body->getArgument(1),
        count = body->getArgument(2);
  auto sum = yielded(op).getDefiningOp<arith::AddIOp>();
  if (!sum)
    return false;
  Value one = sum.getLhs() == count ? sum.getRhs() : sum.getLhs();
  auto before = one.getDefiningOp<arith::ExtUIOp>();
  if (!before || !isOf<arith::AddIOp>(sum, count, one))
    return false;
  auto either = before.getIn().getDefiningOp<arith::OrIOp>();
  if (!either)
    return false;
  auto larger = [&](Value v) {
    return compares<arith::CmpFOp>(v, arith::CmpFPredicate::OGT, other, own);
  };
  auto tie = [&](Value v) {
    auto both = v.getDefiningOp<arith::AndIOp>();
    auto equal = [&](Value v) {
      return compares<arith::CmpFOp>(v, arith::CmpFPredicate::OEQ, other, own);
    };
    auto lower = [&](Value v) {
      auto op = v.getDefiningOp<arith::CmpIOp>();
      return op &&
             (op.getPredicate() == arith::CmpIPredicate::slt ||
              op.getPredicate() == arith::CmpIPredicate::ult) &&
             isIndex(op.getLhs(), 2) && isIndex(op.getRhs(), 1);
    };
    return both && ((equal(both.getLhs()) && lower(both.getRhs())) ||
                    (equal(both.getRhs()) && lower(both.getLhs())));
  };
  return (larger(either.getLhs()) && tie(either.getRhs())) ||
         (larger(either.getRhs()) && tie(either.getLhs()));
}

/// weights[t, e] = p[t, e] where its rank is below k, else 0; p a softmax.
std::optional<Routing> matchChosen(Value weights) {
  auto op = generic(weights, {kParallel, kParallel}, {{0, 1}, {0, 1}, {0, 1}});
  if (!op)
    return std::nullopt;
  auto select = yielded(op).getDefiningOp<arith::SelectOp>();
  if (!select || !isZero(select.getFalseValue()))
    return std::nullopt;
  unsigned at = select.getTrueValue() == op.getBody()->getArgument(0) ? 0 : 1;
  Value rank = op.getBody()->getArgument(1 - at);
  auto below = select.getCondition().getDefiningOp<arith::CmpIOp>();
  APInt k;
  if (select.getTrueValue() != op.getBody()->getArgument(at) || !below ||
      below.getPredicate() != arith::CmpIPredicate::slt ||
      below.getLhs() != rank ||
      !matchPattern(below.getRhs(), m_ConstantInt(&k)))
    return std::nullopt;
  auto softmax = op.getInputs()[at].getDefiningOp<linalg::SoftmaxOp>();
  if (!softmax || softmax.getDimension() != 1 ||
      !isRankOf(op.getInputs()[1 - at], op.getInputs()[at]))
    return std::nullopt;
  return Routing{softmax.getInput(), k.getSExtValue(), false};
}

/// The same, or each row of it divided by its sum.
std::optional<Routing> matchRouting(Value weights) {
  auto op = generic(weights, {kParallel, kParallel}, {{0, 1}, {0}, {0, 1}});
  if (!op)
    return matchChosen(weights);
  Value chosen = op.getInputs()[0];
  auto sum = generic(op.getInputs()[1], {kParallel, kReduction}, {{0, 1}, {0}});
  auto args = op.getBody()->getArguments();
  if (!isOf<arith::DivFOp>(yielded(op), args[0], args[1]) || !sum ||
      sum.getInputs()[0] != chosen || !isZeros(sum.getOutputs()[0]) ||
      !isOf<arith::AddFOp>(yielded(sum), sum.getBody()->getArgument(0),
                           sum.getBody()->getArgument(1)))
    return std::nullopt;
  auto routing = matchChosen(chosen);
  if (routing)
    routing->norm = true;
  return routing;
}

//===----------------------------------------------------------------------===//
// Experts
//===----------------------------------------------------------------------===//

/// An expert's gated unit times its column of the weights.
struct Term {
  Value x, weights;
  int64_t expert = 0;
  ActivationAttr activation;
  /// Of gate, up and down.
  Value matrices[3];
  /// What as many tokens as the column has are counted of; null: a number.
  Value rows;
};

LinearOp plainLinear(Value value) {
  auto op = value.getDefiningOp<LinearOp>();
  return op && !op.getBias() && op.getMatrices() == 1 ? op : LinearOp();
}

std::optional<Term> matchTerm(Value value) {
  auto op = generic(value, {kParallel, kParallel}, {{0, 1}, {0}, {0, 1}});
  if (!op || !isOf<arith::MulFOp>(yielded(op), op.getBody()->getArgument(0),
                                  op.getBody()->getArgument(1)))
    return std::nullopt;
  auto column = op.getInputs()[1].getDefiningOp<tensor::ExtractSliceOp>();
  auto down = plainLinear(op.getInputs()[0]);
  auto glu = down ? down.getX().getDefiningOp<GLUOp>() : GLUOp();
  auto gate = glu ? plainLinear(glu.getGate()) : LinearOp();
  auto up = glu ? plainLinear(glu.getUp()) : LinearOp();
  if (!column || !gate || !up || gate.getX() != up.getX() ||
      column.getType().getRank() != 1)
    return std::nullopt;
  auto source = column.getSourceType();
  ArrayRef<int64_t> offsets = column.getStaticOffsets(),
                    sizes = column.getStaticSizes(),
                    strides = column.getStaticStrides();
  // All tokens of one column.
  if (source.getRank() != 2 || offsets[0] != 0 ||
      ShapedType::isDynamic(offsets[1]) || sizes[1] != 1 ||
      llvm::any_of(strides, [](int64_t s) { return s != 1; }))
    return std::nullopt;
  Value rows;
  if (ShapedType::isDynamic(sizes[0])) {
    auto dim = column.getSizes()[0].getDefiningOp<tensor::DimOp>();
    if (!dim || dim.getConstantIndex() != 0)
      return std::nullopt;
    rows = dim.getSource();
  } else if (sizes[0] != source.getDimSize(0)) {
    return std::nullopt;
  }
  Term term{gate.getX(),
            column.getSource(),
            offsets[1],
            glu.getActivation(),
            {gate.getWeight(), up.getWeight(), down.getWeight()},
            rows};
  return term;
}

/// What a tree of sums adds, but for zeros; what others read too is one value.
void leaves(Value value, SmallVectorImpl<Value> &out) {
  auto add = value.getDefiningOp<arith::AddFOp>();
  if (!add)
    return;
  for (Value operand : add->getOperands())
    if (operand.getDefiningOp<arith::AddFOp>() && operand.hasOneUse())
      leaves(operand, out);
    else if (!isZeros(operand))
      out.push_back(operand);
}

/// The one name that stands for all of these (Parameters.h), or "".
std::string nameOfAll(ArrayRef<StringRef> names) {
  for (size_t at = names[0].find('0'); at != StringRef::npos;
       at = names[0].find('0', at + 1)) {
    std::string all =
        (names[0].take_front(at) + "*" + names[0].drop_front(at + 1)).str();
    if (llvm::all_of(llvm::enumerate(names), [&](auto name) {
          return name.value() == import::expertName(all, name.index());
        }))
      return all;
  }
  return "";
}

/// The matrices of a function's experts, which are parameters of it or
/// arguments that the table of its layers names.
class Matrices {
public:
  explicit Matrices(func::FuncOp function) : function(function) {
    auto module = function->getParentOfType<ModuleOp>();
    module.walk([&](LayersOp layers) {
      for (auto [kind, name] : llvm::enumerate(layers.getKinds()))
        if (cast<FlatSymbolRefAttr>(name).getValue() == function.getName())
          uses.push_back({layers, kind});
    });
  }

  /// The names of the stack of `matrices`: one, or of arguments one a layer.
  /// Empty if there is none.
  SmallVector<std::string> names(ArrayRef<Value> matrices) {
    SmallVector<SmallVector<StringRef>> all;
    for (Value matrix : matrices) {
      if (matrix.getType() != matrices[0].getType())
        return {};
      SmallVector<StringRef> names = namesOf(matrix);
      all.resize(std::max(all.size(), names.size()));
      if (names.empty() || names.size() != all.size())
        return {};
      for (auto [layer, name] : llvm::enumerate(names))
        all[layer].push_back(name);
    }
    SmallVector<std::string> stacked;
    for (ArrayRef<StringRef> names : all) {
      stacked.push_back(nameOfAll(names));
      if (names.size() != matrices.size() || stacked.back().empty())
        return {};
    }
    return stacked;
  }

  /// A value of all matrices, [E, N, K], by the names that `names` gave.
  Value stack(OpBuilder &b, ArrayRef<Value> matrices,
              ArrayRef<std::string> names) {
    auto one = cast<RankedTensorType>(matrices[0].getType());
    SmallVector<int64_t> shape = {int64_t(matrices.size())};
    llvm::append_range(shape, one.getShape());
    auto type =
        RankedTensorType::get(shape, one.getElementType(), one.getEncoding());
    Location loc = matrices[0].getLoc();
    if (matrices[0].getDefiningOp())
      return ParamOp::create(b, loc, type, names[0]);
    size_t next = 0;
    editRows([&](SmallVectorImpl<Attribute> &row) {
      row.push_back(b.getStringAttr(names[next++]));
    });
    unsigned at = function.getNumArguments();
    (void)function.insertArgument(at, type, {}, loc);
    return function.getArgument(at);
  }

  /// Drops what nothing reads any more, down to the layers' arguments.
  void clean() {
    for (Operation &op :
         llvm::make_early_inc_range(llvm::reverse(function.front())))
      if (isOpTriviallyDead(&op))
        op.erase();
    for (unsigned at = function.getNumArguments(); !uses.empty() && at--;) {
      if (at < first() || !function.getArgument(at).use_empty())
        continue;
      (void)function.eraseArgument(at);
      editRows([&](SmallVectorImpl<Attribute> &row) {
        row.erase(row.begin() + (at - first()));
      });
    }
  }

private:
  struct Use {
    LayersOp layers;
    size_t kind;
  };

  /// Arguments before those of the rows: carried, the layer's slot, shared.
  unsigned first() {
    LayersOp layers = uses.front().layers;
    return layers.getCarried().size() + 1 + layers.getShared().size();
  }

  template <typename Edit> void editRows(Edit edit) {
    Builder b(function.getContext());
    for (Use use : uses) {
      SmallVector<Attribute> rows(use.layers.getRows().getValue());
      for (auto [row, kind] : llvm::zip_equal(rows, use.layers.getOrder()))
        if (size_t(kind) == use.kind) {
          SmallVector<Attribute> names(cast<ArrayAttr>(row).getValue());
          edit(names);
          row = b.getArrayAttr(names);
        }
      use.layers.setRowsAttr(b.getArrayAttr(rows));
    }
  }

  SmallVector<StringRef> namesOf(Value matrix) {
    if (auto param = matrix.getDefiningOp<ParamOp>())
      return {param.getName()};
    SmallVector<StringRef> names;
    auto argument = dyn_cast<BlockArgument>(matrix);
    if (!argument || uses.empty() || argument.getArgNumber() < first())
      return {};
    editRows([&](SmallVectorImpl<Attribute> &row) {
      names.push_back(
          cast<StringAttr>(row[argument.getArgNumber() - first()]).getValue());
    });
    return names;
  }

  func::FuncOp function;
  SmallVector<Use> uses;
};

struct RecogniseExperts : heddle::impl::RecogniseExpertsBase<RecogniseExperts> {
  void runOnOperation() override {
    for (func::FuncOp function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal() || !function.getBody().hasOneBlock())
        continue;
      // Inner sums come first, so that a residual around is not asked.
      bool changed = false;
      Matrices matrices(function);
      for (auto sum : llvm::to_vector(function.getOps<arith::AddFOp>()))
        changed |= rewrite(sum, matrices);
      if (changed)
        matrices.clean();
    }
  }

  bool rewrite(arith::AddFOp sum, Matrices &matrices) {
    SmallVector<Value> added;
    leaves(sum.getResult(), added);
    SmallVector<Term> terms;
    for (Value value : added)
      if (auto term = matchTerm(value))
        terms.push_back(*term);
    if (terms.empty() || terms.size() != added.size())
      return false;
    llvm::sort(terms, [](const Term &a, const Term &b) {
      return a.expert < b.expert;
    });
    const Term &first = terms[0];
    auto weights = cast<RankedTensorType>(first.weights.getType());
    auto routing = matchRouting(first.weights);
    if (weights.getDimSize(1) != int64_t(terms.size()) || !routing ||
        routing->k < 1 || routing->k > std::min<int64_t>(terms.size(), 256))
      return false;
    for (auto [number, term] : llvm::enumerate(terms))
      if (term.expert != int64_t(number) || term.x != first.x ||
          term.weights != first.weights ||
          term.activation != first.activation ||
          (term.rows && term.rows != first.x && term.rows != first.weights &&
           term.rows != routing->logits))
        return false;
    // Gates, ups and downs, all or none.
    SmallVector<Value> parts[3];
    SmallVector<std::string> names[3];
    for (int part = 0; part < 3; ++part) {
      for (const Term &term : terms)
        parts[part].push_back(term.matrices[part]);
      names[part] = matrices.names(parts[part]);
      if (names[part].empty())
        return false;
    }
    OpBuilder b(sum);
    Value stacks[3];
    for (int part = 0; part < 3; ++part)
      stacks[part] = matrices.stack(b, parts[part], names[part]);
    auto router = RouterAttr::get(&getContext(), routing->k, "softmax", "none",
                                  routing->norm ? "sum" : "none", FloatAttr(),
                                  FloatAttr(), 1, 1, "max", "neg_inf");
    auto route =
        RouteOp::create(b, sum.getLoc(), routing->logits, Value(), router);
    Value y = ExpertsOp::create(b, sum.getLoc(), first.x, route.getIds(),
                                route.getWeights(), stacks[0], stacks[1],
                                stacks[2], Value(), Value(), Value(),
                                first.activation, RowsAttr());
    sum.replaceAllUsesWith(y);
    return true;
  }
};
} // namespace
