//===- EmitAttention.cpp - Online softmax over a key-value cache ----------===//
//
// An item is a tile of tokens and one KV head: one pass over the cache for all
// query heads that share it and for all tokens of the tile, which meet a block
// of keys, and columns of values, while it is near. Of one token and many heads
// on one key (latent attention), threads share the heads. Keys are taken in
// segments of a fixed number of keys at absolute positions: each segment's
// softmax starts afresh, and segments are merged in ascending order, so that
// logits do not depend on chunks or threads (FlashAttention-2, arXiv
// 2307.08691). Where few heads share a KV head, tokens of one sequence meet the
// keys and values together, in groups that fill the registers. Caches: keys
// [layer, head, block, dim, key in block], values [layer, head, position, dim].
//
//===----------------------------------------------------------------------===//
#include "heddle/codegen/Common/KernelBuilder.h"
#include "heddle/codegen/Common/RowOps.h"
#include <numeric>

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;
using Values = KernelBuilder::Values;

namespace {
struct AttentionEmitter {
  KernelBuilder &b;
  int64_t dim, block, segment, shared; // query heads of a KV head
  int64_t most;                        // vectors of sums at a time
  double scale;
  int64_t tile;  // tokens of an item
  int64_t heads; // query heads of a pass, a divisor of `shared`
  std::optional<int64_t> window;
  // Null if none: starts, of sequences in the cache, multiples of the block;
  // sinks.
  Value q, keys, values, slot, positions, starts, sinks;

  /// On the stack, per token of the tile and head: scores, then weights, of a
  /// segment; the maximum and sum so far; the factors of what was summed before
  /// and of this segment.
  Value scores, top, sum, factors;
  /// Of groups of tokens: their queries, [group, column of a head, row]; what
  /// one has summed of values that all of its tokens see.
  Value queries, partial;
  /// Of an item: its tokens t0 … t0 + count - 1 (count null: one), and `shared`
  /// heads of each.
  Value t0, count;
  llvm::function_ref<Row(Value i)> outOf;
  /// Where an item is some of the heads: those passes, and the first head of
  /// the one at hand. Null: all.
  Value firstPass = Value(), endPass = Value(), base = Value();

  Value zero() { return b.index(0); }

  MemRefType stack(ArrayRef<int64_t> shape) {
    return MemRefType::get(shape, b.getF32Type());
  }
  void allocate() {
    IntegerAttr align = b.getI64IntegerAttr(64);
    scores =
        memref::AllocaOp::create(b, stack({tile * shared, segment}), align);
    top = memref::AllocaOp::create(b, stack({tile * shared}), align);
    sum = memref::AllocaOp::create(b, stack({tile * shared}), align);
    factors = memref::AllocaOp::create(b, stack({tile * shared, 2}), align);
    if (int64_t size = groupSize(); size > 1) {
      int64_t rows = size * heads;
      queries =
          memref::AllocaOp::create(b, stack({tile / size, dim, rows}), align);
      partial = memref::AllocaOp::create(
          b, stack({rows, chunksOf(rows) * b.lanes}), align);
    }
  }

  /// How many tokens meet a block of keys together, all heads of each: with
  /// its vectors they fill the sums. A divisor of the tile.
  int64_t groupSize() {
    int64_t size = std::clamp<int64_t>(
        most / (std::max<int64_t>(1, block / b.lanes) * heads), 1, tile);
    while (tile % size)
      --size;
    return size;
  }
  /// Vectors of values that `rows` rows of weights meet at a time.
  int64_t chunksOf(int64_t rows) {
    return std::max<int64_t>(1, std::min(most / rows, dim / b.lanes));
  }
  /// The queries of the tile's groups, so that those of a group lie together
  /// and not a row of all heads apart. Past the last token it is the last
  /// again.
  void gatherQueries(Value kv) {
    int64_t size = groupSize();
    b.loop(zero(), count, size, [&](Value i0) {
      for (int64_t u = 0; u < size; ++u) {
        Value i = arith::MinSIOp::create(b, b.add(i0, b.index(u)),
                                         b.sub(count, b.index(1)));
        for (int64_t h = 0; h < heads; ++h)
          b.loop(zero(), b.index(dim), 1, [&](Value d) {
            Value column =
                b.add(b.mul(b.add(b.mul(kv, b.index(heads)), b.index(h)),
                            b.index(dim)),
                      d);
            b.store(b.load(q, {b.add(t0, i), column}), queries,
                    {b.div(i0, b.index(size)), d, b.index(u * heads + h)});
          });
      }
    });
  }

