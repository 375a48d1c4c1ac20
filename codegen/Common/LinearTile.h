//===- LinearTile.h - Rows of a weight times some tokens --------*- C++ -*-===//
//
// The inner loop of every matrix product: one panel of a packed weight, one
// linear stream, against a few tokens. Element (row, token) of the result is
// one chain of operations along k in stream order, so it does not depend on how
// tokens are tiled.
//
//===----------------------------------------------------------------------===//
#ifndef HEDDLE_CODEGEN_COMMON_LINEARTILE_H
#define HEDDLE_CODEGEN_COMMON_LINEARTILE_H

#include "heddle/codegen/Common/Dot.h"

namespace heddle::codegen {

/// The numbers of a kernel with products, and the instructions that its level
/// has for them, null if none.
struct ProductSchedule {
  int64_t tile, block, chunks, prefetch, prefetchFrom;
  const IntegerDot *dot;
  const FloatDot *floatDot;
  /// Fails with a diagnostic on a number out of range.
  static mlir::FailureOr<ProductSchedule> of(KernelOp kernel);
};

struct LinearTile {
  /// A weight as it lies in memory, [panels, groups, bytes], and activations:
  /// f32 [T, K], or the buffer of #heddle.rows.
  LinearTile(KernelBuilder &b, const ProductSchedule &schedule,
             PackedAttr packed, Value weight, RowsAttr rows, Value x, int64_t k)
      : b(b), packed(packed), weight(weight), rows(rows), x(x), k(k),
        dot(rows && rows.isCodes() ? schedule.dot : nullptr),
        floatDot(rows && !rows.isCodes() ? schedule.floatDot : nullptr),
        tile(schedule.tile), chunks(schedule.chunks),
        prefetch(schedule.prefetch), prefetchFrom(schedule.prefetchFrom) {}

  /// The products of `panels` panels from `panel` on with the tokens from t0
  /// on, to as many rows of `out`: `count` tokens, one if that is null.
  void multiply(Value panel, int64_t panels, Value t0, Value count, Value out);

private:
  using Values = KernelBuilder::Values;
  KernelBuilder &b;
  PackedAttr packed;
  Value weight;
  RowsAttr rows;
  Value x;
  int64_t k;
  /// For rows of integer codes.
  const IntegerDot *dot;
  /// For rows of bf16; null where the level has no such instruction.
  const FloatDot *floatDot;
  int64_t tile, chunks;
  /// Bytes ahead of the stream that are fetched, and the fewest tokens of a
  /// tile with which they are; 0 = left to the hardware.
  int64_t prefetch, prefetchFrom;

  int64_t lanes() const {
    return dot ? dot->lanes : floatDot ? floatDot->lanes : b.lanes;
  }

  /// Sums of `chunks` vectors of rows from `row` of a panel on, and the tokens
  /// t0 … t0 + tokens - 1: chunk c of token t at t * chunks + c, f32 lanes.
  /// `ahead`: fetches what comes next.
  Values emit(Value panel, Value row, int64_t chunks, Value t0, int64_t tokens,
              bool ahead);
  /// One group of a panel's rows, `chunks` vectors from `row` on: its number
  /// along k, where its scales and its codes start, and the numbers of its
  /// block per chunk.
  struct Group {
    Value panel, block, row;
    int64_t chunks;
    Value index, start, codes;
    Values d, e;
  };
  /// Where chunk c starts among numbers of `size` bytes, one a row of the
  /// panel.
  Value rowsAt(const Group &g, int64_t c, int64_t size);
  /// Asks for the block that lies `prefetch` bytes ahead.
  void fetchAhead(Value panel, Value block);
  Value bytes(const Group &g, Value at, int64_t count, mlir::Type elem);
  /// The scales at `at`, 16 bits a row of the panel, as f32: a vector a chunk.
  Values halves(const Group &g, Value at);
  /// A group's scales and minima as f32, one a chunk, null where the encoding
  /// has none. Whoever needs them after a loop loads them there: what is loaded
  /// before would be spilled.
  struct Scales {
    Values scale, min;
  };
  Scales scales(const Group &g);
  /// Bytes of a group before its codes.
  int64_t scaleBytes() const;
  /// A step of small integer codes as bytes without sign; those of i8 as they
  /// are. Step `step` of the group, or if `high` that many steps after half of
  /// it; it is step `number` of the group, as far as its place among the bits
  /// of a plane goes.
  Value stepOfCodes(const Group &g, int64_t c, Value step, bool high,
                    int64_t number);
  Values floatGroup(const Group &g, Value t0, int64_t tokens, Values acc);
  Values integerGroup(const Group &g, Value t0, int64_t tokens, Values acc);
  // Rows of bf16: LinearPairs.cpp.
  Values pairGroup(const Group &g, Value t0, int64_t tokens, Values acc);
  Value pair(const Group &g, Value t, Value k);
  Value asFloats(const Group &g, int64_t c, Value step, bool high,
                 int64_t number);
  Value addPairs(Value sum, Value weights, Value x);
};

/// Reports a weight whose layout does not fit a product with `rows`; `lanes`
/// are those of f32.
mlir::LogicalResult checkProduct(KernelOp kernel, PackedAttr packed,
                                 RowsAttr rows, int64_t lanes,
                                 const ProductSchedule &schedule);

} // namespace heddle::codegen

#endif // HEDDLE_CODEGEN_COMMON_LINEARTILE_H
