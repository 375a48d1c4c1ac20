//===- MoEOps.cpp - Verifiers and shapes of Mixture-of-Experts ------------===//
//
// Comments (Cn) cite the numbered constraints of MoEOps.td.
//
//===----------------------------------------------------------------------===//
#include "heddle/dialects/Heddle/Heddle.h"
#include "mlir/IR/Builders.h"
#include <cmath>

using namespace mlir;
using namespace heddle;

static RankedTensorType tensorOf(Value v) {
  return cast<RankedTensorType>(v.getType());
}
static int64_t dim(Value v, unsigned i) { return tensorOf(v).getDimSize(i); }

/// [rows of `like`, width] of `elem`.
static Type rowsLike(Value like, int64_t width, Type elem) {
  return RankedTensorType::get({dim(like, 0), width}, elem);
}

/// An operand of at least `rank`: types are inferred before they are verified.
static bool hasRank(Value v, int64_t rank) {
  auto type = dyn_cast<RankedTensorType>(v.getType());
  return type && type.getRank() >= rank;
}

/// An attribute that decides a result's shape. The parser infers before it
/// moves attributes into properties.
template <typename AttrT>
static AttrT given(AttrT property, DictionaryAttr attrs, StringRef name) {
  return property || !attrs ? property : attrs.getAs<AttrT>(name);
}

#define INFER(OP)                                                              \
  LogicalResult OP::inferReturnTypes(                                          \
      MLIRContext *context, std::optional<Location> loc, ValueRange operands,  \
      DictionaryAttr attrs, OpaqueProperties props, RegionRange regions,       \
      SmallVectorImpl<Type> &types)

//===----------------------------------------------------------------------===//
// Routing
//===----------------------------------------------------------------------===//

LogicalResult RouterAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 int64_t k, StringRef score, StringRef post,
                                 StringRef norm, FloatAttr eps, FloatAttr scale,
                                 int64_t groups, int64_t keep, StringRef reduce,
                                 StringRef fill) {
  if (k < 1 || k > 256) // C1
    return emitError() << "(C1) k = " << k << ", limit 1 to 256";
  struct Word {
    StringRef name, value;
    SmallVector<StringRef, 4> words;
  };
  for (const Word &w : {
           Word{
               "score", score, {"softmax", "sigmoid", "sqrt_softplus", "none"}},
           Word{"post", post, {"none", "softmax", "sigmoid"}},
           Word{"norm", norm, {"none", "sum", "clamp_min"}},
           Word{"reduce", reduce, {"max", "sum_top2"}},
           Word{"fill", fill, {"neg_inf", "zero"}},
       })
    if (!llvm::is_contained(w.words, w.value)) // C2
      return emitError() << "(C2) " << w.name << " = " << w.value << ", limit "
                         << llvm::join(w.words, ", ");
  if (groups < 1 || groups > 65536 || keep < 1 || keep > groups) // C3
    return emitError() << "(C3) groups, keep = " << groups << ", " << keep
                       << ", limit 1 to 65536, 1 to groups";
  if (norm == "sum" && post == "softmax") // C4
    return emitError() << "(C4) norm = sum after post = softmax";
  double e = eps ? eps.getValueAsDouble() : 0,
         s = scale ? scale.getValueAsDouble() : 1;
  if (!(e >= 0 && std::isfinite(e)) || !std::isfinite(s) || s == 0) // C5
    return emitError() << "(C5) eps, scale = " << e << ", " << s
                       << ", limit not negative, not 0";
  return success();
}

