//===- MoEOps.td - Mixture-of-Experts ----------------------*- tablegen -*-===//
//
// Included by HeddleOps.td. docs/moe.md walks a token through these ops.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_DIALECTS_HEDDLE_MOE_OPS_TD
#define HEDDLE_DIALECTS_HEDDLE_MOE_OPS_TD

def Heddle_RouterAttr : Heddle_Attr<"Router", "router"> {
  let summary = "How logits choose experts and weigh them";
  let description = [{
    Of a token's logits z[E], in this order:

    1. `score`: s = softmax(z), sigmoid(z), sqrt(log(1 + e^z)) (`sqrt_softplus`) or z (`none`).
    2. Selection is by b = s + select_bias (s where there is no bias). With `groups` > 1 the
       experts are as many groups of neighbours; the `keep` groups of the largest value stay,
       which is the largest b of a group (`reduce = max`) or the sum of its two largest
       (`sum_top2`), and b of the others becomes -infinity (`fill = neg_inf`) or 0 (`zero`).
    3. The `k` experts of the largest b, largest first. Of equal ones, here and among groups,
       the lowest number comes first.
    4. w = s of those k; then `post`: as it is (`none`), softmax or sigmoid of them.
    5. `norm`: as it is (`none`), w / (sum + eps) (`sum`) or w / max(sum, eps) (`clamp_min`).
    6. w * scale. `eps` is 0 and `scale` 1 where they are absent.

    Constraints: (C1) k is 1 to 256; (C2) score, post, norm, reduce and fill are among these
    words; (C3) groups is 1 to 65536 and keep 1 to groups; (C4) norm = sum and post = softmax,
    which sums to 1, do not go together; (C5) eps is not negative, scale is finite and not 0.

    Examples: Mixtral and Qwen3-MoE `#heddle.router<k = 8, score = softmax, norm = sum>`;
    Qwen2-MoE and OLMoE without the norm; DeepSeek-V3
    `#heddle.router<k = 8, score = sigmoid, norm = sum, eps = 1.0e-20 : f64, scale = 2.5 : f64, groups = 8, keep = 4, reduce = sum_top2>`
    with a bias; gpt-oss `#heddle.router<k = 4, post = softmax>`.
  }];
  let parameters = (ins "int64_t":$k,
                        Heddle_Keyword<"score of a logit", "\"none\"">:$score,
                        Heddle_Keyword<"of the weights", "\"none\"">:$post,
                        Heddle_Keyword<"of the weights' sum", "\"none\"">:$norm,
                        OptionalParameter<"::mlir::FloatAttr">:$eps,
                        OptionalParameter<"::mlir::FloatAttr">:$scale,
                        DefaultValuedParameter<"int64_t", "1">:$groups,
                        DefaultValuedParameter<"int64_t", "1">:$keep,
                        Heddle_Keyword<"a group's value", "\"max\"">:$reduce,
                        Heddle_Keyword<"what other groups have", "\"neg_inf\"">:$fill);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    double getEpsValue() const { return getEps() ? getEps().getValueAsDouble() : 0; }
    double getScaleValue() const { return getScale() ? getScale().getValueAsDouble() : 1; }
  }];
}

// Of each token its slots: numbers of experts, or of rows.
def Heddle_Slots : TensorRankOf<[I32], [2]>;
// [E, N, K]: a matrix an expert.
def Heddle_ExpertWeight : TensorRankOf<[F32], [3]>;
// [E, N]: a vector an expert, plain.
def Heddle_ExpertBias : ConfinedType<TensorRankOf<[F32], [2]>,
    [CPred<"!::llvm::cast<::mlir::RankedTensorType>($_self).getEncoding()">], "2D tensor of f32 without an encoding">;

def Heddle_RouteOp : Heddle_Op<"route", [Pure, Heddle_RowWise, Heddle_RouterOp, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "Which experts a token goes to, with what weight";
  let description = [{
    `ids[t, s]` is the s-th expert of token t and `weights[t, s]` what its result counts, by
    `router`. The logits are a product of its own, with a bias where the model has one; the
    bias here reaches the selection alone.
    Shapes: logits [T, E], select_bias [E], ids and weights [T, k].

    Constraints, beside those of `RouterOpInterface`: (C1) k is at most the experts of the groups that are kept;
    (C2) groups divides E, and sum_top2 needs two experts a group; (C3) select_bias has E
    elements; (C4) ids and weights are [T, k].

    Example:
    ```mlir
    %ids, %w = heddle.route %z {router = #heddle.router<k = 8, score = softmax, norm = sum>} : tensor<?x128xf32>
    ```
  }];
  let arguments = (ins Heddle_Activation:$logits, Optional<Heddle_Vector>:$select_bias, Heddle_RouterAttr:$router);
  let results = (outs Heddle_Slots:$ids, Heddle_Activation:$weights);
  let assemblyFormat = "$logits (`,` $select_bias^)? attr-dict `:` type($logits) (`,` type($select_bias)^)?";
  let hasVerifier = 1;
}