  Value head(int64_t h) { return base ? b.add(base, b.index(h)) : b.index(h); }
  Value rowOf(Value i, int64_t h) {
    return b.add(b.mul(i, b.index(shared)), head(h));
  }
  /// `body` for each pass over some heads.
  void passes(llvm::function_ref<void()> body) {
    if (!firstPass)
      return body();
    b.loop(firstPass, endPass, 1, [&](Value pass) {
      base = b.mul(pass, b.index(heads));
      body();
      base = Value();
    });
  }
  void tokens(llvm::function_ref<void(Value i)> body) {
    if (!count)
      return body(zero());
    b.loop(zero(), count, 1, [&](Value i) { body(i); });
  }
  /// `at` of token i's sequence, in the cache, both in units of `unit`.
  Value inCache(Value i, Value at, int64_t unit = 1) {
    if (!starts)
      return at;
    Value start = b.toIndex(b.load(starts, {b.add(t0, i)}));
    return b.add(at, b.div(start, b.index(unit)));
  }
  /// The keys [first, second) that token i sees.
  std::pair<Value, Value> seen(Value i) {
    Value end = b.add(b.toIndex(b.load(positions, {b.add(t0, i)})), b.index(1));
    return {
        window ? arith::MaxSIOp::create(b, b.sub(end, b.index(*window)), zero())
                     .getResult()
               : zero(),
        end};
  }
  /// The keys [lo, hi) of segment `s` that token i sees, none if lo >= hi.
  std::pair<Value, Value> seenOf(Value s, Value i) {
    auto [first, end] = seen(i);
    Value start = b.mul(s, b.index(segment));
    return {arith::MaxSIOp::create(b, b.sub(first, start), zero()),
            arith::MinSIOp::create(b, b.sub(end, start), b.index(segment))};
  }
  /// `body` with the keys [lo, hi) of segment `s` that token i sees, if there
  /// are any.
  void within(Value s, Value i,
              llvm::function_ref<void(Value lo, Value hi)> body) {
    auto [lo, hi] = seenOf(s, i);
    if (!count)
      return body(lo, hi);
    b.branch(
        arith::CmpIOp::create(b, arith::CmpIPredicate::slt, lo, hi),
        [&] { body(lo, hi); }, [] {});
  }

  /// acc[r * columns + c] += row(r) * column(c). The fewer of both stay in
  /// registers while the others come one by one, so that the sums have the
  /// rest.
  Values outer(int64_t rows, int64_t columns,
               llvm::function_ref<Value(int64_t)> row,
               llvm::function_ref<Value(int64_t)> column, Values acc) {
    bool holdRows = rows <= columns;
    Values held;
    for (int64_t i = 0; i < (holdRows ? rows : columns); ++i)
      held.push_back(holdRows ? row(i) : column(i));
    for (int64_t i = 0; i < (holdRows ? columns : rows); ++i) {
      Value one = holdRows ? column(i) : row(i);
      for (auto [j, other] : llvm::enumerate(held)) {
        Value &a = acc[holdRows ? j * columns + i : i * columns + j];
        a = holdRows ? b.fma(other, one, a) : b.fma(one, other, a);
      }
    }
    return acc;
  }

