//===- HeddleDialect.cpp - Attributes, types, registration ----------------===//
#include "heddle/dialects/Heddle/Heddle.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

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
      .Case("u6", 6)
      .Case("u5", 5)
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

Type EncAttr::getScaleType() const {
  if (getScales() == "bf16")
    return BFloat16Type::get(getContext());
  return Float16Type::get(getContext());
}

int64_t EncAttr::getLargestCode() const {
  if (!getTable())
    return isNibbles() ? (1 << getElemBits()) - 1 : 128;
  int64_t largest = 0;
  for (int8_t number : getTable().asArrayRef())
    largest = std::max<int64_t>(largest, std::abs(number));
  return largest;
}

int64_t EncAttr::getBlockBytes() const {
  int64_t numbers = (getScale() ? 1 : 0) + (getMin() ? 1 : 0),
          groups = getBlock() / getGroup();
  return numbers * (getSuper() ? 2 + groups : 2) +
         getBlock() * getElemBits() / 8;
}

// Comments (Cn) cite the numbered constraints of HeddleBase.td.

LogicalResult EncAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                              StringRef elem, int64_t group, bool scale,
                              bool min, int64_t offset, int64_t super,
                              StringRef scales, DenseI8ArrayAttr table) {
  constexpr int64_t kMostGroup = 65536, kMostOffset = 65536;
  int64_t bits = elemBits(elem), unit = bits == 4   ? 2
                                        : bits == 5 ? 16
                                        : bits == 6 ? 8
                                                    : 1;
  if (!bits) // C1
    return emitError() << "(C1) unknown stored element \"" << elem << "\"";
  if (group < 1 || group > kMostGroup || group % unit) // C2
    return emitError() << "(C2) group = " << group << ", limit 1 to "
                       << kMostGroup
                       << ", a multiple of 2 for u4, 16 for u5, 8 for u6";
  if (bits >= 16 && (scale || min || offset)) // C3
    return emitError()
           << "(C3) floating-point elements take no scale, min or offset";
  if (offset < -kMostOffset || offset > kMostOffset) // C4
    return emitError() << "(C4) offset = " << offset << ", limit "
                       << -kMostOffset << " to " << kMostOffset;
  bool twoLevels = super > 0 && super <= kMostGroup && super % group == 0 &&
                   scale && (scales == "u6" || scales == "i8");
  bool wideScales = !super && scale && scales == "bf16";
  if ((super || scales != "f16") && !twoLevels && !wideScales) // C7
    return emitError() << "(C7) super = " << super << ", scales = " << scales
                       << ", limit 0 and f16, or a multiple of group up to "
                       << kMostGroup
                       << " with a scale, and u6 or i8, or 0 and bf16 with a "
                          "scale";
  if (table && (table.size() != 16 || bits != 4 || !scale || min || offset ||
                super)) // C8
    return emitError() << "(C8) a table of " << table.size()
                       << " numbers, limit 16, for u4 with a scale and without "
                          "min, offset and super";
  return success();
}

/// Sizes of a tensor with an encoding: no count of bytes overflows.
static LogicalResult
verifyEncoded(EncAttr enc, ArrayRef<int64_t> shape, Type elementType,
              function_ref<InFlightDiagnostic()> emitError) {
  constexpr int64_t kMostElements = int64_t(1) << 48;
  auto isSize = [](int64_t n) { return n >= 1 && n <= INT32_MAX; };
  // One after the other: the product of three sizes overflows, that of two
  // does not.
  auto elements = [&] {
    int64_t matrix = shape[shape.size() - 2] * shape.back();
    return shape.size() == 2 || matrix > kMostElements ? matrix
           : shape[0] > kMostElements / matrix         ? kMostElements + 1
                                                       : shape[0] * matrix;
  };
  if (!elementType.isF32() || shape.size() < 2 || shape.size() > 3 ||
      !llvm::all_of(shape, isSize) || elements() > kMostElements) // C5
    return emitError() << "(C5) an encoded tensor has static shape, rank 2 or "
                          "3, dimensions of 1 to "
                       << INT32_MAX << ", at most " << kMostElements
                       << " elements, of f32";
  if (shape.back() % enc.getGroup()) // C6
    return emitError() << "(C6) group = " << enc.getGroup()
                       << " does not divide the width " << shape.back();
  if (enc.getSuper() && shape.back() % enc.getSuper()) // C6
    return emitError() << "(C6) super = " << enc.getSuper()
                       << " does not divide the width " << shape.back();
  return success();
}

LogicalResult
EncAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType,
                        function_ref<InFlightDiagnostic()> emitError) const {
  return verifyEncoded(*this, shape, elementType, emitError);
}

LogicalResult PackedAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 EncAttr enc, int64_t rows, int64_t step,
                                 bool) {
  if (rows < 1 || rows > 1024) // C1
    return emitError() << "(C1) rows = " << rows << ", limit 1 to 1024";
  if (!fits(enc, step)) // C2
    return emitError() << "(C2) step = " << step
                       << ", limit 1 to 64, a divisor of "
                       << (enc.isNibbles() ? enc.getGroup() / 2
                                           : enc.getGroup())
                       << " codes of a group"
                       << (enc.getHighBits() ? ", whose high bits fill bytes"
                                             : "");
  return success();
}

