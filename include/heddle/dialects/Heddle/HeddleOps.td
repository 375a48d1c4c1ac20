//===- HeddleOps.td - Ops of the graph dialect -------------*- tablegen -*-===//
#ifndef HEDDLE_DIALECTS_HEDDLE_OPS_TD
#define HEDDLE_DIALECTS_HEDDLE_OPS_TD

include "heddle/dialects/Heddle/HeddleBase.td"
include "heddle/dialects/Heddle/HeddleInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/CallInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Heddle_Op<string mnemonic, list<Trait> traits = []> : Op<Heddle_Dialect, mnemonic, traits>;

// Tokens by width, computed and so not encoded.
def Heddle_Activation : ConfinedType<TensorRankOf<[F32], [2]>,
    [CPred<"::heddle::isActivation(::llvm::cast<::mlir::ShapedType>($_self))">],
    "2D tensor of f32 without an encoding, with a static width of 1 to 2147483647">;
// The same, or in the form of #heddle.rows.
def Heddle_Rows : ConfinedType<TensorRankOf<[F32], [2]>,
    [CPred<"::heddle::isActivation(::llvm::cast<::mlir::ShapedType>($_self), true)">],
    "2D tensor of f32 without an encoding or with #heddle.rows, with a static width of 1 to 2147483647">;
def Heddle_Ids : 1DTensorOf<[I32]>;
def Heddle_Vector : 1DTensorOf<[F32]>;

//===----------------------------------------------------------------------===//
// Parameters and structure
//===----------------------------------------------------------------------===//