  /// Scores of `rows` queries, those of heads from h0 on of the tokens from i
  /// on, and the keys of block j of segment `s`.
  void products(Value i, Value kv, Value s, Value j, int64_t h0, int64_t rows,
                llvm::function_ref<Value(int64_t row, Value d)> query) {
    int64_t vectors =
                std::max<int64_t>(1, std::min(block / b.lanes, most / rows)),
            width = std::min(b.lanes, block);
    while (block % (vectors * width))
      --vectors;
    Value at = b.sub(b.mul(j, b.index(block)), b.mul(s, b.index(segment))),
          held = inCache(i, j, block), row0 = rowOf(i, h0);
    VectorType type = b.vec(width, b.getF32Type());
    for (int64_t v0 = 0; v0 < block; v0 += vectors * width) {
      Values acc(rows * vectors, b.splat(type, 0));
      acc = b.loop(
          zero(), b.index(dim), 1, acc, [&](Value d, Values acc) -> Values {
            return outer(
                rows, vectors,
                [&](int64_t row) { return b.broadcast(query(row, d), type); },
                [&](int64_t v) {
                  return b.loadVec(keys,
                                   {slot, kv, held, d, b.index(v0 + v * width)},
                                   width);
                },
                acc);
          });
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t v = 0; v < vectors; ++v)
          b.storeVec(
              b.mul(acc[row * vectors + v], b.splat(type, scale)), scores,
              {b.add(row0, b.index(row)), b.add(at, b.index(v0 + v * width))});
    }
  }
  /// Of heads [h0, h0 + n) of token i.
  void products(Value i, Value kv, Value s, Value j, int64_t h0, int64_t n) {
    products(i, kv, s, j, h0, n, [&](int64_t row, Value d) {
      Value h = b.add(b.mul(kv, b.index(shared)), head(h0 + row));
      return b.load(q, {b.add(t0, i), b.add(b.mul(h, b.index(dim)), d)});
    });
  }
  /// Of all heads of a group.
  void groupProducts(Value i, Value kv, Value s, Value j) {
    int64_t size = groupSize();
    products(i, kv, s, j, 0, size * heads, [&](int64_t row, Value d) {
      return b.load(queries, {b.div(i, b.index(size)), d, b.index(row)});
    });
  }

