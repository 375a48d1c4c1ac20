//===- Passes.td - Every pass of the pipeline --------------*- tablegen -*-===//
//
// In the order in which the phases run them.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_PASSES_PASSES_TD
#define HEDDLE_PASSES_PASSES_TD

include "mlir/Pass/PassBase.td"

def SetRopeFrequencies : Pass<"heddle-set-rope-frequencies", "::mlir::ModuleOp"> {
  let summary = "Chooses rotary frequencies by the context's length";
  let description = [{
    Where a `rope_angles` has frequencies for a longer context, `heddle.context` of the module
    decides: `beyond` take the place of `frequencies` if it is more than `original`, and else
    are dropped; without the attribute they are dropped. Must not change any other.
    Before: `{…, frequencies = array<f64: 1.0, 0.75>, beyond = array<f64: 0.5, 0.25>, original = 64 : i64}`
    with `heddle.context = 65`; after: `{…, frequencies = array<f64: 0.5, 0.25>}`.
  }];
}

def RecogniseExperts : Pass<"heddle-recognise-experts", "::mlir::ModuleOp"> {
  let summary = "A loop over experts as route and experts";
  let description = [{
    In a graph that knows no routing, a layer with experts computes every expert for every token and
    weighs most with 0. Of E experts, with T tokens, the whole of this becomes one `route` and one `experts`:

    - p = `linalg.softmax` of the logits z [T, E];
    - rank[t, e], a `linalg.generic` that counts the p[t, j] that are larger than p[t, e], or equal with
      j < e: the k experts of rank < k are the k largest, of equal ones the first;
    - w[t, e], a `linalg.generic` that selects p[t, e] where its rank is below k and 0 elsewhere; or this
      divided by its sums over e;
    - of each expert e its gated unit (`linear`, `linear`, `glu`, `linear`, all of one x) times column e of w
      (`tensor.extract_slice`), a `linalg.generic`;
    - the sum of these by `arith.addf`, in any order, zeros among them.

    The weights are parameters whose names differ in the number of the expert alone, or arguments of a layer
    kind whose rows of the table name such; one with `*` in its place takes their place, and what nothing
    reads any more is dropped. Sums of slots go by weight
    afterwards, largest first, so results differ by rounding.

    Must not fire if an expert is missing or there twice, if units differ in x or activation, have biases, or
    if their weights do not come of such a routing.

    Before, in part:
    ```mlir
    %c = tensor.extract_slice %w[0, 3] [%t, 1] [1, 1] : tensor<?x4xf32> to tensor<?xf32>
    %g = heddle.linear %x, %gate3 : …
    %u = heddle.linear %x, %up3 : …
    %h = heddle.glu %g, %u {activation = #heddle.activation<silu>} : …
    %d = heddle.linear %h, %down3 : …
    %m = linalg.generic {…} ins(%d, %c : tensor<?x64xf32>, tensor<?xf32>) …   // d * c
    %y = arith.addf %y2, %m : tensor<?x64xf32>
    ```
    After:
    ```mlir
    %gate = heddle.param "experts.*.gate.weight" : tensor<4x96x64xf32, …>
    %ids, %weights = heddle.route %z {router = #heddle.router<k = 2, score = softmax, norm = sum>} : tensor<?x4xf32>
    %y = heddle.experts %x, %ids, %weights, %gate, %up, %down {activation = #heddle.activation<silu>} : …
    ```
  }];
  let dependentDialects = ["::heddle::HeddleDialect"];
}

def SetRouter : Pass<"heddle-set-router", "::mlir::ModuleOp"> {
  let summary = "Another router in the place of a graph's own";
  let description = [{
    With `name` every `heddle.route` becomes what the router of that name (`heddle list routers`)
    builds for the same logits, bias and k: the way to compile a checkpoint with a router that its
    config cannot name (`-p set-router.name=sparsemixer`). Fails if there is no such router,
    if it cannot do with the bias or k, or if the graph has no `route`. Without a name, nothing
    is done.
    Before: `%ids, %w = heddle.route %z {router = #heddle.router<k = 2, score = softmax>}`;
    after: `%ids, %w = sparsemixer.route %z`.
  }];
  let options = [Option<"name", "name", "std::string", "\"\"", "The router; none: leave the graph.">];
}