LogicalResult heddle::verifyRouter(Operation *op) {
  auto matrix = [](Value v, auto isElement) {
    auto type = dyn_cast<RankedTensorType>(v.getType());
    return type && type.getRank() == 2 && !type.isDynamicDim(1) &&
                   !type.getEncoding() && isElement(type.getElementType())
               ? type
               : RankedTensorType();
  };
  auto isF32 = [](Type type) { return type.isF32(); };
  if (op->getNumOperands() < 1 || op->getNumResults() != 2)
    return op->emitOpError("needs logits, and results ids and weights");
  auto router = cast<RouterOpInterface>(op);
  auto logits = matrix(router.getLogits(), isF32);
  int64_t experts = logits ? logits.getDimSize(1) : 0;
  if (experts < 1 || experts > 65536) // R1
    return op->emitOpError("(R1) logits are ")
           << router.getLogits().getType() << ", needs f32 [T, 1 to 65536]";
  auto ids = matrix(router.getIds(),
                    [](Type type) { return type.isSignlessInteger(32); }),
       weights = matrix(router.getWeights(), isF32);
  if (!ids || !weights || ids.getShape() != weights.getShape() ||
      ids.getDimSize(0) != logits.getDimSize(0)) // R2
    return op->emitOpError("(R2) ids and weights are ")
           << router.getIds().getType() << " and "
           << router.getWeights().getType()
           << ", needs i32 and f32 [T, k] of the logits' T";
  int64_t k = ids.getDimSize(1), limit = std::min<int64_t>(experts, 256);
  if (k < 1 || k > limit) // R3
    return op->emitOpError("(R3) k = ") << k << ", limit 1 to " << limit;
  if (!isRowWise(op)) // R4
    return op->emitOpError("(R4) a router acts on each token by itself, and "
                           "its op says so: RowWise");
  return success();
}

INFER(RouteOp) {
  auto *own = props ? props.as<Properties *>() : nullptr;
  auto router = given(own ? own->getRouter() : RouterAttr(), attrs, "router");
  if (!router)
    return emitOptionalError(loc, "needs the attribute router");
  if (!hasRank(operands[0], 1))
    return failure();
  Builder b(context);
  types.push_back(rowsLike(operands[0], router.getK(), b.getI32Type()));
  types.push_back(rowsLike(operands[0], router.getK(), b.getF32Type()));
  return success();
}

LogicalResult RouteOp::verify() {
  RouterAttr router = getRouter();
  int64_t experts = dim(getLogits(), 1), k = router.getK(),
          groups = router.getGroups();
  if (experts % groups ||
      (router.getReduce() == "sum_top2" && experts / groups < 2)) // C2
    return emitOpError("(C2) groups = ")
           << groups << " does not divide " << experts << " experts"
           << (experts % groups ? "" : " into two or more a group");
  int64_t open = experts / groups * router.getKeep();
  // Experts of other groups may be chosen where they have 0.
  if (k > (router.getFill() == "zero" ? experts : open)) // C1
    return emitOpError("(C1) k = ") << k << ", limit " << open << " experts";
  if (getSelectBias() && dim(getSelectBias(), 0) != experts) // C3
    return emitOpError("(C3) select_bias has ")
           << dim(getSelectBias(), 0) << " elements, needs " << experts;
  for (Value result : getResults()) // C4
    if (dim(result, 0) != dim(getLogits(), 0) || dim(result, 1) != k)
      return emitOpError(
                 "(C4) results must be [T, k] of the logits' T and k = ")
             << k;
  return success();
}

INFER(PlanOp) {
  auto *own = props ? props.as<Properties *>() : nullptr;
  auto experts =
      given(own ? own->getExperts() : IntegerAttr(), attrs, "experts");
  if (!experts)
    return emitOptionalError(loc, "needs the attribute experts");
  int64_t count = experts.getInt();
  if (count < 1 || count > 65536) // C1, before it makes a type
    return emitOptionalError(loc, "(C1) experts = ", count,
                             ", limit 1 to 65536");
  types.assign(2, operands[0].getType());
  types.push_back(
      RankedTensorType::get({count + 1}, IntegerType::get(context, 32)));
  return success();
}

LogicalResult PlanOp::verify() {
  int64_t experts = getExperts();
  if (experts < 1 || experts > 65536) // C1
    return emitOpError("(C1) experts = ") << experts << ", limit 1 to 65536";
  if (getOrder().getType() != getIds().getType() ||
      getPosition().getType() != getIds().getType() ||
      dim(getOffsets(), 0) != experts + 1) // C2
    return emitOpError("(C2) order and position must be as ids, offsets have ")
           << experts + 1 << " elements";
  return success();
}

//===----------------------------------------------------------------------===//
// Rows of slots
//===----------------------------------------------------------------------===//