  /// The softmax of a row of scores over the keys [lo, hi) of the segment; what
  /// lies outside, up to whole vectors, becomes 0.
  void softmax(Value head, Value lo, Value hi) {
    VectorType f32s = b.f32s(), ints = b.vec(b.lanes, b.getI32Type());
    Value minusHuge = b.splat(f32s, -1e30);
    Value begin = b.sub(lo, b.rem(lo, b.index(b.lanes)));
    SmallVector<int32_t> lane(b.lanes);
    std::iota(lane.begin(), lane.end(), 0);
    Value lanes = arith::ConstantOp::create(
        b, DenseElementsAttr::get(ints, ArrayRef<int32_t>(lane)));
    auto spreadInt = [&](Value i) {
      return b.broadcast(arith::IndexCastOp::create(b, b.getI32Type(), i),
                         ints);
    };
    Value from = spreadInt(lo), to = spreadInt(hi);
    auto inside = [&](Value i) -> Value {
      Value at = b.add(spreadInt(i), lanes);
      return arith::AndIOp::create(
          b, arith::CmpIOp::create(b, arith::CmpIPredicate::sge, at, from),
          arith::CmpIOp::create(b, arith::CmpIPredicate::slt, at, to));
    };
    // Only the first and the last vector have keys outside.
    for (Value i : {begin, b.mul(b.div(b.sub(hi, b.index(1)), b.index(b.lanes)),
                                 b.index(b.lanes))})
      b.storeVec(arith::SelectOp::create(b, inside(i),
                                         b.loadVec(scores, {head, i}, b.lanes),
                                         minusHuge),
                 scores, {head, i});
    // A comparison, since a NaN among the scores reaches the sum anyway.
    Value maxima = b.loop(
        begin, hi, b.lanes, {minusHuge}, [&](Value i, Values m) -> Values {
          Value s = b.loadVec(scores, {head, i}, b.lanes);
          return {arith::SelectOp::create(
              b, arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, m[0], s),
              m[0], s)};
        })[0];
    Value here = b.maxTree(maxima), spread = b.broadcast(here, f32s);
    // exp is exactly 0 where the key does not count.
    Value total =
        b.loop(begin, hi, b.lanes, {b.splat(f32s, 0)},
               [&](Value i, Values l) -> Values {
                 Value p = math::ExpOp::create(
                     b, b.sub(b.loadVec(scores, {head, i}, b.lanes), spread));
                 b.storeVec(p, scores, {head, i});
                 return {b.add(l[0], p)};
               })[0];
    Value before = b.load(top, {head}),
          now = arith::MaximumFOp::create(b, before, here);
    Value old = math::ExpOp::create(b, b.sub(before, now)),
          fresh = math::ExpOp::create(b, b.sub(here, now));
    b.store(now, top, {head});
    b.store(b.fma(b.load(sum, {head}), old, b.mul(b.sumTree(total), fresh)),
            sum, {head});
    b.store(old, factors, {head, zero()});
    b.store(fresh, factors, {head, b.index(1)});
  }

  /// acc += weights x values of the keys [lo, hi) of segment `s`, whose place
  /// in the cache is `first`: columns d … d + chunks * width - 1, `rows` rows
  /// of weights from those of head h0 of token i on.
  Values addValues(Value i, Value kv, Value first, Value lo, Value hi,
                   int64_t h0, int64_t rows, Value d, int64_t chunks,
                   int64_t width, Values acc) {
    VectorType type = b.vec(width, b.getF32Type());
    Value row0 = rowOf(i, h0);
    return b.loop(lo, hi, 1, acc, [&](Value key, Values acc) -> Values {
      auto weight = [&](int64_t row) {
        return b.broadcast(b.load(scores, {b.add(row0, b.index(row)), key}),
                           type);
      };
      auto value = [&](int64_t c) {
        return b.loadVec(
            values, {slot, kv, b.add(first, key), b.add(d, b.index(c * width))},
            width);
      };
      return outer(rows, chunks, weight, value, acc);
    });
  }

  /// out = old * out + fresh * acc, for token i.
  void addToOutput(Value i, int64_t h0, int64_t n, Value d, int64_t chunks,
                   int64_t width, const Values &acc) {
    VectorType type = b.vec(width, b.getF32Type());
    Row out = outOf(i);
    for (int64_t h = 0; h < n; ++h)
      for (int64_t c = 0; c < chunks; ++c) {
        Value at = b.add(out.first,
                         b.add(b.add(b.mul(head(h0 + h), b.index(dim)), d),
                               b.index(c * width))),
              row = rowOf(i, h0 + h);
        Value old = b.broadcast(b.load(factors, {row, zero()}), type),
              fresh = b.broadcast(b.load(factors, {row, b.index(1)}), type);
        b.storeVec(
            b.fma(acc[h * chunks + c], fresh,
                  b.mul(b.loadVec(out.buffer, {out.row, at}, width), old)),
            out.buffer, {out.row, at});
      }
  }

  /// A segment's share of the output, each token by itself.
  void weigh(Value kv, Value s, int64_t h0, int64_t n, Value d, int64_t chunks,
             int64_t width) {
    tokens([&](Value i) {
      within(s, i, [&](Value lo, Value hi) {
        Value first = inCache(i, b.mul(s, b.index(segment)));
        Values none(n * chunks, b.splat(b.vec(width, b.getF32Type()), 0));
        addToOutput(
            i, h0, n, d, chunks, width,
            addValues(i, kv, first, lo, hi, h0, n, d, chunks, width, none));
      });
    });
  }

  /// The same for tokens of one sequence: keys that a whole group sees are
  /// summed together, the others after them, so that every sum is in the order
  /// of keys as above.
  void weighGroups(Value kv, Value s, Value d, int64_t chunks, int64_t width) {
    int64_t size = groupSize(), rows = size * heads;
    Value first = inCache(zero(), b.mul(s, b.index(segment)));
    b.loop(zero(), count, size, [&](Value i0) {
      Value end = arith::MinSIOp::create(b, b.add(i0, b.index(size)), count);
      auto [lo, hi] = seenOf(s, i0);
      Values range = b.loop(b.add(i0, b.index(1)), end, 1, {lo, lo, hi},
                            [&](Value i, Values range) -> Values {
                              auto [lo, hi] = seenOf(s, i);
                              return {arith::MinSIOp::create(b, range[0], lo),
                                      arith::MaxSIOp::create(b, range[1], lo),
                                      arith::MinSIOp::create(b, range[2], hi)};
                            });
      // Keys at the start that only some see would have to come before.
      Value from = range[1],
            together = arith::AndIOp::create(
                b,
                arith::CmpIOp::create(b, arith::CmpIPredicate::eq, range[0],
                                      from),
                arith::CmpIOp::create(b, arith::CmpIPredicate::slt, from,
                                      range[2])),
            to = arith::SelectOp::create(b, together, range[2], from);
      Values none(rows * chunks, b.splat(b.vec(width, b.getF32Type()), 0)),
          acc = addValues(i0, kv, first, from, to, 0, rows, d, chunks, width,
                          none);
      for (auto [at, sum] : llvm::enumerate(acc))
        b.storeVec(sum, partial,
                   {b.index(at / chunks), b.index(at % chunks * width)});
      b.loop(i0, end, 1, [&](Value i) {
        within(s, i, [&](Value lo, Value hi) {
          Value row0 = b.mul(b.sub(i, i0), b.index(heads)),
                rest = arith::SelectOp::create(b, together, to, lo);
          Values acc;
          for (int64_t h = 0; h < heads; ++h)
            for (int64_t c = 0; c < chunks; ++c)
              acc.push_back(b.loadVec(
                  partial, {b.add(row0, b.index(h)), b.index(c * width)},
                  width));
          addToOutput(i, 0, heads, d, chunks, width,
                      addValues(i, kv, first, rest, hi, 0, heads, d, chunks,
                                width, acc));
        });
      });
    });
  }

  /// Heads [h0, h0 + n) over segment `s`, tokens in groups if `together`.
  void segmentOf(Value kv, Value s, Value first, Value end, int64_t h0,
                 int64_t n, bool together) {
    Value start = b.mul(s, b.index(segment)),
          stop = b.add(start, b.index(segment));
    auto blockOf = [&](Value key) { return b.div(key, b.index(block)); };
    auto after = [&](Value key) {
      return blockOf(b.add(key, b.index(block - 1)));
    };
    Value lo = arith::MaxSIOp::create(b, start, first),
          hi = arith::MinSIOp::create(b, stop, end);
    int64_t size = groupSize();
    b.loop(blockOf(lo), after(hi), 1, [&](Value j) {
      if (together)
        return b.loop(zero(), count, size,
                      [&](Value i) { groupProducts(i, kv, s, j); });
      tokens([&](Value i) {
        if (!count)
          return products(i, kv, s, j, h0, n);
        auto [from, to] = seen(i);
        Value sees = arith::AndIOp::create(
            b,
            arith::CmpIOp::create(b, arith::CmpIPredicate::sle, blockOf(from),
                                  j),
            arith::CmpIOp::create(b, arith::CmpIPredicate::slt, j, after(to)));
        b.branch(sees, [&] { products(i, kv, s, j, h0, n); }, [] {});
      });
    });
    tokens([&](Value i) {
      within(s, i, [&](Value lo, Value hi) {
        for (int64_t h = h0; h < h0 + n; ++h)
          softmax(rowOf(i, h), lo, hi);
      });
    });
    int64_t chunks = chunksOf(together ? size * n : n), wide = chunks * b.lanes,
            whole = dim - dim % wide, vectors = dim - dim % b.lanes;
    auto columns = [&](int64_t from, int64_t to, int64_t chunks,
                       int64_t width) {
      if (from == to)
        return;
      b.loop(b.index(from), b.index(to), chunks * width, [&](Value d) {
        if (together)
          weighGroups(kv, s, d, chunks, width);
        else
          weigh(kv, s, h0, n, d, chunks, width);
      });
    };
    columns(0, whole, chunks, b.lanes);
    columns(whole, vectors, (vectors - whole) / b.lanes, b.lanes);
    columns(vectors, dim, 1, 1);
  }

  /// Whether the tokens of the tile are of one sequence, and more than two: a
  /// group takes as long as a full one.
  Value inGroups() {
    Value yes =
        arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, count, b.index(2));
    if (!starts)
      return yes;
    Value first = b.load(starts, {t0});
    return b.loop(
        b.index(1), count, 1, {yes}, [&](Value i, Values all) -> Values {
          Value same = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, first,
                                             b.load(starts, {b.add(t0, i)}));
          return {arith::AndIOp::create(b, all[0], same)};
        })[0];
  }

  /// All keys, for KV head `kv`.
  void attend(Value kv) {
    tokens([&](Value i) { passes([&] { begin(kv, i); }); });
    // What any token of the tile sees.
    auto [first, end] = seen(zero());
    if (count) {
      Values range = b.loop(b.index(1), count, 1, {first, end},
                            [&](Value i, Values range) -> Values {
                              auto [from, to] = seen(i);
                              return {arith::MinSIOp::create(b, range[0], from),
                                      arith::MaxSIOp::create(b, range[1], to)};
                            });
      first = range[0];
      end = range[1];
    }
    Value size = b.index(segment);
    auto segments = [&, first = first, end = end](bool together) {
      b.loop(b.div(first, size), b.div(b.add(end, b.index(segment - 1)), size),
             1, [&](Value s) {
               passes([&] {
                 for (int64_t h0 = 0; h0 < heads; h0 += most)
                   segmentOf(kv, s, first, end, h0, std::min(most, heads - h0),
                             together);
               });
             });
    };
    if (!partial || !count)
      segments(false);
    else
      b.branch(
          inGroups(),
          [&] {
            gatherQueries(kv);
            segments(true);
          },
          [&] { segments(false); });
    tokens([&](Value i) { passes([&] { finish(i); }); });
  }

  /// Nothing summed yet, for the heads at hand of token i.
  void begin(Value kv, Value i) {
    Row out = outOf(i);
    for (int64_t h = 0; h < heads; ++h) {
      // A sink is a key before all others, with a value of 0.
      Value sink =
          sinks ? b.load(sinks, {b.add(b.mul(kv, b.index(shared)), head(h))})
                : b.f32(-1e30);
      b.store(sink, top, {rowOf(i, h)});
      b.store(b.f32(sinks ? 1 : 0), sum, {rowOf(i, h)});
    }
    Value from = b.add(out.first, b.mul(head(0), b.index(dim)));
    b.loop(zero(), b.index(heads * dim), 1, [&](Value at) {
      b.store(b.f32(0), out.buffer, {out.row, b.add(from, at)});
    });
  }

  /// Sums over what they count.
  void finish(Value i) {
    Row out = outOf(i);
    for (int64_t h = 0; h < heads; ++h) {
      Value inverse = b.div(b.f32(1), b.load(sum, {rowOf(i, h)})),
            from = b.add(out.first, b.mul(head(h), b.index(dim)));
      b.loop(zero(), b.index(dim), 1, [&](Value d) {
        Value at = b.add(from, d);
        b.store(b.mul(b.load(out.buffer, {out.row, at}), inverse), out.buffer,
                {out.row, at});
      });
    }
  }
};
} // namespace

