//===- HeddleDialect.cpp - Attributes, types, registration ----------------===//
#include "heddle/dialects/Heddle/Heddle.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace heddle;

#include "heddle/dialects/Heddle/HeddleDialect.cpp.inc"
#include "heddle/dialects/Heddle/HeddleEnums.cpp.inc"

static FailureOr<std::string> parseKeywordParameter(AsmParser &parser) {
  StringRef keyword;
  if (parser.parseKeyword(&keyword))
    return failure();
  return keyword.str();
}

#define GET_ATTRDEF_CLASSES
#include "heddle/dialects/Heddle/HeddleAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "heddle/dialects/Heddle/HeddleTypes.cpp.inc"

void HeddleDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "heddle/dialects/Heddle/HeddleAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "heddle/dialects/Heddle/HeddleTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "heddle/dialects/Heddle/HeddleOps.cpp.inc"
      >();
}

static int64_t elemBits(StringRef elem) {
  return llvm::StringSwitch<int64_t>(elem)
      .Case("f32", 32)
      .Cases({"f16", "bf16"}, 16)
      .Case("i8", 8)
      .Case("u4", 4)
      .Default(0);
}

Type EncAttr::getStorageType() const {
  MLIRContext *context = getContext();
  if (getElem() == "f32")
    return Float32Type::get(context);
  if (getElem() == "f16")
    return Float16Type::get(context);
  return IntegerType::get(context, std::max<int64_t>(8, getElemBits()));
}

int64_t EncAttr::getElemBits() const { return elemBits(getElem()); }

int64_t EncAttr::getGroupBytes() const {
  return (getScale() ? 2 : 0) + (getMin() ? 2 : 0) +
         getGroup() * getElemBits() / 8;
}

LogicalResult EncAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                              StringRef elem, int64_t group, bool scale,
                              bool min, int64_t offset) {
  int64_t bits = elemBits(elem);
  if (!bits)
    return emitError() << "unknown stored element \"" << elem << "\"";
  if (group < 1 || group * bits % 8)
    return emitError() << "group = " << group
                       << " is not a positive whole number of bytes";
  if (bits == 4 && group % 2)
    return emitError() << "group = " << group << " of u4 is odd";
  if (bits >= 16 && (scale || min || offset))
    return emitError() << "floating-point elements take no scale, min or offset";
  return success();
}

LogicalResult PackedAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 EncAttr enc, int64_t rows, int64_t step) {
  if (rows < 1 || rows > 1024)
    return emitError() << "rows = " << rows << ", limit 1 to 1024";
  if (step < 1 || step > 64)
    return emitError() << "step = " << step << ", limit 1 to 64";
  // Half a group of nibbles, or a group, is a whole number of steps.
  int64_t steps = enc.getElemBits() == 4 ? enc.getGroup() / 2 : enc.getGroup();
  if (steps > 1 && steps % step)
    return emitError() << "step = " << step << " does not divide " << steps << " codes of a group";
  return success();
}

LogicalResult RowsAttr::verify(function_ref<InFlightDiagnostic()> emitError, StringRef elem, int64_t group) {
  if (elem != "i8" && elem != "bf16")
    return emitError() << "unknown element \"" << elem << "\" of rows";
  if (elem == "bf16" && group != 1)
    return emitError() << "group = " << group << " of bf16, limit 1";
  if (elem == "i8" && (group < 8 || group > 256 || group % 8))
    return emitError() << "group = " << group << ", limit a multiple of 8 up to 256";
  return success();
}

int64_t ScheduleAttr::get(StringRef name, int64_t fallback) const {
  auto attr = getOptions().getAs<IntegerAttr>(name);
  return attr ? attr.getInt() : fallback;
}

LogicalResult CacheType::verify(function_ref<InFlightDiagnostic()> emitError,
                                StringRef, int64_t layers, int64_t heads,
                                int64_t dim, Type elem, int64_t block) {
  if (layers < 1 || heads < 1 || dim < 1 || block < 0)
    return emitError() << "layers, heads and dim must be positive";
  if (!elem.isF32())
    return emitError() << "unsupported cache element " << elem;
  return success();
}

SmallVector<Type> heddle::bufferTypes(Type type) {
  if (auto tensor = dyn_cast<RankedTensorType>(type)) {
    Type i8 = IntegerType::get(type.getContext(), 8);
    if (auto rows = dyn_cast_or_null<RowsAttr>(tensor.getEncoding())) {
      if (rows.getElem() == "bf16") // pairs
        return {MemRefType::get({tensor.getDimSize(0), (tensor.getDimSize(1) + 1) / 2 * 2}, BFloat16Type::get(type.getContext()))};
      return {MemRefType::get({tensor.getDimSize(0), rows.getGroups(tensor.getDimSize(1)), rows.getGroupBytes()}, i8)};
    }
    auto packed = dyn_cast_or_null<PackedAttr>(tensor.getEncoding());
    if (!packed)
      return {MemRefType::get(tensor.getShape(), tensor.getElementType())};
    int64_t panels = packed.getPanels(tensor.getDimSize(0)), groups = packed.getGroups(tensor.getDimSize(1));
    return {MemRefType::get({panels, groups, packed.getGroupBytes()}, i8)};
  }
  if (auto cache = dyn_cast<CacheType>(type)) {
    int64_t layers = cache.getLayers(), heads = cache.getHeads(), dim = cache.getDim(), any = ShapedType::kDynamic;
    return {MemRefType::get({layers, heads, any, dim, cache.getBlock()}, cache.getElem()),
            MemRefType::get({layers, heads, any, dim}, cache.getElem())};
  }
  return {type};
}