def Heddle_CustomRouteOp : Heddle_Op<"custom_route",
    [Pure, Heddle_RowWise, Heddle_RouterOp, IsolatedFromAbove, DeclareOpInterfaceMethods<Heddle_LinalgLowering>]> {
  let summary = "A routing that the region says";
  let description = [{
    Of each token the region makes its experts and their weights from its logits, and from the
    bias where there is one. It is a program of its own: a router that is text, as one in Python
    is, needs no plugin where it is compiled.
    Shapes: logits [T, E], select_bias [E], ids and weights [T, k]; in the region [1, E], [E],
    [1, k] and [1, k].

    Constraints, beside those of `RouterOpInterface`: (C1) select_bias has E elements; (C2) the
    region's arguments are `tensor<1xExf32>` and, with a bias, `tensor<Exf32>`, and it yields
    `tensor<1xkxi32>` and `tensor<1xkxf32>`; (C3) its ops compute elements and sums, and reach no
    other memory: `arith`, `math`, `linalg` ops with loops, `linalg.softmax`, and of `tensor`
    `empty`, `splat`, `extract_slice`, `insert_slice`, `expand_shape` and `collapse_shape`; (C4) all
    of their types are static, offsets too; (C5) integers are divided by positive constants.

    Example:
    ```mlir
    %ids, %w = heddle.custom_route %z : (tensor<?x8xf32>) -> (tensor<?x1xi32>, tensor<?x1xf32>) {
    ^bb0(%row: tensor<1x8xf32>):
      %first = arith.constant dense<0> : tensor<1x1xi32>
      %score = tensor.extract_slice %row[0, 0] [1, 1] [1, 1] : tensor<1x8xf32> to tensor<1x1xf32>
      heddle.yield %first, %score : tensor<1x1xi32>, tensor<1x1xf32>
    }
    ```
  }];
  let arguments = (ins Heddle_Activation:$logits, Optional<Heddle_Vector>:$select_bias);
  let results = (outs Heddle_Slots:$ids, Heddle_Activation:$weights);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{ $logits (`,` $select_bias^)? attr-dict `:` functional-type(operands, results) $body }];
  let hasVerifier = 1;
}

def Heddle_ExpertsOp : Heddle_Op<"experts", [Pure, AttrSizedOperandSegments, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "Gated units, a few of many for each token";
  let description = [{
    `result[t] = sum_s weights[t, s] * down_e (act(gate_e x_t) * (up_e x_t))` with
    e = ids[t, s] and s ascending. What importers write; lower-experts chooses the form.
    `biases` are added to what gate, up and down of an expert make (gpt-oss): to a gate and an up
    before the activation, to a down before its weight.
    With `hidden` the rows before `down` enter it in that form.
    Shapes: x [T, D], ids and weights [T, k], gate and up [E, I, D], down [E, N, I], their
    biases [E, I], [E, I] and [E, N], result [T, N].

    Constraints: (C1) gate and up have one shape, of x's width; (C2) down has as many
    experts, and their I as its width; (C3) ids and weights are [T, k] of x's T; (C4) the
    group of hidden divides I; (C5) there are three biases or none, of these shapes; (C6) a router
    (`RouterOpInterface`) that makes ids has as many logits as there are experts.

    Example:
    ```mlir
    %y = heddle.experts %x, %ids, %w, %gate, %up, %down {activation = #heddle.activation<silu>}
      : tensor<?x64xf32>, tensor<?x2xi32>, tensor<8x96x64xf32, #heddle.enc<f32>>, tensor<8x64x96xf32, #heddle.enc<f32>>
    ```
  }];
  let arguments = (ins Heddle_Rows:$x, Heddle_Slots:$ids, Heddle_Activation:$weights, Heddle_ExpertWeight:$gate,
                       Heddle_ExpertWeight:$up, Heddle_ExpertWeight:$down,
                       Optional<Heddle_ExpertBias>:$gate_bias, Optional<Heddle_ExpertBias>:$up_bias,
                       Optional<Heddle_ExpertBias>:$down_bias, Heddle_ActivationAttr:$activation,
                       OptionalAttr<Heddle_RowsAttr>:$hidden);
  let results = (outs Heddle_Activation:$result);
  let assemblyFormat = [{ $x `,` $ids `,` $weights `,` $gate `,` $up `,` $down
      (`biases` `(` $gate_bias^ `,` $up_bias `,` $down_bias `)`)? attr-dict
      `:` type($x) `,` type($ids) `,` type($weights) `,` type($gate) `,` type($up) `,` type($down)
      (`biases` `(` type($gate_bias)^ `,` type($up_bias) `,` type($down_bias) `)`)? }];
  let hasVerifier = 1;
}

