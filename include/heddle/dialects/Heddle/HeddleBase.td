//===- HeddleBase.td - Dialect, attributes and types -------*- tablegen -*-===//
#ifndef HEDDLE_DIALECTS_HEDDLE_BASE_TD
#define HEDDLE_DIALECTS_HEDDLE_BASE_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/TensorEncoding.td"

def Heddle_Dialect : Dialect {
  let name = "heddle";
  let cppNamespace = "::heddle";
  let summary = "Graphs of open-weights language models";
  let description = [{
    Decoder graphs on tensors with value semantics. The leading dimension of an
    activation is the token, so `tensor<?x576xf32>` is T tokens of width 576. A
    parameter carries its logical shape in its type and how it is stored in the
    type's encoding, `#heddle.enc`, later `#heddle.packed`.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::tensor::TensorDialect"];
}

class Heddle_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<Heddle_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

// A bare word in the assembly form.
class Heddle_Keyword<string desc, string value = ""> : StringRefParameter<desc, value> {
  let parser = "parseKeywordParameter($_parser)";
  let printer = "$_printer << $_self";
}

// On a tensor, an encoding is checked against the shape.
def Heddle_EncAttr : Heddle_Attr<"Enc", "enc", [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "How a parameter is stored, exactly";
  let description = [{
    Element (n, k) of a parameter is `scale * (code + offset) + min`, where `scale`
    and `min` are one number per `group` consecutive elements of a row (absent: 1
    and 0). `elem` is the stored code: `f32`, `f16`, `bf16`, `i8`, or `u4`, `u5`, `u6`
    of as many bits without sign. With a `table` of 16 integers a code of `u4` says which of
    them the element is: `scale * table[code]`.

    A scale, and a min, is an f16, or a bf16 if `scales` is `bf16`. With `super` it is two numbers: the scale is
    `d * s` and the min is `-(e * m)`, each product rounded to f32, with one f16 `d` and one
    f16 `e` per `super` consecutive elements, and one integer `s` and one integer `m` per
    group: `scales` is their kind, `u6` (0 to 63) or `i8`.

    Structural: nothing below import knows a file format by name.

    Constraints: (C1) `elem` is one of these; (C2) `group` is 1 to 65536 elements, a
    multiple of 2 for `u4`, 16 for `u5`, 8 for `u6`; (C3) floating-point elements take no
    scale, min or offset; (C4) `offset` is -65536 to 65536; (C7) `super` is 0, and
    `scales` is `f16`, or `super` is a multiple of `group` up to 65536, `scale` is true and
    `scales` is `u6` or `i8`, or `super` is 0, `scale` is true and `scales` is `bf16`; (C8) a
    `table` has 16 numbers, for `u4` with a scale and without min, offset and super. On a tensor: (C5) it is f32 of static shape and rank 2, or 3
    where there is a matrix for each expert, each dimension 1 to 2^31 - 1, at most 2^48
    elements; (C6) `group` and `super` divide its width.

    Examples: GGUF's Q4_0 is `#heddle.enc<u4, group = 32, scale = true, offset = -8>`, its Q6_K
    `#heddle.enc<u6, group = 16, scale = true, offset = -32, super = 256, scales = i8>`. The OCP
    MX format MXFP4 has a table of twice the numbers of E2M1, and scales of half its E8M0, each
    a power of two that bf16 holds:
    `#heddle.enc<u4, group = 32, scale = true, scales = bf16,
    table = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]>`.
  }];
  let parameters = (ins Heddle_Keyword<"stored element">:$elem,
                        DefaultValuedParameter<"int64_t", "1">:$group,
                        DefaultValuedParameter<"bool", "false">:$scale,
                        DefaultValuedParameter<"bool", "false">:$min,
                        DefaultValuedParameter<"int64_t", "0">:$offset,
                        DefaultValuedParameter<"int64_t", "0">:$super,
                        Heddle_Keyword<"kind of a group's scales", "\"f16\"">:$scales,
                        OptionalParameter<"::mlir::DenseI8ArrayAttr">:$table);
  let assemblyFormat = "`<` $elem (`,` struct($group, $scale, $min, $offset, $super, $scales, $table)^)? `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The element a kernel loads: i8 holds two codes of u4, i16 a bf16.
    ::mlir::Type getStorageType() const;
    /// Bits of one stored element.
    int64_t getElemBits() const;
    /// Whether the low four bits of two codes share a byte.
    bool isNibbles() const { return getElemBits() < 8; }
    /// Bits of a code above its nibble.
    int64_t getHighBits() const { return isNibbles() ? getElemBits() - 4 : 0; }
    /// The largest magnitude of an integer code, or of a number of the table.
    int64_t getLargestCode() const;
    /// Whether the integers of codes have a sign.
    bool isSigned() const { return !isNibbles() || getTable(); }
    /// The 16-bit float that stored scales and minima, or those under `super`, are.
    ::mlir::Type getScaleType() const;
    /// Elements that share all scales, and the bytes of one such run.
    int64_t getBlock() const { return std::max(getSuper(), getGroup()); }
    int64_t getBlockBytes() const;
  }];
}