def Heddle_ParamOp : Heddle_Op<"param", [Pure]> {
  let summary = "A parameter of the checkpoint";
  let description = [{
    Names a tensor of the model; the type says its logical shape and how it is
    stored. Weights are never constants in the IR.

    Constraints: (C1) the shape is static and of rank 1 to 3, each dimension 1 to
    2^31 - 1, of f32; (C2) the name is not empty. What an encoding asks of the shape is with
    `#heddle.enc`.

    Example:
    ```mlir
    %w = heddle.param "blk.0.ffn_up.weight" : tensor<1536x576xf32, #heddle.enc<i8, group = 32, scale = true>>
    ```
  }];
  let arguments = (ins StrAttr:$name);
  let results = (outs RankedTensorOf<[F32]>:$result);
  let assemblyFormat = "$name attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Heddle_LayersOp : Heddle_Op<"layers", [AttrSizedOperandSegments, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "A sequence of layers over a few kinds";
  let description = [{
    Calls, for l = 0, 1, …, the layer kind `kinds[order[l]]` with the values that
    flow through the layers (`carried`), the layer's slot l, the values that all
    layers share (`shared`), and the parameters that row l of the table names. So a
    layer kind is compiled once, whatever the depth.

    Constraints: (C1) `order` and `rows` have one entry per layer; (C2) every entry
    of `order` indexes `kinds`; (C3) a kind's signature is (carried…, index,
    shared…, one f32 tensor of static shape per name of its rows) -> carried…; (C4)
    results have the types of `carried`; (C5) `kinds` are names of functions and `rows`
    are arrays of strings; (C6) what is carried is an activation or a cache, what is
    shared a tensor.

    Example:
    ```mlir
    %y, %c1 = heddle.layers (%x, %c0) shared (%pos) kinds [@block] order [0, 0]
      rows [["blk.0.attn_norm.weight"], ["blk.1.attn_norm.weight"]]
      : (tensor<?x576xf32>, !heddle.cache<full_kv, layers = 2, heads = 3, dim = 64, elem = f32>), (tensor<?xi32>)
      -> (tensor<?x576xf32>, !heddle.cache<full_kv, layers = 2, heads = 3, dim = 64, elem = f32>)
    ```
  }];
  let arguments = (ins Variadic<AnyTypeOf<[Heddle_Activation, Heddle_CacheType]>>:$carried,
                       Variadic<RankedTensorOf<[AnyType]>>:$shared, FlatSymbolRefArrayAttr:$kinds, DenseI32ArrayAttr:$order,
                       TypedArrayAttrBase<StrArrayAttr, "array of arrays of strings">:$rows);
  let results = (outs Variadic<AnyType>:$results);
  let assemblyFormat = [{ `(` $carried `)` `shared` `(` $shared `)` `kinds` $kinds `order` $order
      `rows` $rows attr-dict `:` custom<TypeTuple>(type($carried)) `,` custom<TypeTuple>(type($shared))
      `->` custom<TypeTuple>(type($results)) }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Decoder ops
//===----------------------------------------------------------------------===//

def Heddle_EmbeddingOp : Heddle_Op<"embedding", [Pure, Heddle_RowWise, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "Rows of a table, one per token id";
  let description = [{
    `result[t, :] = table[ids[t], :]`, decoded to f32.
    Shapes: ids [T], table [V, D], result [T, D].

    Constraints: (C1) the table has rank 2.

    Example:
    ```mlir
    %x = heddle.embedding %ids, %table : tensor<?xi32>, tensor<49152x576xf32, #heddle.enc<f16>>
    ```
  }];
  let arguments = (ins Heddle_Ids:$ids, TensorRankOf<[F32], [2]>:$table);
  let results = (outs Heddle_Activation:$result);
  let assemblyFormat = "$ids `,` $table attr-dict `:` type($ids) `,` type($table)";
}

def Heddle_SelectRowsOp : Heddle_Op<"select_rows", [Pure, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "The tokens whose logits are wanted";
  let description = [{
    `result[r, :] = x[rows[r], :]`. Shapes: x [T, D], rows [R], result [R, D].

    Example:
    ```mlir
    %y = heddle.select_rows %x, %rows : tensor<?x576xf32>, tensor<?xi32>
    ```
  }];
  let arguments = (ins Heddle_Activation:$x, Heddle_Ids:$rows);
  let results = (outs Heddle_Activation:$result);
  let assemblyFormat = "$x `,` $rows attr-dict `:` type($x) `,` type($rows)";
}

def Heddle_RMSNormOp : Heddle_Op<"rms_norm", [Pure, Heddle_RowWise, DeclareOpInterfaceMethods<InferTypeOpInterface>,
    DeclareOpInterfaceMethods<Heddle_LinalgLowering>]> {
  let summary = "Root-mean-square normalisation";
  let description = [{
    `x * rsqrt(mean(x^2) + epsilon) * weight`, statistics over each of `groups`
    equal parts of a row (heads, for a q/k norm), in f32 (Zhang and Sennrich,
    arXiv 1910.07467). With `unit_offset` the weight is `1 + weight`.
    Shapes: x [T, D], weight [D / groups], result [T, D].

    Constraints: (C1) groups divides D; (C2) weight has D / groups elements;
    (C3) epsilon is positive.

    Example:
    ```mlir
    %y = heddle.rms_norm %x, %w {epsilon = 1.0e-5 : f64} : tensor<?x576xf32>, tensor<576xf32>
    ```
  }];
  let arguments = (ins Heddle_Activation:$x, Heddle_Vector:$weight, F64Attr:$epsilon,
                       DefaultValuedAttr<I64Attr, "1">:$groups, UnitAttr:$unit_offset);
  let results = (outs Heddle_Activation:$result);
  let assemblyFormat = "$x `,` $weight attr-dict `:` type($x) `,` type($weight)";
  let hasVerifier = 1;
}

def Heddle_LinearOp : Heddle_Op<"linear", [Pure, DeclareOpInterfaceMethods<InferTypeOpInterface>,
    DeclareOpInterfaceMethods<Heddle_LinalgLowering>]> {
  let summary = "Matrix product with a stored weight";
  let description = [{
    `result[t, n] = sum_k x[t, k] * weight[n, k] (+ bias[n])`, k ascending in one
    fixed order. Shapes: x [T, K], weight [N, K], bias [N], result [T, N].
    A weight [H, N, K] is a matrix a head: x [T, H * K], result [T, H * N], and head h of the
    result is the product of head h of x with the h-th matrix (multi-head latent attention,
    arXiv 2405.04434).

    Constraints: (C1) the widths of x and weight agree; (C2) bias has N elements, H * N of heads;
    (C3) the result's width is at most 2147483647.

    Example:
    ```mlir
    %y = heddle.linear %x, %w : tensor<?x576xf32>, tensor<1536x576xf32, #heddle.enc<f32>>
    ```
  }];
  let arguments = (ins Heddle_Rows:$x, TensorRankOf<[F32], [2, 3]>:$weight, Optional<Heddle_Vector>:$bias);
  let results = (outs Heddle_Activation:$result);
  let assemblyFormat = "$x `,` $weight (`,` $bias^)? attr-dict `:` type($x) `,` type($weight) (`,` type($bias)^)?";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Matrices of the weight.
    int64_t getMatrices() { return getWeight().getType().getRank() == 3 ? getWeight().getType().getDimSize(0) : 1; }
  }];
}