def SetNumericMode : Pass<"heddle-set-numeric-mode", "::mlir::ModuleOp"> {
  let summary = "Resolves the numeric mode";
  let description = [{
    Replaces `heddle.numeric = "auto"` on the module: `a8` if most bytes of its matrices are
    integer codes and all levels of the target (`heddle.target`) have an integer dot product,
    else `f32`. Fails on a mode that does not exist or that the target has no instruction for.
    Before: `module attributes {heddle.numeric = "auto"}`; after: `"a8"`.
  }];
}

def ConvertActivations : Pass<"heddle-convert-activations", "::mlir::ModuleOp"> {
  let summary = "Puts the conversions of the numeric mode before products";
  let description = [{
    With `heddle.numeric = "a8"` the activations of every product with integer codes enter
    as `#heddle.rows<i8, group = 32>`. Must not fire for float weights, nor where the
    group does not divide the width or fit the weight's.
    Before: `heddle.linear %x, %w`; after:
    ```mlir
    %0 = heddle.convert_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #heddle.rows<i8, group = 32>>
    %1 = heddle.linear %0, %w : tensor<?x64xf32, #heddle.rows<i8, group = 32>>, tensor<8x64xf32, #heddle.enc<i8, group = 32, scale = true>>
    ```
  }];
  let dependentDialects = ["::heddle::HeddleDialect"];
}

def AddSequences : Pass<"heddle-add-sequences", "::mlir::ModuleOp"> {
  let summary = "Steps whose tokens are of several sequences";
  let description = [{
    `@forward` knows one sequence. It gets one more argument, `heddle.input = "starts"` [T]: where in the
    caches each token's sequence begins. What writes and reads caches, in `@forward` and in its layer kinds,
    takes it, so that tokens of one step may be of several sequences: their products pass over the weights
    once for all of them, and only attention goes to each one's own keys. Positions stay those within a
    sequence.

    Must not fire without caches, where an op has a fixed number of tokens, or where functions are called
    otherwise than by `heddle.layers` and go to caches: such a program takes one sequence at a time. Fails where positions or starts are no input of `@forward`: the runtime bounds those
    alone.

    Before: `%o = heddle.attention %q, %c[%slot] at %pos {…}`; after:
    `%o = heddle.attention %q, %c[%slot] at %pos from %starts {…}`.
  }];
}

def Specialize : Pass<"heddle-specialize", "::mlir::ModuleOp"> {
  let summary = "Clones the graph per token count and level";
  let description = [{
    Input: `@forward` and its layer kinds with a dynamic token count. Output: the
    clones `@decode` (one token, one row of logits: every `?` becomes 1), `@batch` and
    `@prefill`, each with `heddle.max_tokens`, and their own clones of the kinds. If
    the module's `heddle.target` lists several levels, each has its own: `@decode.x86-64-v2`
    with `heddle.level = "x86-64-v2"`, …
  }];
  let options = [
    Option<"batchTokens", "batch-tokens", "int64_t", "16", "Most tokens of a small batch.">,
    Option<"prefillTokens", "prefill-tokens", "int64_t", "256",
           "Most tokens of a prefill step; the arena grows with it.">];
}