def Heddle_PlanOp : Heddle_Op<"plan", [Pure, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "Groups slots by expert";
  let description = [{
    A stable counting sort of the T * k slots (token t, slot s is number t * k + s) by expert:
    `order` lists their numbers in groups of experts, `position` is the inverse, and
    `offsets[e]` is where the group of expert e starts; that of an expert that no token chose
    is empty. Shapes: ids, order and position [T, k], offsets [experts + 1].

    Constraints: (C1) experts is 1 to 65536; (C2) order and position are as ids, offsets has
    experts + 1 elements.

    Example:
    ```mlir
    %order, %position, %offsets = heddle.plan %ids {experts = 128 : i64} : tensor<?x8xi32>
    ```
  }];
  let arguments = (ins Heddle_Slots:$ids, I64Attr:$experts);
  let results = (outs Heddle_Slots:$order, Heddle_Slots:$position, 1DTensorOf<[I32]>:$offsets);
  let assemblyFormat = "$ids attr-dict `:` type($ids)";
  let hasVerifier = 1;
}

def Heddle_DispatchOp : Heddle_Op<"dispatch", [Pure, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "A token's row once for each of its slots, in groups of experts";
  let description = [{
    Row r of the T * k rows of the result is row `order[r] / k` of x. k of them make a row of
    the result: [T, k * D], in the form of x (`#heddle.rows`).

    Constraints: (C1) the result is as x, k times as wide; (C2) the group of its form divides D,
    and of rows of bf16 D is even.

    Example:
    ```mlir
    %xs = heddle.dispatch %x, %order : tensor<?x64xf32>, tensor<?x8xi32>
    ```
  }];
  let arguments = (ins Heddle_Rows:$x, Heddle_Slots:$order);
  let results = (outs Heddle_Rows:$result);
  let assemblyFormat = "$x `,` $order attr-dict `:` type($x) `,` type($order)";
  let hasVerifier = 1;
}

def Heddle_GroupedMatmulOp : Heddle_Op<"grouped_matmul", [Pure, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "Matrix products of groups of rows, each with its expert's weight";
  let description = [{
    Row r of the T * k rows of x (k to a row of its type), for offsets[e] <= r < offsets[e + 1],
    times `weight[e]`: `result[r, n] = sum_i x[r, i] * weight[e, n, i] (+ bias[e, n])`, i as in
    `heddle.linear`. Shapes: x [T, k * K], weight [E, N, K], offsets [E + 1], bias [E, N],
    result [T, k * N].

    Constraints: (C1) K divides the width of x; (C2) offsets has E + 1 elements; (C3) bias is
    [E, N] of the weight.

    Example:
    ```mlir
    %y = heddle.grouped_matmul %xs, %w, %offsets
      : tensor<?x128xf32>, tensor<8x96x64xf32, #heddle.enc<f32>>, tensor<9xi32>
    ```
  }];
  let arguments = (ins Heddle_Rows:$x, Heddle_ExpertWeight:$weight, 1DTensorOf<[I32]>:$offsets,
                       Optional<Heddle_ExpertBias>:$bias);
  let results = (outs Heddle_Activation:$result);
  let assemblyFormat = [{ $x `,` $weight `,` $offsets (`bias` $bias^)? attr-dict
      `:` type($x) `,` type($weight) `,` type($offsets) (`,` type($bias)^)? }];
  let hasVerifier = 1;
}