def Heddle_SliceHeadsOp : Heddle_Op<"slice_heads", [Pure, Heddle_RowWise, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "Some elements of each head";
  let description = [{
    `result[t, h, i] = x[t, h, first + i]` for i < size.
    Shapes: x [T, heads * head size], result [T, heads * size].

    Constraints: (C1) heads divides the width of x; (C2) size is positive, first not negative,
    and first + size at most the head size.

    Example:
    ```mlir
    %y = heddle.slice_heads %x {heads = 16 : i64, first = 128 : i64, size = 64 : i64} : tensor<?x3072xf32>
    ```
  }];
  let arguments = (ins Heddle_Activation:$x, I64Attr:$heads, I64Attr:$first, I64Attr:$size);
  let results = (outs Heddle_Activation:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
  let hasVerifier = 1;
}

def Heddle_ConcatHeadsOp : Heddle_Op<"concat_heads", [Pure, Heddle_RowWise, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "Two parts of each head side by side";
  let description = [{
    Head h of the result is head h of a, then head h of b.
    Shapes: a [T, heads * A], b [T, heads * B], result [T, heads * (A + B)].

    Constraints: (C1) heads divides both widths.

    Example:
    ```mlir
    %y = heddle.concat_heads %a, %b {heads = 16 : i64} : tensor<?x1024xf32>, tensor<?x8192xf32>
    ```
  }];
  let arguments = (ins Heddle_Activation:$a, Heddle_Activation:$b, I64Attr:$heads);
  let results = (outs Heddle_Activation:$result);
  let assemblyFormat = "$a `,` $b attr-dict `:` type($a) `,` type($b)";
  let hasVerifier = 1;
}

def Heddle_ConvertRowsOp : Heddle_Op<"convert_rows", [Pure, Heddle_RowWise]> {
  let summary = "Activations in the form that a dot product takes";
  let description = [{
    Rounds x as the encoding of the result's type says (`#heddle.rows`). A numeric mode
    is these conversions: `a8` puts them before every product with integer codes.
    Shapes: x [T, K], result [T, K].

    Constraints: (C1) x has no encoding, and the result differs from it in its `#heddle.rows`
    encoding alone; (C2) the group divides K.

    Example:
    ```mlir
    %y = heddle.convert_rows %x : tensor<?x576xf32> -> tensor<?x576xf32, #heddle.rows<i8, group = 32>>
    ```
  }];
  let arguments = (ins Heddle_Activation:$x);
  let results = (outs Heddle_Rows:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}

def Heddle_RopeAnglesOp : Heddle_Op<"rope_angles", [Pure, Heddle_RowWise, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "Cosines and sines of rotary positions";
  let description = [{
    For i < dim/2 and f_i = theta^(-2i/dim) / scale / divisors[i]:
    `result[t, i] = amplitude * cos(positions[t] * f_i)`, `result[t, dim/2 + i] = amplitude * sin(…)`
    (Su et al., arXiv 2104.09864). `frequencies`, if given, take the place of the powers of
    theta: importers write scaled rotary positions so. Where a longer context has others,
    `beyond` are those of more than `original` positions, which set-rope-frequencies puts in
    their place once the context is known; without it the op means `frequencies`.
    Computed once a step, in f64, kept in f32.
    Shapes: positions [T], divisors [dim/2], result [T, dim].

    Constraints: (C1) dim is even and 2 to 65536; (C2) theta, scale, amplitude, frequencies,
    beyond and original are positive; (C3) divisors, frequencies and beyond have dim/2
    elements; (C4) beyond and original go together, and with frequencies.

    Example:
    ```mlir
    %a = heddle.rope_angles %pos {dim = 64 : i64, theta = 1.0e5 : f64} : tensor<?xi32>
    ```
  }];
  let arguments = (ins Heddle_Ids:$positions, Optional<Heddle_Vector>:$divisors, I64Attr:$dim, F64Attr:$theta,
                       DefaultValuedAttr<F64Attr, "1.0">:$scale, DefaultValuedAttr<F64Attr, "1.0">:$amplitude,
                       OptionalAttr<DenseF64ArrayAttr>:$frequencies, OptionalAttr<DenseF64ArrayAttr>:$beyond,
                       OptionalAttr<I64Attr>:$original);
  let results = (outs Heddle_Activation:$result);
  let assemblyFormat = "$positions (`,` $divisors^)? attr-dict `:` type($positions) (`,` type($divisors)^)?";
  let hasVerifier = 1;
}

def Heddle_RopeOp : Heddle_Op<"rope", [Pure, Heddle_RowWise, DeclareOpInterfaceMethods<InferTypeOpInterface>,
    DeclareOpInterfaceMethods<Heddle_LinalgLowering>]> {
  let summary = "Rotary position embedding";
  let description = [{
    Rotates the first `dim` elements of each head by the angles, in pairs
    (i, i + dim/2), or (2i, 2i + 1) with `interleaved`:
    (a, b) -> (a cos - b sin, b cos + a sin).
    Shapes: x [T, heads * head size], angles [T, dim], result as x.

    Constraints: (C1) heads divides the width; (C2) dim is even and at most the head size.

    Example:
    ```mlir
    %y = heddle.rope %x, %a {heads = 9 : i64} : tensor<?x576xf32>, tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Heddle_Activation:$x, Heddle_Activation:$angles, I64Attr:$heads, UnitAttr:$interleaved);
  let results = (outs Heddle_Activation:$result);
  let assemblyFormat = "$x `,` $angles attr-dict `:` type($x) `,` type($angles)";
  let hasVerifier = 1;
}

/// Of one step's tokens, which may be of several sequences.
def Heddle_StartsMatch : OptionalTypesMatchWith<"starts are as positions", "positions", "starts", "$_self">;

def Heddle_CacheAppendOp : Heddle_Op<"cache_append", [Pure, Heddle_RowWise, AllTypesMatch<["cache", "result"]>, AllTypesMatch<["key", "value"]>, Heddle_StartsMatch]> {
  let summary = "Writes keys and values of this step's tokens";
  let description = [{
    The result is the cache with key[t, h, :] and value[t, h, :] at
    [slot, h, starts[t] + positions[t], :]. `starts` say where in the cache the token's
    sequence begins, 0 if not given. Shapes: key and value [T, heads * dim], positions and
    starts [T].

    Constraints: (C1) widths are heads * dim of the cache.

    Example:
    ```mlir
    %c1 = heddle.cache_append %c0[%slot], %k, %v at %pos
      : !heddle.cache<full_kv, layers = 30, heads = 3, dim = 64, elem = f32>, tensor<?x192xf32>, tensor<?xi32>
    ```
  }];
  let arguments = (ins Heddle_CacheType:$cache, Index:$slot, Heddle_Activation:$key, Heddle_Activation:$value,
                       Heddle_Ids:$positions, Optional<Heddle_Ids>:$starts);
  let results = (outs Heddle_CacheType:$result);
  let assemblyFormat = [{ $cache `[` $slot `]` `,` $key `,` $value `at` $positions (`from` $starts^)? attr-dict
      `:` type($cache) `,` type($key) `,` type($positions) }];
  let hasVerifier = 1;
}

def Heddle_AttentionOp : Heddle_Op<"attention", [Pure, AttrSizedOperandSegments, Heddle_StartsMatch, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "Causal attention over a cache";
  let description = [{
    For query head h of token t over the keys j <= positions[t] of KV head
    h / (heads / cache heads): softmax_j(scale * q . k_j) weighs v_j. With
    `window` = W only keys with positions[t] - j < W count. `sinks` are one more logit per
    query head, with a value of 0: exp(sinks[h]) is added to what the softmax divides by
    (arXiv 2309.17453; gpt-oss). Grouped-query attention
    (arXiv 2305.13245); the kernel is an online softmax over fixed segments of keys
    at absolute positions, merged in ascending order (arXiv 2307.08691). Key j is at
    starts[t] + j of the cache, where token t's sequence begins, at j if `starts` are not
    given. Shapes: query [T, heads * dim], positions and starts [T], result as query.

    Constraints: (C1) the width is heads * dim; (C2) the cache's heads divide heads;
    (C3) scale is positive; (C4) window, if given, is positive; (C5) sinks has heads elements.

    Example:
    ```mlir
    %o = heddle.attention %q, %c[%slot] at %pos {heads = 9 : i64, scale = 0.125 : f64}
      : tensor<?x576xf32>, !heddle.cache<full_kv, layers = 30, heads = 3, dim = 64, elem = f32>, tensor<?xi32>
    ```
  }];
  let arguments = (ins Heddle_Activation:$query, Heddle_CacheType:$cache, Index:$slot, Heddle_Ids:$positions,
                       Optional<Heddle_Ids>:$starts, Optional<Heddle_Vector>:$sinks, I64Attr:$heads, F64Attr:$scale,
                       OptionalAttr<I64Attr>:$window);
  let results = (outs Heddle_Activation:$result);
  let assemblyFormat = [{ $query `,` $cache `[` $slot `]` `at` $positions (`from` $starts^)? (`sinks` $sinks^)? attr-dict
      `:` type($query) `,` type($cache) `,` type($positions) (`,` type($sinks)^)? }];
  let hasVerifier = 1;
}

def Heddle_CacheKeys : I32EnumAttrCase<"keys", 0>;
def Heddle_CacheValues : I32EnumAttrCase<"values", 1>;
def Heddle_CachePartAttr : I32EnumAttr<"CachePart", "Half of a cache", [Heddle_CacheKeys, Heddle_CacheValues]> {
  let cppNamespace = "::heddle";
}

def Heddle_ExpandLatentOp : Heddle_Op<"expand_latent", [Pure, AllTypesMatch<["cache", "result"]>, Heddle_StartsMatch]> {
  let summary = "Keys or values of every head from cached latents";
  let description = [{
    For every row r of the latents that a token of the step sees (starts[t] to starts[t] + positions[t]), and
    every head h of the result: with c the elements from `first` on of the value that is cached at
    [slot, 0, r], as many as the weight's matrices have columns, the `keys` are
    [the elements before `first` | weight[h] c], and the `values` weight[h] c, at [0, h, r] of `cache`. What of a
    head is wider than that is left as it is. Other rows of the same blocks may be written too: nothing reads them. `rows` is the form in which the latents enter the products (f32 if not given).
    So the naive form of multi-head latent attention has its keys and values without a cache of them
    (arXiv 2405.04434, section 2.1.2). The result is for this step: the next one begins anew. Shapes: weight
    [heads of the cache, N, K], positions and starts [T].

    Constraints: (C1) the latents have one head; (C2) first + K is their dim; (C3) the weight has a matrix a head of
    the cache; (C4) N, and for keys first + N, is at most the dim of the cache; (C5) the cache has one layer; (C6) a group of
    rows divides K.

    Example:
    ```mlir
    %e1 = heddle.expand_latent keys %c[%slot], %w_uk into %e0 at %pos {first = 64 : i64}
      : <full_kv, layers = 27, heads = 1, dim = 576, elem = f32>, tensor<16x128x512xf32, #heddle.enc<f32>>,
        <step_kv, layers = 1, heads = 16, dim = 192, elem = f32>, tensor<?xi32>
    ```
  }];
  let arguments = (ins Heddle_CachePartAttr:$part, Heddle_CacheType:$latents, Index:$slot, TensorRankOf<[F32], [3]>:$weight,
                       Heddle_CacheType:$cache, Heddle_Ids:$positions, Optional<Heddle_Ids>:$starts, I64Attr:$first,
                       OptionalAttr<Heddle_RowsAttr>:$rows);
  let results = (outs Heddle_CacheType:$result);
  let assemblyFormat = [{ $part $latents `[` $slot `]` `,` $weight `into` $cache `at` $positions (`from` $starts^)? attr-dict
      `:` type($latents) `,` type($weight) `,` type($cache) `,` type($positions) }];
  let hasVerifier = 1;
}

def Heddle_SwiGLU : I32EnumAttrCase<"silu", 0>;
def Heddle_ClampedSwiGLU : I32EnumAttrCase<"oai", 1>;
def Heddle_ActivationKind : I32EnumAttr<"ActivationKind", "Activation of a gated unit",
                                        [Heddle_SwiGLU, Heddle_ClampedSwiGLU]> {
  let cppNamespace = "::heddle";
  let genSpecializedAttr = 0;
}
def Heddle_ActivationAttr : Heddle_Attr<"Activation", "activation"> {
  let summary = "The activation of a gated unit, with its numbers";
  let description = [{
    Of a gate g and an up u: `silu` is g / (1 + exp(-g)) * u (arXiv 2002.05202). `oai` is gpt-oss's
    clamped form: with g' = min(g, limit) and u' = u between -limit and limit,
    g' / (1 + exp(-alpha g')) * (u' + 1). `limit` is 7 and `alpha` 1.702 where they are absent.

    Constraints: (C1) limit and alpha are of `oai`; (C2) both are positive and finite in f32.

    Examples: `#heddle.activation<silu>`, `#heddle.activation<oai, limit = 6.0 : f64>`.
  }];
  let parameters = (ins EnumParameter<Heddle_ActivationKind>:$kind,
                        OptionalParameter<"::mlir::FloatAttr">:$limit,
                        OptionalParameter<"::mlir::FloatAttr">:$alpha);
  let assemblyFormat = "`<` $kind (`,` struct($limit, $alpha)^)? `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    bool isClamped() const { return getKind() == ActivationKind::oai; }
    double getLimitValue() const { return getLimit() ? getLimit().getValueAsDouble() : 7; }
    double getAlphaValue() const { return getAlpha() ? getAlpha().getValueAsDouble() : 1.702; }
  }];
}

