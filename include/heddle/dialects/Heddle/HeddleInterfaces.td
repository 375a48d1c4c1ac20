//===- HeddleInterfaces.td - What passes ask of an op ------*- tablegen -*-===//
#ifndef HEDDLE_DIALECTS_HEDDLE_INTERFACES_TD
#define HEDDLE_DIALECTS_HEDDLE_INTERFACES_TD

include "mlir/IR/OpBase.td"

def Heddle_LinalgLowering : OpInterface<"LinalgLoweringOpInterface"> {
  let cppNamespace = "::heddle";
  let description = [{
    The generic path: an op that acts on each token by itself says what it
    computes in `linalg` on tensors, and that is all a plugin op needs.
  }];
  let methods = [InterfaceMethod<
      "Builds the op on `operands`, whose leading dimension may be any token count.",
      "::llvm::SmallVector<::mlir::Value>", "lowerToLinalg",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$operands)>];
}

#endif
