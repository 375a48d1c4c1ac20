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

def Heddle_RouterOp : OpInterface<"RouterOpInterface"> {
  let cppNamespace = "::heddle";
  let description = [{
    An op that sends each token to experts: what the passes and emitters of a layer with experts
    ask of its router. `heddle.route` is one; a plugin's op is another, which brings
    `LinalgLoweringInterface` too. With operands and results of these names an op has nothing
    to write.

    Shapes: logits [T, E] f32, ids [T, k] i32, weights [T, k] f32. `ids[t, s]` is the s-th
    expert of token t, whose result counts `weights[t, s]`; slots are summed in this order.
    Further operands are parameters, or have a row a token.

    The lowering's ids are clamped to 0 to E - 1 in a program, so that no router makes one
    read what is no expert; `heddle reference` refuses others.

    Constraints: (R1) logits [T, E] have a static E of 1 to 65536; (R2) ids and weights are
    [T, k] of the logits' T; (R3) k is 1 to 256 and at most E; (R4) the op is `RowWise`:
    where a token goes depends on no other, so that every cut of a prompt gives the same.
  }];
  let methods = [
    InterfaceMethod<"The scores that choose, [T, E] f32; the first operand.", "::mlir::Value", "getLogits", (ins),
                    "", "return $_op->getOperand(0);">,
    InterfaceMethod<"Of each token its experts, [T, k] i32; the first result.", "::mlir::Value", "getIds", (ins),
                    "", "return $_op->getResult(0);">,
    InterfaceMethod<"What each counts, [T, k] f32; the second result.", "::mlir::Value", "getWeights", (ins),
                    "", "return $_op->getResult(1);">];
  let verify = [{ return ::heddle::verifyRouter($_op); }];
}

#endif