def ExpandLatent : Pass<"heddle-expand-latent", "::mlir::ModuleOp"> {
  let summary = "Latent attention of long prompts in the naive form";
  let description = [{
    Only with the option `prefill`. In `@prefill`, attention over latents in the absorbed form, where W_UK meets the
    queries and W_UV what attention has mixed, becomes the naive one: keys and values of each head are expanded from
    the cached latents, in each layer and step anew, to a cache `step_kv` of one layer. Of a query and a key that is
    as many multiplications as a head is wide instead of as the latent is (docs/mla.md has what is gained). `@decode`
    and `@batch` stay as they are, and so does what is cached. So logits are not the same bits for every cut of a
    prompt any more. W_UK is a parameter a second time, with rows for columns (`NAME^T`), in floats.

    Must not fire where something else reads the parts between, with sinks, a window or a bias, where values are
    wider than keys, or where keys and values that are cached are not the same. Fails if it fires nowhere.

    Before:
    ```mlir
    %qa = heddle.linear %qp, %w_uk : tensor<?x96xf32>, tensor<4x32x24xf32, …>
    %query = heddle.concat_heads %qr, %qa {heads = 4} : …
    %u = heddle.attention %query, %c[%slot] at %pos {heads = 4, …} : …
    %ul = heddle.slice_heads %u {first = 16, heads = 4, size = 32} : …
    %o = heddle.linear %ul, %w_uv : tensor<?x128xf32>, tensor<4x20x32xf32, …>
    ```
    After:
    ```mlir
    %e1 = heddle.expand_latent keys %c[%slot], %w_uk_t into %e0 at %pos {first = 16} : …
    %e2 = heddle.expand_latent values %c[%slot], %w_uv into %e1 at %pos {first = 16} : …
    %query = heddle.concat_heads %qr, %qp {heads = 4} : …
    %u = heddle.attention %query, %e2[%zero] at %pos {heads = 4, …} : …
    %o = heddle.slice_heads %u {first = 0, heads = 4, size = 20} : …
    ```
  }];
  let options = [Option<"prefill", "prefill", "bool", "false", "The naive form in `@prefill`.">];
  let dependentDialects = ["::heddle::HeddleDialect", "::mlir::arith::ArithDialect"];
}

def LowerExperts : Pass<"heddle-lower-experts", "::mlir::func::FuncOp"> {
  let summary = "Chooses the form of experts by the token count";
  let description = [{
    Each `experts` becomes products with the weights of experts. Of one token: `routed_matmul`,
    which reads the chosen experts alone. Of more: `plan`, `dispatch`, `grouped_matmul`, so that
    an expert's weights pass once for all its tokens. `combine` adds a token's slots in their
    own order, so both make the same bits. Must not touch a function without experts.

    Before:
    ```mlir
    %y = heddle.experts %x, %ids, %w, %gate, %up, %down {activation = #heddle.activation<silu>} : …
    ```
    After, of one token:
    ```mlir
    %g = heddle.routed_matmul %x, %gate, %ids : …
    %u = heddle.routed_matmul %x, %up, %ids : …
    %h = heddle.glu %g, %u {activation = #heddle.activation<silu>} : …
    %ys = heddle.routed_matmul %h, %down, %ids : …
    %y = heddle.combine %ys, %w : …
    ```
    of more:
    ```mlir
    %order, %position, %offsets = heddle.plan %ids {experts = 8 : i64} : …
    %xs = heddle.dispatch %x, %order : …
    %g = heddle.grouped_matmul %xs, %gate, %offsets : …
    %u = heddle.grouped_matmul %xs, %up, %offsets : …
    %h = heddle.glu %g, %u {activation = #heddle.activation<silu>} : …
    %ys = heddle.grouped_matmul %h, %down, %offsets : …
    %y = heddle.combine %ys, %w, %position : …
    ```
  }];
  let dependentDialects = ["::heddle::HeddleDialect"];
}

