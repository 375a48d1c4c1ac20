//===- HeddleOps.cpp - Verifiers and shape inference ----------------------===//
//
// Comments (Cn) cite the numbered constraints of HeddleOps.td.
//
//===----------------------------------------------------------------------===//
#include "heddle/dialects/Heddle/Heddle.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace heddle;

/// `(type, …)`; unlike the format's own list of types, it may be empty.
static ParseResult parseTypeTuple(OpAsmParser &parser,
                                  SmallVectorImpl<Type> &types) {
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, [&] {
    return parser.parseType(types.emplace_back());
  });
}
static void printTypeTuple(OpAsmPrinter &printer, Operation *,
                           TypeRange types) {
  printer << '(' << types << ')';
}

#define GET_OP_CLASSES
#include "heddle/dialects/Heddle/HeddleOps.cpp.inc"

static RankedTensorType tensorOf(Value v) {
  return cast<RankedTensorType>(v.getType());
}
static int64_t rowsOf(Value v) { return tensorOf(v).getDimSize(0); }
static int64_t widthOf(Value v) { return tensorOf(v).getDimSize(1); }

/// f32 [rows of `like`, width]: what most ops infer.
static LogicalResult inferRows(SmallVectorImpl<Type> &types, Value like,
                               int64_t width) {
  auto type = dyn_cast<RankedTensorType>(like.getType());
  if (!type || type.getRank() < 1)
    return failure();
  types.push_back(RankedTensorType::get({type.getDimSize(0), width},
                                        Float32Type::get(like.getContext())));
  return success();
}

/// a * b; 0, which is no width, if that overflows.
static int64_t product(int64_t a, int64_t b) {
  int64_t result;
  return llvm::MulOverflow(a, b, result) ? 0 : result;
}

/// What a weight [N, K] or [H, N, K] makes of a row.
static int64_t outputsOf(Value weight) {
  RankedTensorType type = tensorOf(weight);
  return type.getRank() == 3 ? product(type.getDimSize(0), type.getDimSize(1))
                             : type.getDimSize(0);
}

#define INFER(OP, LIKE, WIDTH)                                                 \
  LogicalResult OP::inferReturnTypes(                                          \
      MLIRContext *context, std::optional<Location> loc, ValueRange operands,  \
      DictionaryAttr attrs, OpaqueProperties props, RegionRange regions,       \
      SmallVectorImpl<Type> &types) {                                          \
    OP::Adaptor a(operands, attrs, props, regions);                            \
    return inferRows(types, LIKE, WIDTH);                                      \
  }
INFER(EmbeddingOp, a.getIds(), widthOf(a.getTable()))
INFER(SelectRowsOp, a.getRows(), widthOf(a.getX()))
INFER(RMSNormOp, a.getX(), widthOf(a.getX()))
INFER(LinearOp, a.getX(), outputsOf(a.getWeight()))
INFER(ConcatHeadsOp, a.getA(), widthOf(a.getA()) + widthOf(a.getB()))
INFER(RopeOp, a.getX(), widthOf(a.getX()))
INFER(AttentionOp, a.getQuery(), widthOf(a.getQuery()))
#undef INFER

LogicalResult
SliceHeadsOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                               ValueRange operands, DictionaryAttr attrs,
                               OpaqueProperties props, RegionRange,
                               SmallVectorImpl<Type> &types) {
  // As below.
  IntegerAttr heads = props ? props.as<Properties *>()->heads : IntegerAttr(),
              size = props ? props.as<Properties *>()->size : IntegerAttr();
  if (attrs && !heads)
    heads = attrs.getAs<IntegerAttr>("heads");
  if (attrs && !size)
    size = attrs.getAs<IntegerAttr>("size");
  if (!heads || !size)
    return emitOptionalError(loc, "needs the attributes heads and size");
  return inferRows(types, operands[0], product(heads.getInt(), size.getInt()));
}