int64_t codegen::headTileOf(KernelOp kernel) {
  auto op = cast<AttentionOp>(kernel.getBody().front().front());
  int64_t shared = op.getHeads() / op.getCache().getType().getHeads(),
          tile = kernel.getScheduleAttr().get("head_tile", shared);
  bool oneToken =
      cast<RankedTensorType>(op.getQuery().getType()).getDimSize(0) == 1;
  return oneToken && tile > 0 && shared % tile == 0 ? tile : shared;
}

LogicalResult codegen::emitAttention(KernelBuilder &b, KernelOp kernel,
                                     ItemLoop items, ValueRange args) {
  Block &body = kernel.getBody().front();
  auto op = dyn_cast<AttentionOp>(body.front());
  if (!op)
    return kernel.emitError(
        "an attention kernel begins with a heddle.attention");
  CacheType cache = op.getCache().getType();
  int64_t shared = op.getHeads() / cache.getHeads(), dim = cache.getDim(),
          block = cache.getBlock();
  int64_t segment = kernel.getScheduleAttr().get("segment", 128),
          most = kernel.getScheduleAttr().get("sums", 12);
  bool oneToken =
      cast<RankedTensorType>(op.getQuery().getType()).getDimSize(0) == 1;
  int64_t tile = oneToken ? 1 : kernel.getScheduleAttr().get("token_tile", 1);
  int64_t heads = headTileOf(kernel), parts = shared / heads,
          headTile = kernel.getScheduleAttr().get("head_tile", heads);
  if (headTile < 1 || shared % headTile)
    return kernel.emitError("head_tile = ")
           << headTile << ", limit a divisor of the " << shared
           << " query heads of a KV head";
  if (most < 1 || most > 64 || tile < 1 || tile > 64)
    return kernel.emitError("sums = ")
           << most << ", token_tile = " << tile << ", limit 1 to 64 each";
  if (block < 1 || (block & (block - 1)) || segment % block ||
      segment < block || segment > 4096 || segment % b.lanes)
    return kernel.emitError("cache block = ")
           << block << " and segment = " << segment
           << ", needs a power of two, and a multiple of it and of the lanes "
              "up to 4096";

  RowOps ops(b, kernel.getScheduleAttr());
  size_t next = 0;
  for (BlockArgument arg : body.getArguments()) {
    ops.whole[arg] = {args[next++]};
    if (isa<CacheType>(arg.getType()))
      ops.whole[arg].push_back(args[next++]);
  }
  llvm::DenseMap<Value, Value> yielded;
  for (Value value : body.getTerminator()->getOperands())
    yielded[value] = args[next++];
  std::optional<int64_t> window;
  if (op.getWindow())
    window = *op.getWindow();
  Value query = ops.whole[op.getQuery()][0];
  AttentionEmitter e{b,
                     dim,
                     block,
                     segment,
                     shared,
                     most,
                     op.getScale().convertToDouble(),
                     tile,
                     heads,
                     window,
                     query,
                     ops.whole[op.getCache()][0],
                     ops.whole[op.getCache()][1],
                     ops.whole[op.getSlot()][0],
                     ops.whole[op.getPositions()][0],
                     op.getStarts() ? ops.whole[op.getStarts()][0] : Value(),
                     op.getSinks() ? ops.whole[op.getSinks()][0] : Value(),
                     {},
                     {},
                     {},
                     {},
                     {},
                     {},
                     {},
                     {},
                     {}};
  e.allocate();
  int64_t width = shared * dim;
  llvm::DenseMap<Value, Value> locals;
  for (Operation &other : body.without_terminator())
    for (Value value : other.getResults())
      if (auto type = cast<RankedTensorType>(value.getType());
          !yielded.count(value))
        locals[value] = b.localRows(type.clone({1, width}), tile);

  LogicalResult result = success();
  auto attend = [&](Value item) {
    // All tokens of a KV head follow each other, while it is near.
    Value first = b.index(0), kv = item;
    if (!oneToken) {
      Value tiles =
          b.div(b.add(b.dim(query, 0), b.index(tile - 1)), b.index(tile));
      first = b.rem(item, tiles);
      kv = b.div(item, tiles);
    }
    Value column = b.mul(kv, b.index(width));
    e.t0 = b.mul(first, b.index(tile));
    if (!oneToken)
      e.count = arith::MinSIOp::create(b, b.sub(b.dim(query, 0), e.t0),
                                       b.index(tile));
    auto rowOf = [&](Value value, Value i) {
      Value local = locals.lookup(value);
      return local ? Row{local, i, b.index(0)}
                   : Row{yielded.lookup(value), b.add(e.t0, i), column};
    };
    auto outOf = [&](Value i) { return rowOf(op.getResult(), i); };
    e.outOf = outOf;
    e.attend(kv);
    int64_t columns = heads * dim;
    for (Operation &other : llvm::drop_begin(body.without_terminator()))
      if (sliceUnit(&other) == 0 || columns % sliceUnit(&other)) {
        result = other.emitError("unsupported: ")
                 << other.getName()
                 << " after attention, which needs more than " << columns
                 << " columns";
        return;
      }
    e.tokens([&](Value i) {
      e.passes([&] {
        Value begin = b.mul(e.head(0), b.index(dim));
        ops.column = b.add(column, begin);
        for (Operation &other : body.without_terminator()) {
          for (Value value : other.getResults()) {
            Row row = rowOf(value, i);
            ops.rows[value] = {row.buffer, row.row, b.add(row.first, begin)};
          }
          if (&other != op && succeeded(result))
            result = ops.emit(&other, columns);
        }
      });
    });
  };
  items([&](Value item) {
    if (parts == 1)
      return attend(item);
    // As many of the items share the heads as there are threads for each KV
    // head: who takes some goes through the cache once for all of them.
    Value all = b.index(parts), part = b.rem(item, all),
          shares = arith::MinSIOp::create(
              b, all,
              b.div(b.add(b.threads, b.index(cache.getHeads() - 1)),
                    b.index(cache.getHeads())));
    e.firstPass = b.div(b.mul(part, all), shares);
    e.endPass = b.div(b.mul(b.add(part, b.index(1)), all), shares);
    b.branch(
        arith::CmpIOp::create(b, arith::CmpIPredicate::slt, part, shares),
        [&] { attend(b.div(item, all)); }, [] {});
  });
  return result;
}