def FuseAttentionInput : Pass<"heddle-fuse-attention-input", "::mlir::func::FuncOp"> {
  let summary = "q, k and v up to the cache in one kernel";
  let description = [{
    Around each `cache_append`: the products of its key and value, the ops on slices of
    their columns between (a head's norm, rope), and the same for the query of the attention
    over that cache. For one token (`heddle.max_tokens = 1`) also the norm and the
    conversion of the rows that the products read: every thread computes them whole. Must
    not fire where something else reads a value between.
    Before: norm, convert, three linear, two rope, cache_append; after: one kernel.
  }];
  let dependentDialects = ["::heddle::HeddleDialect"];
}

def FuseAttention : Pass<"heddle-fuse-attention", "::mlir::func::FuncOp"> {
  let summary = "Attention and the form that its reader takes";
  let description = [{
    An attention and the conversion of its result, if nothing else reads it. Must not fire
    where the heads that share a KV head are no whole groups of the conversion.
    Before: attention, convert_rows; after: one kernel.
  }];
  let dependentDialects = ["::heddle::HeddleDialect"];
}

def FuseRouter : Pass<"heddle-fuse-router", "::mlir::func::FuncOp"> {
  let summary = "The norm before a router and its product in one kernel";
  let description = [{
    For one token: the norm whose rows the product of a router (any op with `RouterOpInterface`) reads, with the conversions of them
    that experts take, and the product. Others read the norm too: each thread computes it
    whole. Must not fire for more tokens, nor without a norm.
    Before: norm, linear, route, convert; after: one kernel, route.
  }];
  let dependentDialects = ["::heddle::HeddleDialect"];
}

def FuseGatedMLP : Pass<"heddle-fuse-gated-mlp", "::mlir::func::FuncOp"> {
  let summary = "Gate, up and activation in one kernel";
  let description = [{
    Around each `glu` of two products, or of two of the same experts (of one token with their
    router, which each thread computes); with the conversion of
    its result, and for one token and products of `linear` with the norm and conversion before. Must not fire where a product has another
    reader.
    Before: norm, convert, two linear, glu, convert; after: one kernel.
  }];
  let dependentDialects = ["::heddle::HeddleDialect"];
}

def FuseExperts : Pass<"heddle-fuse-experts", "::mlir::func::FuncOp"> {
  let summary = "Down, the sum of a token's slots and the residual in one kernel";
  let description = [{
    Around each `combine` of a `routed_matmul`; with an `arith.addf` that alone reads the sum. Must
    not fire where rows were grouped by expert, nor where something else reads the product.
    Before: routed_matmul, combine, addf; after: one kernel.
  }];
  let dependentDialects = ["::heddle::HeddleDialect"];
}

def FuseResidual : Pass<"heddle-fuse-residual", "::mlir::func::FuncOp"> {
  let summary = "A product and the residual in one kernel";
  let description = [{
    Around each `arith.addf` with a product. Must not fire where the product has another
    reader.
    Before: linear, addf; after: one kernel.
  }];
  let dependentDialects = ["::heddle::HeddleDialect"];
}

def FuseHead : Pass<"heddle-fuse-head", "::mlir::func::FuncOp"> {
  let summary = "The last norm and the head in one kernel";
  let description = [{
    Around each product that the function returns, for one token: the selection of rows, norm
    and conversion before it.
    Before: select_rows, norm, convert, linear; after: one kernel.
  }];
  let dependentDialects = ["::heddle::HeddleDialect"];
}

def FormKernels : Pass<"heddle-form-kernels", "::mlir::func::FuncOp"> {
  let summary = "Groups ops into kernels";
  let description = [{
    Every op that computes goes into a `heddle.kernel`; neighbouring row-wise ops
    share one, since none needs another thread's rows. Must not fire across an op that
    reads whole activations (linear, attention). Neighbouring `linalg` and `tensor` ops
    share one generic kernel, which gets its own copies of constants and sizes.
  }];
  let dependentDialects = ["::heddle::HeddleDialect"];
}

def ChooseLayouts : Pass<"heddle-choose-layouts", "::mlir::ModuleOp"> {
  let summary = "Gives every stored weight and cache the layout kernels read";
  let description = [{
    `#heddle.enc` becomes `#heddle.packed` with panels of `rows`, caches get `block`
    keys side by side. Integer codes that enter integer dot products (numeric mode `a8`) lie in
    the steps of the levels' instructions. One layout for each weight, whatever reads it: a
    plain f32 weight that ops without an emitter alone read gets `rows` = 1, the row-major
    matrix, and one that products with experts alone read a `table`: an expert is found by its
    address, not by its place.
  }];
  let options = [
    Option<"rows", "rows", "int64_t", "32", "Rows of a weight panel; a multiple of the vector lanes.">,
    Option<"block", "block", "int64_t", "32", "Keys of a cache block.">];
}

def PlaceExperts : Pass<"heddle-place-experts", "::mlir::ModuleOp"> {
  let summary = "Places experts in the file by a profile of their uses";
  let description = [{
    `heddle.expert_uses` of the module, which `heddle compile --profile` writes, has how many tokens went
    to each expert of a layer. The experts that most went to come first in the layer's part of the
    file: `heddle.resident_map` says at which place each expert lies. Routers and kernels do not see
    it (an expert is found by its address), so a program with a profile makes the same bits. Must not
    fire without a profile.

    Before:
    ```mlir
    module attributes {heddle.expert_uses = {"blk.0.ffn_gate_exps.weight" = array<i64: 3, 0, 7, 3>}} {}
    ```
    After:
    ```mlir
    module attributes {heddle.resident_map = {"blk.0.ffn_gate_exps.weight" = array<i64: 1, 3, 0, 2>}, …} {}
    ```
  }];
}

def FetchExperts : Pass<"heddle-fetch-experts", "::mlir::func::FuncOp"> {
  let summary = "Has chosen experts in memory before their products";
  let description = [{
    In each kernel with products of weights that have a table, a `fetch` of the experts that its
    ids or offsets choose stands before the first product. It costs one test of a pointer where
    all experts are in memory. Must not fire where the weights have no table: those are all there.

    Before:
    ```mlir
    %ids, %w = heddle.route %z {router = …} : tensor<1x8xf32>
    %g = heddle.routed_matmul %x, %gate, %ids : …
    %u = heddle.routed_matmul %x, %up, %ids : …
    ```
    After:
    ```mlir
    %ids, %w = heddle.route %z {router = …} : tensor<1x8xf32>
    heddle.fetch %ids of %gate, %up : …
    %g = heddle.routed_matmul %x, %gate, %ids : …
    %u = heddle.routed_matmul %x, %up, %ids : …
    ```
  }];
  let dependentDialects = ["::heddle::HeddleDialect"];
}

def SetSchedules : Pass<"heddle-set-schedules", "::mlir::ModuleOp"> {
  let summary = "Gives every kernel an emitter and its numbers";
  let description = [{
    Defaults follow from the vector lanes and registers of the function's `heddle.level`, else
    `heddle.lanes` and `heddle.registers` of the module; every number is an option. An op that reads
    whole activations and has no emitter gets `generic`. `generic=rms_norm,glu` sends
    ops that have an emitter the same way, to check one against the other; a
    name that no kernel holds is an error.
  }];
  let options = [
    Option<"tokenTile", "token-tile", "int64_t", "0", "Tokens of a product's tile; 0 = from the registers.">,
    Option<"chunkTile", "chunk-tile", "int64_t", "0", "Vectors of a panel's rows in a product's tile; 0 = two for integer codes without a plane of bits, else all.">,
    Option<"tokenBlock", "token-block", "int64_t", "32", "Tokens that pass while a panel stays in cache.">,
    Option<"prefetch", "prefetch", "int64_t", "-1", "Bytes that a stream of weights is fetched ahead, up to 65536; 0 = by the hardware alone, -1 = as the level says.">,
    Option<"prefetchFrom", "prefetch-from", "int64_t", "0", "Fewest tokens with which it is, up to 64; 0 = as the level says.">,
    Option<"cpu", "cpu", "std::string", "\"\"", "Processor, as LLVM calls it, whose numbers of the level are taken where it has some; none = the module's `heddle.cpu`.">,
    Option<"segment", "segment", "int64_t", "128", "Keys of an attention segment, merged in order.">,
    Option<"queryTile", "query-tile", "int64_t", "12", "Query rows of an attention item, up to 64: heads of a KV head, and as many tokens as fit.">,
    Option<"headTile", "head-tile", "int64_t", "0", "Query heads that a pass of one token takes, up to 64, where all share one KV head; 0 = 4.">,
    Option<"itemBytes", "item-bytes", "int64_t", "65536", "Bytes of weights that one thread takes at a time, about.">,
    ListOption<"generic", "generic", "std::string", "Ops, by name without dialect, that leave their emitter for linalg.">];
  let dependentDialects = ["::heddle::HeddleDialect"];
}

def RecordKernels : Pass<"heddle-record-kernels", "::mlir::ModuleOp"> {
  let summary = "What each kernel is made of, for explain";
  let description = [{
    `heddle.kernels` on the module lists the kernels of every step and its layers: ops, emitter,
    instruction and schedule, how often the step runs it, bytes and operations. A kernel's
    `heddle.record` is its index there. The program keeps the list (docs/program-format.md).
    Changes nothing else.

    After, in part:
    ```mlir
    module attributes {heddle.kernels = [{kernel = "linear", operations_per_token = 4096 : i64, step = "decode", …} ]}
      %0 = heddle.kernel "linear" (%x, %w) schedule <"matmul", {…}> {heddle.record = 0 : i64} : …
    ```
  }];
}

def EmitKernels : Pass<"heddle-emit-kernels", "::mlir::ModuleOp"> {
  let summary = "Expands kernels to vector loops";
  let description = [{
    Each `heddle.kernel` becomes a function of (first item, end item, inputs, results) on
    buffers and a `heddle.launch` of it; equal kernels of a level share a function. Row-wise
    ops run row by row. An op without an emitter becomes linalg on tensors where it
    implements `LinalgLoweringInterface` or is upstream's; fails on any other, naming it.
  }];
  let dependentDialects = ["::heddle::rt::HeddleRTDialect", "::mlir::LLVM::LLVMDialect", "::mlir::bufferization::BufferizationDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect",
    "::heddle::HeddleDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect",
    "::mlir::memref::MemRefDialect", "::mlir::math::MathDialect"];
}

def EmitProbes : Pass<"heddle-emit-probes", "::mlir::ModuleOp"> {
  let summary = "A loop for the peak of each level's dot instructions";
  let description = [{
    For each level of `heddle.target` and each type that it has a dot product of, a function
    `@probe.TYPE` (with `.LEVEL` where there are several): turns of independent sums in
    registers, as many as the context has tokens, stored to the thread's part of the arena.
    `heddle.probe` on it names the instruction and its operations. Does nothing without a target.

    After, in part:
    ```mlir
    func.func @probe.f32(%ctx: !heddle_rt.context, %tid: index, %n: index)
        attributes {heddle.probe = {instruction = "f32 fma", operations = 192 : i64, type = "f32"}} {
      %tokens = heddle_rt.input %ctx "tokens" : memref<?xi32>
      %turns = memref.dim %tokens, %c0 : memref<?xi32>
      %sums:12 = scf.for %i = %c0 to %turns step %c1 iter_args(…) {
        %0 = math.fma %s0, %x, %y : vector<8xf32>
        …
    ```
  }];
  let dependentDialects = ["::heddle::rt::HeddleRTDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect",
    "::mlir::math::MathDialect", "::mlir::func::FuncDialect"];
}

def LowerGeneric : Pass<"heddle-lower-generic", "::mlir::ModuleOp"> {
  let summary = "The generic path: linalg on tensors to vector loops";
  let description = [{
    Fires on functions that hold `linalg` or `bufferization.materialize_in_destination`,
    and no other: fuses elementwise producers into their one consumer, tiles the innermost
    parallel dimension by `lanes` and all else by 1 (a tail by 1), vectorises, keeps
    accumulators in registers, bufferizes in place and lowers what is left to loops.
    Afterwards no tensor is left. A sum runs in ascending order of its loops, whatever
    the token count and the tiling of other dimensions.

    Temporaries become `memref.alloca` at the function's entry. Refused, by the
    function's name: a temporary of dynamic size, of more than 64 KiB, or 1 MiB of them.

    Before, with lanes = 8:
    ```mlir
    %x = bufferization.to_tensor %a restrict : memref<1x16xf32> to tensor<1x16xf32>
    %e = tensor.empty() : tensor<1x16xf32>
    %y = linalg.exp ins(%x : tensor<1x16xf32>) outs(%e : tensor<1x16xf32>) -> tensor<1x16xf32>
    bufferization.materialize_in_destination %y in restrict writable %b : (tensor<1x16xf32>, memref<1x16xf32>) -> ()
    ```
    After:
    ```mlir
    scf.for %i = %c0 to %c16 step %c8 {
      %s = memref.subview %a[0, %i] [1, 8] [1, 1] : …
      %d = memref.subview %b[0, %i] [1, 8] [1, 1] : …
      %v = vector.load %s[%c0] : …, vector<8xf32>
      %e = math.exp %v : vector<8xf32>
      vector.store %e, %d[%c0] : …, vector<8xf32>
    }
    ```
  }];
  let options = [
    Option<"lanes", "lanes", "int64_t", "0", "f32 lanes of a vector; 0 = those of the function's `heddle.level`, else `heddle.lanes` of the module, else 4.">];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::bufferization::BufferizationDialect", "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect",
    "::mlir::vector::VectorDialect"];
}