LogicalResult
RopeAnglesOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                               ValueRange operands, DictionaryAttr attrs,
                               OpaqueProperties props, RegionRange,
                               SmallVectorImpl<Type> &types) {
  // The parser infers before it moves attributes into properties.
  IntegerAttr dim = props ? props.as<Properties *>()->dim : IntegerAttr();
  if (!dim && attrs)
    dim = attrs.getAs<IntegerAttr>("dim");
  if (!dim)
    return emitOptionalError(loc, "needs the attribute dim");
  return inferRows(types, operands[0], dim.getInt());
}

LogicalResult ParamOp::verify() {
  auto type = cast<RankedTensorType>(getType());
  if (type.getRank() < 1 || type.getRank() > 3 ||
      !llvm::all_of(type.getShape(),
                    [](int64_t n) { return n >= 1 && n <= INT32_MAX; })) // C1
    return emitOpError(
               "(C1) needs a static shape of rank 1 to 3, dimensions of 1 to ")
           << INT32_MAX << ", has " << type;
  if (getName().empty()) // C2
    return emitOpError("(C2) needs a name");
  return success();
}

LogicalResult LayersOp::verify() {
  if (getOrder().size() != getRows().size()) // C1
    return emitOpError("(C1) has ") << getOrder().size() << " layers in order, "
                                    << getRows().size() << " rows";
  for (int32_t kind : getOrder())
    if (kind < 0 || kind >= static_cast<int64_t>(getKinds().size())) // C2
      return emitOpError("(C2) kind ")
             << kind << ", limit " << getKinds().size();
  if (getCarried().getTypes() != getResults().getTypes()) // C4
    return emitOpError("(C4) results must have the types of what is carried");
  return success();
}

LogicalResult LayersOp::verifySymbolUses(SymbolTableCollection &symbols) {
  SmallVector<Type> want(getCarried().getTypes());
  want.push_back(IndexType::get(getContext()));
  llvm::append_range(want, getShared().getTypes());
  SmallVector<FunctionType> types;
  for (auto kind : getKinds().getAsRange<FlatSymbolRefAttr>()) { // C5
    auto func = symbols.lookupNearestSymbolFrom<func::FuncOp>(*this, kind);
    if (!func)
      return emitOpError("(C3) names no function ") << kind;
    FunctionType type = types.emplace_back(func.getFunctionType());
    auto isParam = [](Type type) {
      auto tensor = dyn_cast<RankedTensorType>(type);
      return tensor && tensor.hasStaticShape() && tensor.getRank() > 0 &&
             tensor.getElementType().isF32();
    };
    if (type.getNumInputs() < want.size() ||
        type.getInputs().take_front(want.size()) != ArrayRef<Type>(want) ||
        !llvm::all_of(type.getInputs().drop_front(want.size()), isParam) ||
        TypeRange(type.getResults()) != getCarried().getTypes()) // C3
      return emitOpError("(C3) does not fit ") << kind << " : " << type;
  }
  for (auto [index, kind] : llvm::enumerate(getOrder()))
    if (types[kind].getNumInputs() !=
        want.size() + cast<ArrayAttr>(getRows()[index]).size()) // C3
      return emitOpError("(C3) row ")
             << index << " does not fit " << getKinds()[kind] << " : "
             << types[kind];
  return success();
}

LogicalResult RMSNormOp::verify() {
  int64_t width = widthOf(getX()), groups = getGroups();
  if (groups < 1 || width % groups) // C1
    return emitOpError("(C1) groups = ")
           << groups << " does not divide " << width;
  if (rowsOf(getWeight()) != width / groups) // C2
    return emitOpError("(C2) weight has ")
           << rowsOf(getWeight()) << " elements, needs " << width / groups;
  if (!(getEpsilon().convertToDouble() > 0)) // C3
    return emitOpError("(C3) epsilon is not positive");
  return success();
}