def Heddle_GLUOp : Heddle_Op<"glu", [Pure, Heddle_RowWise, AllTypesMatch<["gate", "up", "result"]>,
    DeclareOpInterfaceMethods<Heddle_LinalgLowering>]> {
  let summary = "Gated activation";
  let description = [{
    Element by element what `#heddle.activation` makes of a gate and an up.

    Example:
    ```mlir
    %y = heddle.glu %g, %u {activation = #heddle.activation<silu>} : tensor<?x1536xf32>
    ```
  }];
  let arguments = (ins Heddle_Activation:$gate, Heddle_Activation:$up, Heddle_ActivationAttr:$activation);
  let results = (outs Heddle_Activation:$result);
  let assemblyFormat = "$gate `,` $up attr-dict `:` type($gate)";
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

def Heddle_KernelOp : Heddle_Op<"kernel", [IsolatedFromAbove, SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "Ops that become one kernel";
  let description = [{
    Formed in the fuse phase, given a schedule in the schedule phase, expanded in the
    emit phase. The region's arguments are the inputs.

    Constraints: (C1) the region has one argument per input, of its type; (C2) it
    yields the result types.

    Example:
    ```mlir
    %y = heddle.kernel "linear" (%x, %w) : (tensor<1x8xf32>, tensor<4x8xf32, #heddle.enc<f32>>) -> tensor<1x4xf32> {
    ^bb0(%a: tensor<1x8xf32>, %b: tensor<4x8xf32, #heddle.enc<f32>>):
      %0 = heddle.linear %a, %b : tensor<1x8xf32>, tensor<4x8xf32, #heddle.enc<f32>>
      heddle.yield %0 : tensor<1x4xf32>
    }
    ```
  }];
  let arguments = (ins StrAttr:$name, Variadic<AnyType>:$inputs, OptionalAttr<Heddle_ScheduleAttr>:$schedule);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{ $name `(` $inputs `)` (`schedule` $schedule^)? attr-dict
      `:` functional-type($inputs, $results) $body }];
  let hasVerifier = 1;
}