def PlaceBarriers : Pass<"heddle-place-barriers", "::mlir::func::FuncOp"> {
  let summary = "Marks the launches that must wait for other threads";
  let description = [{
    Puts `heddle.barrier` on a launch that reads what another thread may have written
    since the last barrier: not where producer and consumer both touch only row = item.
  }];
}

def PlanMemory : Pass<"heddle-plan-memory", "::mlir::ModuleOp"> {
  let summary = "Values to buffers in one static arena";
  let description = [{
    Steps and layer kinds become functions of (context, thread, threads); launches
    become calls on this thread's share; results get arena offsets by lifetime, where a
    lifetime ends at the barrier after the last reader. A launch with `heddle.record` is
    marked (`heddle_rt.mark`). Records
    `heddle.arena_bytes`, `heddle.params` and `heddle.caches` on the module.
  }];
  let dependentDialects = ["::heddle::rt::HeddleRTDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::affine::AffineDialect"];
}

def ExpandMath : Pass<"heddle-expand-math"> {
  let summary = "exp, sin and cos as polynomials, and what a level lacks";
  let description = [{
    Replaces f32 `math.exp` (error below 2 ulp) and f64 `math.sin` and `math.cos`
    by explicit fma polynomials, scalar or vector, so that no kernel calls a library
    and every machine rounds alike. exp is exactly 0 below -87.3.

    On a level without fused multiply and add `math.fma` becomes a product and a sum; on one
    that cannot widen f16 `arith.extf` of it becomes integer operations, exactly. A function's
    level is its `heddle.level`, else the one of the module's `heddle.target`.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def LowerRuntime : Pass<"heddle-lower-runtime", "::mlir::ModuleOp"> {
  let summary = "The runtime boundary to the C ABI";
  let description = [{
    Lowers `heddle_rt` to loads from `heddle_context`, which becomes `!llvm.ptr`;
    upstream's conversions take the rest.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect"];
}

#endif