def Heddle_PackedAttr : Heddle_Attr<"Packed", "packed", [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "The packed layout of a parameter, as kernels read it";
  let description = [{
    Rows are cut into panels of `rows`; the last panel is padded with zero bits.
    A panel is a sequence of groups along k, one linear stream:
    `rows` scales, `rows` minima, 16 bits each (where the encoding has them), then the
    codes: for each step of `step` consecutive k the codes of row 0, of row 1, …, so
    that a dot-product instruction that takes `step` elements a lane loads them as they
    lie. Four-bit codes pair k in the low and k + group/2 in the high nibble of a
    byte. Elements without a group count as groups of `step`, the last padded with zero
    bits.

    Of codes of five and six bits, the low four lie as four-bit codes. The bits above
    follow in a plane of bytes, as codes lie but that a byte holds those of 8 steps (one
    bit) or 4 (two), the first lowest: one shift, one mask and one `or` put those of a
    vector of codes in their place.

    With `super`, the stream is a sequence of blocks of `super` elements: `rows` f16 `d`,
    `rows` f16 `e`, then the block's groups: `rows` bytes of `s`, `rows` bytes of `m`, the codes.
    (Six-bit `s` and `m` take a byte each: 1/32 byte a weight more than in a block of GGUF's
    Q4_K.)

    With `table`, the matrices of [e, n, k] lie apart, each as a whole: what kernels get is where
    each one is (`heddle_experts` of heddle/runtime/heddle_rt.h), so that experts may be in any
    order, and may come and go.

    Constraints: (C1) `rows` is 1 to 1024; (C2) `step` is 1 to 64 and divides the codes of a
    group, of half a group for four to six bits, and 8 steps of five bits or 4 of six divide
    a group; (C3) a tensor with a `table` has rank 3; on a tensor (C5) and (C6) of `#heddle.enc`.

    Example: `#heddle.packed<<u4, group = 32, scale = true, offset = -8>, rows = 32, step = 4>`.
  }];
  let parameters = (ins "EncAttr":$enc, "int64_t":$rows, DefaultValuedParameter<"int64_t", "1">:$step,
                        DefaultValuedParameter<"bool", "false">:$table);
  let assemblyFormat = "`<` $enc `,` struct($rows, $step, $table) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Whether codes can lie in steps of `step`: (C2).
    static bool fits(EncAttr enc, int64_t step);
    /// Elements along k of a group, and of a block: the groups under one `super`, or one group.
    int64_t getGroup() const { return std::max(getEnc().getGroup(), getStep()); }
    int64_t getBlock() const { return std::max(getEnc().getBlock(), getStep()); }
    int64_t getBlockGroups() const { return getBlock() / getGroup(); }
    /// Bytes of one block of one panel: of what stands before its groups, and of a group.
    int64_t getBlockBytes() const {
      return getEnc().getBlockBytes() * (getBlock() / getEnc().getBlock()) * getRows();
    }
    int64_t getHeadBytes() const { return getEnc().getSuper() ? getRows() * (getEnc().getMin() ? 4 : 2) : 0; }
    int64_t getGroupBytes() const { return (getBlockBytes() - getHeadBytes()) / getBlockGroups(); }
    /// Steps whose high bits share a byte, and where in a group's codes that plane starts.
    int64_t getPlaneSteps() const { return getEnc().getHighBits() ? 8 / getEnc().getHighBits() : 0; }
    int64_t getPlaneStart() const { return getGroup() / 2 * getRows(); }
    int64_t getPanels(int64_t n) const { return (n + getRows() - 1) / getRows(); }
    int64_t getBlocks(int64_t k) const { return (k + getBlock() - 1) / getBlock(); }
    /// Bytes of a packed [n, k] parameter.
    int64_t getBytes(int64_t n, int64_t k) const {
      return getPanels(n) * getBlocks(k) * getBlockBytes();
    }
    /// Panels and bytes of a packed [n, k] or [e, n, k] parameter.
    int64_t getPanels(::llvm::ArrayRef<int64_t> shape) const {
      return (shape.size() == 3 ? shape[0] : 1) * getPanels(shape[shape.size() - 2]);
    }
    int64_t getBytes(::llvm::ArrayRef<int64_t> shape) const {
      return getPanels(shape) * getBlocks(shape.back()) * getBlockBytes();
    }
  }];
}