LogicalResult LinearOp::verify() {
  int64_t width = getWeight().getType().getShape().back(),
          heads = getMatrices();
  if (widthOf(getX()) % heads || widthOf(getX()) / heads != width) // C1
    return emitOpError("(C1) x has width ")
           << widthOf(getX()) << ", weight " << width
           << (heads > 1 ? " of " + std::to_string(heads) + " heads" : "");
  if (getBias() && rowsOf(getBias()) != widthOf(getResult())) // C2
    return emitOpError("(C2) bias has ")
           << rowsOf(getBias()) << " elements, needs " << widthOf(getResult());
  return success();
}

LogicalResult SliceHeadsOp::verify() {
  int64_t heads = getHeads(), width = widthOf(getX()), first = getFirst(),
          size = getSize();
  if (heads < 1 || width % heads) // C1
    return emitOpError("(C1) heads = ")
           << heads << " does not divide " << width;
  int64_t head = width / heads;
  if (size < 1 || first < 0 || size > head || first > head - size) // C2
    return emitOpError("(C2) first = ") << first << " and size = " << size
                                        << ", limit the head size " << head;
  return success();
}

LogicalResult ConcatHeadsOp::verify() {
  for (Value v : {getA(), getB()})
    if (getHeads() < 1 || widthOf(v) % getHeads()) // C1
      return emitOpError("(C1) heads = ")
             << getHeads() << " does not divide " << widthOf(v);
  return success();
}

LogicalResult ConvertRowsOp::verify() {
  auto from = tensorOf(getX()), to = tensorOf(getResult());
  auto rows = dyn_cast_or_null<RowsAttr>(to.getEncoding());
  if (from.getEncoding() || !rows || from.getShape() != to.getShape()) // C1
    return emitOpError("(C1) needs a plain ")
           << to.getShape() << " and its form in #heddle.rows, has " << from
           << " and " << to;
  if (widthOf(getX()) % rows.getGroup()) // C2
    return emitOpError("(C2) group = ")
           << rows.getGroup() << " does not divide " << widthOf(getX());
  return success();
}

LogicalResult RopeAnglesOp::verify() {
  int64_t dim = getDim();
  if (dim < 2 || dim > 65536 || dim % 2) // C1
    return emitOpError("(C1) dim = ") << dim << ", limit even, 2 to 65536";
  if (!(getTheta().convertToDouble() > 0) ||
      !(getScale().convertToDouble() > 0) ||
      !(getAmplitude().convertToDouble() > 0)) // C2
    return emitOpError("(C2) theta, scale and amplitude must be positive");
  if (getDivisors() && rowsOf(getDivisors()) != dim / 2) // C3
    return emitOpError("(C3) divisors has ")
           << rowsOf(getDivisors()) << " elements, needs " << dim / 2;
  for (auto [name, list] :
       {std::pair{"frequencies", getFrequencies()}, {"beyond", getBeyond()}}) {
    if (!list)
      continue;
    if (int64_t(list->size()) != dim / 2) // C3
      return emitOpError("(C3) ") << name << " has " << list->size()
                                  << " elements, needs " << dim / 2;
    if (!llvm::all_of(*list, [](double f) { return f > 0; })) // C2
      return emitOpError("(C2) ") << name << " must be positive";
  }
  if (getOriginal() && int64_t(*getOriginal()) < 1) // C2
    return emitOpError("(C2) original = ")
           << int64_t(*getOriginal()) << " is not positive";
  if (bool(getBeyond()) != bool(getOriginal()) ||
      (getBeyond() && !getFrequencies())) // C4
    return emitOpError(
        "(C4) beyond needs original and frequencies, and original beyond");
  return success();
}

LogicalResult RopeOp::verify() {
  int64_t width = widthOf(getX()), heads = getHeads();
  if (heads < 1 || width % heads) // C1
    return emitOpError("(C1) heads = ")
           << heads << " does not divide " << width;
  if (widthOf(getAngles()) % 2 || widthOf(getAngles()) > width / heads) // C2
    return emitOpError("(C2) dim = ")
           << widthOf(getAngles()) << ", limit even, " << width / heads;
  return success();
}