def Heddle_RoutedMatmulOp : Heddle_Op<"routed_matmul", [Pure, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "Matrix products of a token with the weights of its experts";
  let description = [{
    `result[t, s * N + n] = sum_i x[t, i] * weight[ids[t, s], n, i] (+ bias[ids[t, s], n])`, or,
    where x has a row for each slot, of `x[t, s * K + i]`. The form of one token: no plan, only
    the chosen experts are read. Shapes: x [T, K] or [T, k * K], ids [T, k], weight [E, N, K],
    bias [E, N], result [T, k * N].

    Constraints: (C1) the width of x is K or k * K; (C2) x and ids have one T; (C3) bias is
    [E, N] of the weight.

    Example:
    ```mlir
    %y = heddle.routed_matmul %x, %w, %ids : tensor<1x64xf32>, tensor<8x96x64xf32, #heddle.enc<f32>>, tensor<1x2xi32>
    ```
  }];
  let arguments = (ins Heddle_Rows:$x, Heddle_ExpertWeight:$weight, Heddle_Slots:$ids,
                       Optional<Heddle_ExpertBias>:$bias);
  let results = (outs Heddle_Activation:$result);
  let assemblyFormat = [{ $x `,` $weight `,` $ids (`bias` $bias^)? attr-dict
      `:` type($x) `,` type($weight) `,` type($ids) (`,` type($bias)^)? }];
  let hasVerifier = 1;
}

def Heddle_FetchOp : Heddle_Op<"fetch"> {
  let summary = "Has the weights of chosen experts in memory";
  let description = [{
    Returns when the experts that `chosen` names are where products of `weights` find them: the
    experts in ids [T, k], or those whose group is not empty by offsets [E + 1]. In a program whose
    experts are all in memory that is at once. Every thread computes it, before the products of its
    kernel; heddle-fetch-experts writes it, and no value depends on it.

    Constraints: (C1) weights are packed, with a table; (C2) offsets have one element more than there
    are experts.

    Example:
    ```mlir
    heddle.fetch %ids of %gate, %up : tensor<1x2xi32>,
      tensor<8x96x64xf32, #heddle.packed<<f32>, rows = 16, table = true>>,
      tensor<8x96x64xf32, #heddle.packed<<f32>, rows = 16, table = true>>
    ```
  }];
  let arguments = (ins TensorRankOf<[I32], [1, 2]>:$chosen, Variadic<Heddle_ExpertWeight>:$weights);
  let assemblyFormat = "$chosen `of` $weights attr-dict `:` type($chosen) `,` type($weights)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Whether `chosen` are offsets.
    bool isGrouped() { return ::llvm::cast<::mlir::RankedTensorType>(getChosen().getType()).getRank() == 1; }
  }];
}

def Heddle_CombineOp : Heddle_Op<"combine", [Pure, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "The weighted sum of a token's slots";
  let description = [{
    `result[t] = sum_s weights[t, s] * ys[r]`, s ascending, with r = position[t, s], or the
    slot's own number t * k + s without a position. The order is the slots', not the experts', so
    the sum does not depend on the form that made ys.
    Shapes: ys [T, k * N], weights and position [T, k], result [T, N].

    Constraints: (C1) k divides the width of ys; (C2) position is as weights.

    Example:
    ```mlir
    %y = heddle.combine %ys, %w, %position : tensor<?x128xf32>, tensor<?x2xf32>, tensor<?x2xi32>
    ```
  }];
  let arguments = (ins Heddle_Activation:$ys, Heddle_Activation:$weights, Optional<Heddle_Slots>:$position);
  let results = (outs Heddle_Activation:$result);
  let assemblyFormat = [{ $ys `,` $weights (`,` $position^)? attr-dict
      `:` type($ys) `,` type($weights) (`,` type($position)^)? }];
  let hasVerifier = 1;
}

def Heddle_GateRowsOp : Heddle_Op<"gate_rows", [Pure, Heddle_RowWise, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "Rows times a gate that another row opens";
  let description = [{
    `result[t] = sigmoid(sum_i by[t, i] * weight[i]) * x[t]`: the gate of a shared expert
    (Qwen2-MoE). Shapes: x [T, N], by [T, D], weight [D], result [T, N].

    Constraints: (C1) weight has D elements.

    Example:
    ```mlir
    %y = heddle.gate_rows %x, %h, %w : tensor<?x64xf32>, tensor<?x64xf32>, tensor<64xf32>
    ```
  }];
  let arguments = (ins Heddle_Activation:$x, Heddle_Activation:$by, Heddle_Vector:$weight);
  let results = (outs Heddle_Activation:$result);
  let assemblyFormat = "$x `,` $by `,` $weight attr-dict `:` type($x) `,` type($by) `,` type($weight)";
  let hasVerifier = 1;
}

#endif