bool PackedAttr::fits(EncAttr enc, int64_t step) {
  if (step < 1 || step > 64)
    return false;
  if (int64_t bits = enc.getHighBits();
      bits && enc.getGroup() % (8 / bits * step))
    return false;
  // Half a group of nibbles, or a group, is a whole number of steps.
  int64_t codes = enc.isNibbles() ? enc.getGroup() / 2 : enc.getGroup();
  return enc.getGroup() == 1 || codes % step == 0;
}

LogicalResult
ActivationAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                       ActivationKind kind, FloatAttr limit, FloatAttr alpha) {
  for (auto [name, number] :
       {std::pair<StringRef, FloatAttr>{"limit", limit}, {"alpha", alpha}}) {
    if (number && kind != ActivationKind::oai) // C1
      return emitError() << "(C1) " << name << " of "
                         << stringifyActivationKind(kind)
                         << ", limit: of oai alone";
    if (float value = number ? number.getValueAsDouble() : 1;
        !(value > 0 && std::isfinite(value))) // C2
      return emitError() << "(C2) " << name << " = " << value
                         << ", limit positive and finite";
  }
  return success();
}

LogicalResult RowsAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                               StringRef elem, int64_t group) {
  if (elem != "i8" && elem != "bf16") // C1
    return emitError() << "(C1) unknown element \"" << elem << "\" of rows";
  if (!fits(elem, group)) // C2
    return emitError() << "(C2) group = " << group
                       << ", limit a power of two up to 256 of bf16, a "
                          "multiple of 8 up to 256 of i8";
  return success();
}

bool RowsAttr::fits(StringRef elem, int64_t group) {
  if (group < 1 || group > 256)
    return false;
  return elem == "bf16" ? llvm::isPowerOf2_64(group) : group % 8 == 0;
}

LogicalResult
PackedAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType,
                           function_ref<InFlightDiagnostic()> emitError) const {
  if (getTable() && shape.size() != 3) // C3
    return emitError() << "(C3) a table of matrices with rank " << shape.size()
                       << ", limit 3";
  return verifyEncoded(getEnc(), shape, elementType, emitError);
}

int64_t ScheduleAttr::get(StringRef name, int64_t fallback) const {
  auto attr = getOptions().getAs<IntegerAttr>(name);
  return attr ? attr.getInt() : fallback;
}

LogicalResult CacheType::verify(function_ref<InFlightDiagnostic()> emitError,
                                StringRef, int64_t layers, int64_t heads,
                                int64_t dim, Type elem, int64_t block) {
  constexpr int64_t kMost = 65536;
  auto isSize = [](int64_t n) { return n >= 1 && n <= kMost; };
  if (!isSize(layers) || !isSize(heads) || !isSize(dim) ||
      layers * heads * dim > kMostProduct) // C1
    return emitError() << "(C1) layers, heads, dim = " << layers << ", "
                       << heads << ", " << dim << ", limit 1 to " << kMost
                       << ", their product " << kMostProduct;
  if (block < 0 || block > 1024) // C2
    return emitError() << "(C2) block = " << block << ", limit 0 to 1024";
  if (!elem.isF32()) // C3
    return emitError() << "(C3) unsupported cache element " << elem;
  return success();
}

bool heddle::isActivation(ShapedType type, bool orRows) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor &&
         (!tensor.getEncoding() ||
          (orRows && isa<RowsAttr>(tensor.getEncoding()))) &&
         tensor.getDimSize(1) >= 1 && tensor.getDimSize(1) <= INT32_MAX;
}

MemRefType heddle::matrixBuffer(PackedAttr packed, int64_t panels, int64_t k) {
  return MemRefType::get({panels, packed.getBlocks(k), packed.getBlockBytes()},
                         IntegerType::get(packed.getContext(), 8));
}

SmallVector<Type> heddle::bufferTypes(Type type) {
  if (auto tensor = dyn_cast<RankedTensorType>(type)) {
    Type i8 = IntegerType::get(type.getContext(), 8);
    if (auto rows = dyn_cast_or_null<RowsAttr>(tensor.getEncoding())) {
      if (!rows.isGrouped()) // pairs
        return {MemRefType::get(
            {tensor.getDimSize(0), (tensor.getDimSize(1) + 1) / 2 * 2},
            BFloat16Type::get(type.getContext()))};
      return {MemRefType::get({tensor.getDimSize(0),
                               rows.getGroups(tensor.getDimSize(1)),
                               rows.getGroupBytes()},
                              i8)};
    }
    auto packed = dyn_cast_or_null<PackedAttr>(tensor.getEncoding());
    if (!packed)
      return {MemRefType::get(tensor.getShape(), tensor.getElementType())};
    if (packed.getTable())
      return {MemRefType::get({kTableHeader + tensor.getDimSize(0)},
                              IntegerType::get(type.getContext(), 64))};
    return {matrixBuffer(packed, packed.getPanels(tensor.getShape()),
                         tensor.getShape().back())};
  }
  if (auto cache = dyn_cast<CacheType>(type)) {
    int64_t layers = cache.getLayers(), heads = cache.getHeads(),
            dim = cache.getDim(), any = ShapedType::kDynamic;
    return {MemRefType::get({layers, heads, any, dim, cache.getBlock()},
                            cache.getElem()),
            MemRefType::get({layers, heads, any, dim}, cache.getElem())};
  }
  return {type};
}