LogicalResult CacheAppendOp::verify() {
  CacheType cache = getCache().getType();
  if (widthOf(getKey()) != cache.getHeads() * cache.getDim()) // C1
    return emitOpError("(C1) key has width ")
           << widthOf(getKey()) << ", the cache "
           << cache.getHeads() * cache.getDim();
  return success();
}

LogicalResult ExpandLatentOp::verify() {
  CacheType latents = getLatents().getType(), cache = getCache().getType();
  ArrayRef<int64_t> weight = getWeight().getType().getShape();
  int64_t first = getFirst();
  bool keys = getPart() == CachePart::keys;
  if (latents.getHeads() != 1) // C1
    return emitOpError("(C1) the latents have ")
           << latents.getHeads() << " heads, limit 1";
  if (first < 0 || first > latents.getDim() ||
      latents.getDim() - first != weight[2]) // C2
    return emitOpError("(C2) first = ")
           << first << " and " << weight[2] << " columns, the latents have "
           << latents.getDim();
  if (weight[0] != cache.getHeads()) // C3
    return emitOpError("(C3) ") << weight[0] << " matrices, the cache has "
                                << cache.getHeads() << " heads";
  if (weight[1] + (keys ? first : 0) > cache.getDim()) // C4
    return emitOpError("(C4) ")
           << weight[1] + (keys ? first : 0) << " elements of a head, limit "
           << cache.getDim();
  if (cache.getLayers() != 1) // C5
    return emitOpError("(C5) the cache has ")
           << cache.getLayers() << " layers, limit 1";
  if (RowsAttr rows = getRowsAttr();
      rows && rows.isGrouped() && weight[2] % rows.getGroup()) // C6
    return emitOpError("(C6) a group of ")
           << rows.getGroup() << " does not divide " << weight[2];
  return success();
}

LogicalResult AttentionOp::verify() {
  CacheType cache = getCache().getType();
  int64_t heads = getHeads(), width = widthOf(getQuery()), dim = cache.getDim();
  if (heads < 1 || width % dim ||
      width / dim != heads) // C1, without a product that may overflow
    return emitOpError("(C1) query has width ")
           << width << ", needs heads = " << heads << " of " << dim;
  if (heads % cache.getHeads()) // C2
    return emitOpError("(C2) heads = ")
           << heads << " is no multiple of the cache's " << cache.getHeads();
  if (!(getScale().convertToDouble() > 0)) // C3
    return emitOpError("(C3) scale is not positive");
  if (getWindow() && *getWindow() < 1) // C4
    return emitOpError("(C4) window = ") << *getWindow() << " is not positive";
  if (getSinks() && rowsOf(getSinks()) != heads) // C5
    return emitOpError("(C5) sinks has ")
           << rowsOf(getSinks()) << " elements, needs heads = " << heads;
  return success();
}

LogicalResult KernelOp::verify() {
  Block &block = getBody().front();
  if (block.getArgumentTypes() != getInputs().getTypes()) // C1
    return emitOpError("(C1) region arguments must match the inputs");
  if (block.getTerminator()->getOperandTypes() != getResultTypes()) // C2
    return emitOpError("(C2) must yield the result types");
  return success();
}

LogicalResult LaunchOp::verify() {
  if (getItems().getNumResults() != 1 || getItems().getNumDims() > 1 ||
      getItems().getNumSymbols()) // C1
    return emitOpError(
        "(C1) items must map at most one dimension to one count");
  if (getAlignedInputs().size() != getInputs().size() ||
      getAlignedResults().size() != getNumResults()) // C2
    return emitOpError("(C2) needs one aligned flag per input and result");
  return success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (!symbols.lookupNearestSymbolFrom<func::FuncOp>(*this, getCalleeAttr()))
    return emitOpError("names no kernel ") << getCalleeAttr();
  return success();
}
