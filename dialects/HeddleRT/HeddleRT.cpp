//===- HeddleRT.cpp - The runtime boundary --------------------------------===//
#include "heddle/dialects/HeddleRT/HeddleRT.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace heddle::rt;

#include "heddle/dialects/HeddleRT/HeddleRTDialect.cpp.inc"

void HeddleRTDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "heddle/dialects/HeddleRT/HeddleRTTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "heddle/dialects/HeddleRT/HeddleRTOps.cpp.inc"
      >();
}

LogicalResult ParamOp::verify() {
  if (!cast<MemRefType>(getType()).hasStaticShape()) // C1
    return emitOpError("(C1) needs a buffer of static shape");
  return success();
}

static bool isTable(Type type) {
  auto buffer = cast<MemRefType>(type);
  return buffer.getRank() == 1 && buffer.hasStaticShape() &&
         buffer.getElementType().isSignlessInteger(64);
}

LogicalResult ExpertOp::verify() {
  if (!cast<MemRefType>(getType()).hasStaticShape()) // C1
    return emitOpError("(C1) needs a buffer of static shape");
  if (!isTable(getTable().getType())) // C2
    return emitOpError("(C2) table is ") << getTable().getType();
  return success();
}

LogicalResult FetchOp::verify() {
  auto chosen = cast<MemRefType>(getChosen().getType());
  if (!isTable(getTable().getType()) || !chosen.hasStaticShape() ||
      !chosen.getElementType().isSignlessInteger(32)) // C1
    return emitOpError("(C1) table is ")
           << getTable().getType() << ", chosen " << chosen;
  return success();
}

LogicalResult CacheOp::verify() {
  if (cast<MemRefType>(getType()).getNumDynamicDims() != 1) // C1
    return emitOpError("(C1) needs exactly one dynamic dimension");
  if (getDivisor() <= 0) // C2
    return emitOpError("(C2) divisor = ") << getDivisor() << " is not positive";
  int64_t index = getIndex();
  if (index < 0 || index > 65535) // C3
    return emitOpError("(C3) index = ") << index << ", limit 0 to 65535";
  return success();
}

static bool onlyLeadingDynamic(MemRefType type) {
  return type.getRank() > 0 &&
         !ShapedType::isDynamicShape(type.getShape().drop_front());
}

LogicalResult ArenaOp::verify() {
  auto type = cast<MemRefType>(getType());
  if (!onlyLeadingDynamic(type) ||
      type.isDynamicDim(0) != static_cast<bool>(getRows())) // C1
    return emitOpError(
        "(C1) only the leading dimension may be dynamic, and rows "
        "is given exactly then");
  int64_t offset = getOffset();
  if (offset < 0 || offset % 64) // C2
    return emitOpError("(C2) offset = ")
           << offset << " is not a non-negative multiple of 64";
  return success();
}

LogicalResult InputOp::verify() {
  if (!llvm::is_contained({"tokens", "positions", "starts", "rows", "logits"},
                          getName())) // C1
    return emitOpError("(C1) unknown input \"") << getName() << "\"";
  if (!onlyLeadingDynamic(cast<MemRefType>(getType()))) // C2
    return emitOpError("(C2) only the leading dimension may be dynamic");
  Type elem = cast<MemRefType>(getType()).getElementType();
  if (getName() == "logits" ? !elem.isF32() : !elem.isSignlessInteger(32)) // C3
    return emitOpError("(C3) unsupported element ")
           << elem << " of \"" << getName() << "\"";
  return success();
}

LogicalResult MarkOp::verify() {
  if (static_cast<int64_t>(getKernel()) < 0) // C1
    return emitOpError("(C1) kernel = ")
           << static_cast<int64_t>(getKernel()) << " is negative";
  return success();
}

#define GET_TYPEDEF_CLASSES
#include "heddle/dialects/HeddleRT/HeddleRTTypes.cpp.inc"
#define GET_OP_CLASSES
#include "heddle/dialects/HeddleRT/HeddleRTOps.cpp.inc"
