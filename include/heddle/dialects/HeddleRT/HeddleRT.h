//===- HeddleRT.h - The runtime boundary ------------------------*- C++ -*-===//
#ifndef HEDDLE_DIALECTS_HEDDLERT_HEDDLERT_H
#define HEDDLE_DIALECTS_HEDDLERT_HEDDLERT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "heddle/dialects/HeddleRT/HeddleRTDialect.h.inc"
#define GET_TYPEDEF_CLASSES
#include "heddle/dialects/HeddleRT/HeddleRTTypes.h.inc"
#define GET_OP_CLASSES
#include "heddle/dialects/HeddleRT/HeddleRTOps.h.inc"

#endif // HEDDLE_DIALECTS_HEDDLERT_HEDDLERT_H