def Heddle_RowsAttr : Heddle_Attr<"Rows", "rows"> {
  let summary = "The form in which activations enter a dot product";
  let description = [{
    On the type of an activation [T, K], whose elements stay numbers. With `i8`, each
    `group` consecutive elements of a row are `scale * code`: `scale` = amax / 127 in f32
    and codes in [-127, 127], rounded to even. The buffer holds per group: the scale (f32), the
    sum of the codes (i32), of each half of them (i16), scale times sum (f32), then the codes:
    an offset or a minimum of the weight's group costs a load and one operation. With `bf16`,
    elements are rounded to bf16, two side by side; with a `group` besides, the buffer holds per
    group the sum of those numbers (f32), then the numbers.

    Constraints: (C1) `elem` is `i8` or `bf16`; (C2) `group` is a multiple of 8 up to 256 of `i8`,
    a power of two up to 256 of `bf16`.

    Example: `#heddle.rows<i8, group = 32>`.
  }];
  let parameters = (ins Heddle_Keyword<"element">:$elem, DefaultValuedParameter<"int64_t", "1">:$group);
  let assemblyFormat = "`<` $elem (`,` `group` `=` $group^)? `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Whether rows can have groups of `group`: (C2).
    static bool fits(::llvm::StringRef elem, int64_t group);
    int64_t getGroups(int64_t k) const { return (k + getGroup() - 1) / getGroup(); }
    bool isCodes() const { return getElem() == "i8"; }
    /// Whether the buffer is of bytes, a group after the other, and no matrix.
    bool isGrouped() const { return getGroup() > 1; }
    /// Where the parts of a group of codes start.
    enum : int64_t { ScaleAt = 0, SumAt = 4, HalfSumsAt = 8, WeighedAt = 12, CodesAt = 16 };
    /// Where those of a group of bf16 do.
    enum : int64_t { FloatSumAt = 0, FloatsAt = 4 };
    int64_t getGroupBytes() const { return isCodes() ? CodesAt + getGroup() : FloatsAt + 2 * getGroup(); }
  }];
}

def Heddle_ScheduleAttr : Heddle_Attr<"Schedule", "schedule"> {
  let summary = "Which emitter expands a kernel, and its numbers";
  let description = [{
    Example: `#heddle.schedule<"linear", {token_tile = 2 : i64, lanes = 8 : i64}>`.
  }];
  let parameters = (ins StringRefParameter<"emitter">:$emitter, "::mlir::DictionaryAttr":$options);
  let assemblyFormat = "`<` $emitter `,` $options `>`";
  let extraClassDeclaration = [{
    /// The integer option `name`; `fallback` if absent.
    int64_t get(::llvm::StringRef name, int64_t fallback = 0) const;
  }];
}

def Heddle_CacheType : TypeDef<Heddle_Dialect, "Cache"> {
  let mnemonic = "cache";
  let summary = "State that outlives a step";
  let description = [{
    `kind` is an open set; `full_kv` keeps keys and values of every position:
    `layers` slots of `heads` x capacity x `dim`. `step_kv` has what a step's own kernels
    write and read: no later step reads it. `block` keys lie side by side
    in the layout that the attention kernel reads (0: not chosen yet).

    Constraints: (C1) `layers`, `heads` and `dim` are 1 to 65536 and their product is
    at most 2^28, so that no size overflows at any position of 31 bits; (C2) `block` is
    0 to 1024; (C3) `elem` is f32.

    Example: `!heddle.cache<full_kv, layers = 30, heads = 3, dim = 64, elem = f32, block = 16>`.
  }];
  let parameters = (ins Heddle_Keyword<"kind">:$kind, "int64_t":$layers, "int64_t":$heads,
                        "int64_t":$dim, "::mlir::Type":$elem,
                        DefaultValuedParameter<"int64_t", "0">:$block);
  let assemblyFormat = [{ `<` $kind `,` `layers` `=` $layers `,` `heads` `=` $heads `,`
                          `dim` `=` $dim `,` `elem` `=` $elem (`,` `block` `=` $block^)? `>` }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Most layers * heads * dim.
    static constexpr int64_t kMostProduct = int64_t(1) << 28;
  }];
}

#endif