INFER(DispatchOp) {
  if (!hasRank(operands[0], 2) || !hasRank(operands[1], 2))
    return failure();
  auto type = tensorOf(operands[0]);
  types.push_back(RankedTensorType::get(
      {type.getDimSize(0), type.getDimSize(1) * dim(operands[1], 1)},
      type.getElementType(), type.getEncoding()));
  return success();
}

LogicalResult DispatchOp::verify() {
  auto x = tensorOf(getX()), result = tensorOf(getResult());
  int64_t k = dim(getOrder(), 1);
  if (dim(getOrder(), 0) != x.getDimSize(0) ||
      result.getShape() !=
          ArrayRef<int64_t>{x.getDimSize(0), x.getDimSize(1) * k} ||
      result.getEncoding() != x.getEncoding()) // C1
    return emitOpError("(C1) makes ")
           << result << " of " << x << " for " << k << " slots";
  auto rows = encodingOf<RowsAttr>(getX());
  int64_t unit = !rows ? 1 : rows.isCodes() ? rows.getGroup() : 2;
  if (x.getDimSize(1) % unit) // C2
    return emitOpError("(C2) a unit of ")
           << unit << " of the rows' form does not divide " << x.getDimSize(1);
  return success();
}

/// Whether a bias is [E, N] of a weight [E, N, K], or absent.
static bool fitsBias(Value bias, Value weight) {
  return !bias ||
         tensorOf(bias).getShape() == tensorOf(weight).getShape().drop_back();
}

INFER(GroupedMatmulOp) {
  if (!hasRank(operands[0], 2) || !hasRank(operands[1], 3) ||
      dim(operands[1], 2) < 1)
    return failure();
  types.push_back(
      rowsLike(operands[0],
               dim(operands[0], 1) / dim(operands[1], 2) * dim(operands[1], 1),
               Float32Type::get(context)));
  return success();
}

LogicalResult GroupedMatmulOp::verify() {
  int64_t width = dim(getX(), 1), k = dim(getWeight(), 2),
          experts = dim(getWeight(), 0);
  if (width % k || dim(getResult(), 0) != dim(getX(), 0) ||
      dim(getResult(), 1) != width / k * dim(getWeight(), 1)) // C1
    return emitOpError("(C1) x has width ")
           << width << ", rows of the weight " << k;
  if (dim(getOffsets(), 0) != experts + 1) // C2
    return emitOpError("(C2) offsets has ")
           << dim(getOffsets(), 0) << " elements, needs " << experts + 1;
  if (!fitsBias(getBias(), getWeight())) // C3
    return emitOpError("(C3) bias is ")
           << tensorOf(getBias()) << ", the weight " << tensorOf(getWeight());
  return success();
}

INFER(RoutedMatmulOp) {
  if (!hasRank(operands[0], 2) || !hasRank(operands[1], 3) ||
      !hasRank(operands[2], 2))
    return failure();
  types.push_back(rowsLike(operands[0],
                           dim(operands[2], 1) * dim(operands[1], 1),
                           Float32Type::get(context)));
  return success();
}

LogicalResult RoutedMatmulOp::verify() {
  int64_t width = dim(getX(), 1), k = dim(getWeight(), 2),
          slots = dim(getIds(), 1);
  if ((width != k && width != slots * k) ||
      dim(getResult(), 1) != slots * dim(getWeight(), 1)) // C1
    return emitOpError("(C1) x has width ")
           << width << ", needs " << k << " or " << slots << " times that";
  if (dim(getX(), 0) != dim(getIds(), 0) ||
      dim(getResult(), 0) != dim(getX(), 0)) // C2
    return emitOpError("(C2) x, ids and result have different tokens");
  if (!fitsBias(getBias(), getWeight())) // C3
    return emitOpError("(C3) bias is ")
           << tensorOf(getBias()) << ", the weight " << tensorOf(getWeight());
  return success();
}

