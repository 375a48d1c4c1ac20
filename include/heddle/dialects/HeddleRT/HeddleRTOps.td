//===- HeddleRTOps.td - The runtime boundary ---------------*- tablegen -*-===//
#ifndef HEDDLE_DIALECTS_HEDDLERT_OPS_TD
#define HEDDLE_DIALECTS_HEDDLERT_OPS_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

def HeddleRT_Dialect : Dialect {
  let name = "heddle_rt";
  let cppNamespace = "::heddle::rt";
  let summary = "What is left when kernels are loops";
  let description = [{
    Names what generated code takes from the runtime: parameter pointers, cache
    slots, arena offsets, this step's inputs, a thread's share of work, and the
    barrier. Lowers to the C ABI of `heddle/runtime/heddle_rt.h`.
  }];
  let useDefaultTypePrinterParser = 1;
}

class HeddleRT_Op<string mnemonic, list<Trait> traits = []> : Op<HeddleRT_Dialect, mnemonic, traits>;

def HeddleRT_ContextType : TypeDef<HeddleRT_Dialect, "Context"> {
  let mnemonic = "context";
  let summary = "`heddle_context *`";
}

def HeddleRT_ParamOp : HeddleRT_Op<"param", [Pure]> {
  let summary = "A packed parameter";
  let description = [{
    `ctx->params[index]` as a buffer.

    Constraints: (C1) the buffer's shape is static.

    Example:
    ```mlir
    %w = heddle_rt.param %ctx[%i] : memref<18x18x640xi8>
    ```
  }];
  let arguments = (ins HeddleRT_ContextType:$context, Index:$index);
  let results = (outs AnyMemRef:$result);
  let assemblyFormat = "$context `[` $index `]` attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def HeddleRT_ExpertOp : HeddleRT_Op<"expert", [MemoryEffects<[MemRead]>]> {
  let summary = "The weight of one expert";
  let description = [{
    Where `table`, a parameter that is a `heddle_experts`, says that expert `index` is, as a buffer.

    Constraints: (C1) the buffer's shape is static; (C2) table is `memref<Nxi64>`.

    Example:
    ```mlir
    %w = heddle_rt.expert %table[%e] : memref<10xi64> -> memref<3x64x64xi8>
    ```
  }];
  let arguments = (ins AnyMemRef:$table, Index:$index);
  let results = (outs AnyMemRef:$result);
  let assemblyFormat = "$table `[` $index `]` attr-dict `:` type($table) `->` type($result)";
  let hasVerifier = 1;
}

def HeddleRT_FetchOp : HeddleRT_Op<"fetch"> {
  let summary = "Has chosen experts in memory";
  let description = [{
    Calls `fetch` of the `heddle_experts` that `table` is, unless it is null: with ids (i32), or,
    `grouped`, with offsets of as many groups as there are experts. Every thread calls it.

    Constraints: (C1) table is `memref<Nxi64>` and chosen of i32 with a static shape.

    Example:
    ```mlir
    heddle_rt.fetch %table, %ids : memref<10xi64>, memref<1x2xi32>
    ```
  }];
  let arguments = (ins AnyMemRef:$table, AnyMemRef:$chosen, UnitAttr:$grouped);
  let assemblyFormat = "$table `,` $chosen (`grouped` $grouped^)? attr-dict `:` type($table) `,` type($chosen)";
  let hasVerifier = 1;
}

def HeddleRT_CacheOp : HeddleRT_Op<"cache", [Pure]> {
  let summary = "A cache buffer";
  let description = [{
    `ctx->caches[index]`; its one dynamic dimension is `ctx->capacity / divisor`.

    Constraints: (C1) the buffer has exactly one dynamic dimension; (C2) divisor is positive;
    (C3) index is 0 to 65535.

    Example:
    ```mlir
    %k = heddle_rt.cache %ctx[0] per 16 : memref<30x3x?x64x16xf32>
    ```
  }];
  let arguments = (ins HeddleRT_ContextType:$context, I64Attr:$index, I64Attr:$divisor);
  let results = (outs AnyMemRef:$result);
  let assemblyFormat = "$context `[` $index `]` `per` $divisor attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def HeddleRT_ArenaOp : HeddleRT_Op<"arena", [Pure]> {
  let summary = "A buffer of the static arena";
  let description = [{
    The buffer at byte `offset` of `ctx->arena`; `rows` is its leading dimension if
    that is dynamic.

    Constraints: (C1) only the leading dimension may be dynamic, and `rows` is given
    exactly then; (C2) offset is a non-negative multiple of 64.

    Example:
    ```mlir
    %x = heddle_rt.arena %ctx[4096] rows %t : memref<?x576xf32>
    ```
  }];
  let arguments = (ins HeddleRT_ContextType:$context, I64Attr:$offset, Optional<Index>:$rows);
  let results = (outs AnyMemRef:$result);
  let assemblyFormat = "$context `[` $offset `]` (`rows` $rows^)? attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def HeddleRT_InputOp : HeddleRT_Op<"input", [Pure]> {
  let summary = "One of the step's inputs or outputs";
  let description = [{
    `tokens` (T), `positions` (T), `starts` (T), `rows` (R) as i32, or `logits` (R, V) as f32.

    Constraints: (C1) the name is one of these; (C2) only the leading dimension may be
    dynamic; (C3) the element is i32, of `logits` f32.

    Example:
    ```mlir
    %t = heddle_rt.input %ctx "tokens" : memref<?xi32>
    ```
  }];
  let arguments = (ins HeddleRT_ContextType:$context, StrAttr:$name);
  let results = (outs AnyMemRef:$result);
  let assemblyFormat = "$context $name attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def HeddleRT_ShareOp : HeddleRT_Op<"share", [Pure]> {
  let summary = "A thread's share of work items";
  let description = [{
    Splits [0, items) into `nthreads` runs of nearly equal length; returns this
    thread's run. The same items and threads give the same split.

    Example:
    ```mlir
    %lo, %hi = heddle_rt.share %items, %tid, %nthreads
    ```
  }];
  let arguments = (ins Index:$items, Index:$tid, Index:$nthreads);
  let results = (outs Index:$first, Index:$end);
  let assemblyFormat = "$items `,` $tid `,` $nthreads attr-dict";
}

def HeddleRT_BarrierOp : HeddleRT_Op<"barrier"> {
  let summary = "Waits for all threads of the step";
  let description = [{
    Example:
    ```mlir
    heddle_rt.barrier %ctx, %tid, %nthreads
    ```
  }];
  let arguments = (ins HeddleRT_ContextType:$context, Index:$tid, Index:$nthreads);
  let assemblyFormat = "$context `,` $tid `,` $nthreads attr-dict";
}

def HeddleRT_MarkOp : HeddleRT_Op<"mark"> {
  let summary = "Says which kernel a thread begins";
  let description = [{
    Calls `ctx->mark` with the thread and the kernel's index in `heddle.kernels`, unless it is
    null: nobody is timing then.

    Constraints: (C1) kernel is not negative.

    Example:
    ```mlir
    heddle_rt.mark %ctx, %tid [3]
    ```
  }];
  let arguments = (ins HeddleRT_ContextType:$context, Index:$tid, I64Attr:$kernel);
  let assemblyFormat = "$context `,` $tid ` ` `[` $kernel `]` attr-dict";
  let hasVerifier = 1;
}

#endif
