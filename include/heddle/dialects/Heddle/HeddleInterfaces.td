//===- HeddleInterfaces.td - What code generation asks of an op -*- tablegen -*-===//
#ifndef HEDDLE_DIALECTS_HEDDLE_INTERFACES_TD
#define HEDDLE_DIALECTS_HEDDLE_INTERFACES_TD

include "mlir/IR/OpBase.td"

// Acts on each token by itself: row t of a result depends on row t of the
// operands whose leading dimension is the token, and on whole parameters.
def Heddle_RowWise : NativeOpTrait<"RowWise"> { let cppNamespace = "::heddle"; }

def Heddle_LinalgLowering : OpInterface<"LinalgLoweringInterface"> {
  let cppNamespace = "::heddle";
  let description = [{
    The generic path: an op says what it computes in `linalg`, `tensor`, `arith` and
    `math` on tensors, and compiles without an emitter of its own. A plugin implements
    it on its ops, or attaches it to an op it does not own as an external model.

    Shapes come from the types of `operands`, never from the op: of a row-wise op
    they hold one row (`[1, width]`), of any other the op's own. A weight of plain f32
    comes without its encoding. Results are new tensors of the shapes the op would have.
  }];
  let methods = [InterfaceMethod<
      "Builds the op on `operands`; fails, having said why, where it cannot.",
      "::mlir::FailureOr<::llvm::SmallVector<::mlir::Value>>", "lowerToLinalg",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$operands)>];
}

#endif