LogicalResult FetchOp::verify() {
  if (getWeights().empty())
    return emitOpError("(C1) needs a weight");
  for (Value weight : getWeights()) {
    auto packed = encodingOf<PackedAttr>(weight);
    if (!packed || !packed.getTable()) // C1
      return emitOpError("(C1) the weight ")
             << weight.getType() << " has no table";
    auto offsets = cast<RankedTensorType>(getChosen().getType());
    int64_t experts = cast<RankedTensorType>(weight.getType()).getDimSize(0);
    if (isGrouped() && offsets.getDimSize(0) != experts + 1) // C2
      return emitOpError("(C2) ")
             << offsets.getDimSize(0) << " offsets, limit " << experts + 1;
  }
  return success();
}

INFER(CombineOp) {
  if (!hasRank(operands[0], 2) || !hasRank(operands[1], 2) ||
      dim(operands[1], 1) < 1)
    return failure();
  types.push_back(rowsLike(operands[0],
                           dim(operands[0], 1) / dim(operands[1], 1),
                           Float32Type::get(context)));
  return success();
}

LogicalResult CombineOp::verify() {
  int64_t k = dim(getWeights(), 1);
  if (dim(getYs(), 1) % k || dim(getYs(), 0) != dim(getWeights(), 0) ||
      dim(getResult(), 0) != dim(getYs(), 0) ||
      dim(getResult(), 1) != dim(getYs(), 1) / k) // C1
    return emitOpError("(C1) ys is ")
           << tensorOf(getYs()) << ", which " << k << " slots do not divide";
  if (getPosition() && tensorOf(getPosition()).getShape() !=
                           tensorOf(getWeights()).getShape()) // C2
    return emitOpError("(C2) position is ")
           << tensorOf(getPosition()) << ", weights " << tensorOf(getWeights());
  return success();
}

INFER(GateRowsOp) {
  types.push_back(operands[0].getType());
  return success();
}

LogicalResult GateRowsOp::verify() {
  if (dim(getWeight(), 0) != dim(getBy(), 1)) // C1
    return emitOpError("(C1) weight has ")
           << dim(getWeight(), 0) << " elements, needs " << dim(getBy(), 1);
  return success();
}

//===----------------------------------------------------------------------===//
// Experts
//===----------------------------------------------------------------------===//

INFER(ExpertsOp) {
  if (!hasRank(operands[0], 2) || !hasRank(operands[5], 3))
    return failure();
  types.push_back(
      rowsLike(operands[0], dim(operands[5], 1), Float32Type::get(context)));
  return success();
}

LogicalResult ExpertsOp::verify() {
  auto gate = tensorOf(getGate()), up = tensorOf(getUp()),
       down = tensorOf(getDown());
  int64_t inner = gate.getDimSize(1);
  if (gate.getShape() != up.getShape() ||
      gate.getDimSize(2) != dim(getX(), 1)) // C1
    return emitOpError("(C1) gate and up are ")
           << gate << " and " << up << ", x has width " << dim(getX(), 1);
  if (down.getDimSize(0) != gate.getDimSize(0) ||
      down.getDimSize(2) != inner) // C2
    return emitOpError("(C2) down is ")
           << down << ", needs " << gate.getDimSize(0) << " experts of width "
           << inner;
  if (tensorOf(getIds()).getShape() != tensorOf(getWeights()).getShape() ||
      dim(getIds(), 0) != dim(getX(), 0)) // C3
    return emitOpError("(C3) ids and weights are ")
           << tensorOf(getIds()) << " and " << tensorOf(getWeights());
  if (auto rows = getHidden(); rows && inner % rows->getGroup()) // C4
    return emitOpError("(C4) group = ")
           << rows->getGroup() << " does not divide " << inner;
  Value biases[] = {getGateBias(), getUpBias(), getDownBias()},
        made[] = {getGate(), getUp(), getDown()};
  for (auto [bias, weight] : llvm::zip(biases, made)) // C5
    if (!bias != !getDownBias() || !fitsBias(bias, weight)) {
      auto error = emitOpError("(C5) a bias is ");
      return (bias ? error << tensorOf(bias) : error << "absent")
             << ", the weight " << tensorOf(weight);
    }
  if (auto router = getIds().getDefiningOp<RouterOpInterface>())
    if (int64_t logits = dim(router.getLogits(), 1), has = gate.getDimSize(0);
        logits != has) // C6
      return emitOpError("(C6) the router has ")
             << logits << " logits, needs " << has << " as of experts";
  return success();
}
