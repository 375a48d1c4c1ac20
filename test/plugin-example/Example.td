//===- Example.td - A dialect of two ops -------------------*- tablegen -*-===//
#ifndef EXAMPLE_TD
#define EXAMPLE_TD

include "heddle/dialects/Heddle/HeddleInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Example_Dialect : Dialect {
  let name = "example";
  let cppNamespace = "::example";
  let summary = "Ops that Heddle does not have";
}

// Elementwise on activations, known to Heddle by its lowering alone.
class Example_Op<string mnemonic>
    : Op<Example_Dialect, mnemonic,
         [Pure, SameOperandsAndResultType, Heddle_RowWise,
          DeclareOpInterfaceMethods<Heddle_LinalgLowering>]> {
  let results = (outs TensorRankOf<[F32], [2]>:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
}

def Example_Relu2Op : Example_Op<"relu2"> {
  let summary = "Squared ReLU";
  let description = [{
    `factor * max(x, 0)^2` (So et al., arXiv 2109.08668). Shapes: x and result [T, D].

    Example:
    ```mlir
    %y = example.relu2 %x : tensor<?x96xf32>
    ```
  }];
  let arguments = (ins TensorRankOf<[F32], [2]>:$x,
                       DefaultValuedAttr<F32Attr, "1.0f">:$factor);
}

def Example_ScaleOp : Example_Op<"scale"> {
  let summary = "Multiplication by a constant";
  let description = [{
    `factor * x`. Shapes: x and result [T, D].

    Example:
    ```mlir
    %y = example.scale %x {factor = 0.5 : f32} : tensor<?x96xf32>
    ```
  }];
  let arguments = (ins TensorRankOf<[F32], [2]>:$x, F32Attr:$factor);
}

#endif