def Heddle_YieldOp : Heddle_Op<"yield", [Pure, Terminator, ParentOneOf<["KernelOp", "CustomRouteOp"]>]> {
  let summary = "Ends a kernel, or a routing, with its results";
  let description = [{
    Example:
    ```mlir
    heddle.yield %0 : tensor<1x4xf32>
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, ::mlir::ValueRange()); }]>];
}

def Heddle_LaunchOp : Heddle_Op<"launch", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Runs an emitted kernel, still on values";
  let description = [{
    Calls `callee`(first item, end item, inputs…, results…) on every thread's share of
    `items`, or `callee`(counters, items, threads, inputs…, results…), which takes its items
    from the counters. `items` is an affine map of the rows: the leading dimension of the first result that
    is a tensor, else of the first activation. Input i is
    read only at row = item where `aligned_inputs[i]`, result i is written only there
    where `aligned_results[i]`; a barrier is needed only between a write and a read that
    are not both aligned.

    Constraints: (C1) `items` has one result and at most one dimension; (C2) the
    aligned arrays have one entry per input and result.

    Example:
    ```mlir
    %y = heddle.launch @linear_0(%x, %w) items affine_map<(d0) -> (18)> aligned [false, false] -> [false]
      : (tensor<1x8xf32>, tensor<4x8xf32, #heddle.packed<<f32>, rows = 32>>) -> tensor<1x4xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, Variadic<AnyType>:$inputs, AffineMapAttr:$items,
                       DenseBoolArrayAttr:$aligned_inputs, DenseBoolArrayAttr:$aligned_results);
  let results = (outs Variadic<AnyType>:$results);
  let assemblyFormat = [{ $callee `(` $inputs `)` `items` $items `aligned` $aligned_inputs `->` $aligned_results
      attr-dict `:` functional-type($inputs, $results) }];
  let hasVerifier = 1;
}

include "heddle/dialects/Heddle/MoEOps.td"

#endif
