//===- Sparsemixer.td - A dialect of one router ------------*- tablegen -*-===//
#ifndef SPARSEMIXER_TD
#define SPARSEMIXER_TD

include "heddle/dialects/Heddle/HeddleInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Sparsemixer_Dialect : Dialect {
  let name = "sparsemixer";
  let cppNamespace = "::sparsemixer";
  let summary = "The router of Phi-3.5-MoE";
}

def Sparsemixer_RouteOp : Op<Sparsemixer_Dialect, "route",
    [Pure, Heddle_RowWise, Heddle_RouterOp, DeclareOpInterfaceMethods<Heddle_LinalgLowering>]> {
  let summary = "Experts one after the other, each weighed among those near it";
  let description = [{
    Liu et al., arXiv 2409.12136, as it is at inference: of the experts that are left the one of
    the largest logit m is chosen, of equal ones the first. It counts 1 / (sum of e^(z_i - m) over
    those left that are near it: (m - z_i) / max(|z_i|, m) is not above 2 eps). Weights of a token do not sum to 1.
    Shapes: logits [T, E], ids and weights [T, k].

    Example:
    ```mlir
    %ids, %w = sparsemixer.route %z {eps = 0.01 : f32} : (tensor<?x16xf32>) -> (tensor<?x2xi32>, tensor<?x2xf32>)
    ```
  }];
  let arguments = (ins TensorRankOf<[F32], [2]>:$logits, DefaultValuedAttr<F32Attr, "0.01f">:$eps);
  let results = (outs TensorRankOf<[I32], [2]>:$ids, TensorRankOf<[F32], [2]>:$weights);
  let assemblyFormat = "$logits attr-dict `:` functional-type(operands, results)";
}

#endif
