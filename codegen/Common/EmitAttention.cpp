//===- EmitAttention.cpp - Online softmax over a key-value cache ----------===//
//
// An item is one token and one KV head: one pass over the cache for all query heads that
// share it. Keys are taken in segments of a fixed number of keys at absolute positions:
// each segment's softmax starts afresh, and segments are merged in ascending order, so
// that logits do not depend on chunks or threads (FlashAttention-2, arXiv 2307.08691).
// Caches: keys [layer, head, block, dim, key in block], values [layer, head, position, dim].
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
  Value q, keys, values, slot;

  /// On the stack: [shared, segment] scores, then weights; the maximum and sum so far.
  Value scores, top, sum;
  Row out = {}; // of `shared` heads

  Value zero() { return b.index(0); }

  MemRefType stack(ArrayRef<int64_t> shape) { return MemRefType::get(shape, b.getF32Type()); }
  void allocate() {
    IntegerAttr align = b.getI64IntegerAttr(64);
    scores = memref::AllocaOp::create(b, stack({shared, segment}), align);
    top = memref::AllocaOp::create(b, stack({shared}), align);
    sum = memref::AllocaOp::create(b, stack({shared}), align);
  }

  /// Scores of query heads [h0, h0 + n) and the keys of blocks [lo, hi) of segment `s`.
  void products(Value t, Value kv, Value s, Value lo, Value hi, int64_t h0, int64_t n) {
    int64_t vectors = std::max<int64_t>(1, std::min(block / b.lanes, most / n)), width = std::min(b.lanes, block);
    while (block % (vectors * width))
      --vectors;
    b.loop(lo, hi, 1, [&](Value j) {
      Value at = b.sub(b.mul(j, b.index(block)), b.mul(s, b.index(segment)));
      for (int64_t v0 = 0; v0 < block; v0 += vectors * width) {
        Values acc(n * vectors, b.splat(b.vec(width, b.getF32Type()), 0));
        acc = b.loop(zero(), b.index(dim), 1, acc, [&](Value d, Values acc) -> Values {
          Values k(vectors);
          for (int64_t v = 0; v < vectors; ++v)
            k[v] = b.loadVec(keys, {slot, kv, j, d, b.index(v0 + v * width)}, width);
          for (int64_t h = 0; h < n; ++h) {
            Value column = b.add(b.mul(b.add(b.mul(kv, b.index(shared)), b.index(h0 + h)), b.index(dim)), d);
            Value qd = b.broadcast(b.load(q, {t, column}), b.vec(width, b.getF32Type()));
            for (int64_t v = 0; v < vectors; ++v)
              acc[h * vectors + v] = b.fma(qd, k[v], acc[h * vectors + v]);
          }
          return acc;
        });
        for (int64_t h = 0; h < n; ++h)
          for (int64_t v = 0; v < vectors; ++v)
            b.storeVec(b.mul(acc[h * vectors + v], b.splat(b.vec(width, b.getF32Type()), scale)), scores,
                       {b.index(h0 + h), b.add(at, b.index(v0 + v * width))});
      }
    });
  }

  /// The softmax of one head over the keys [lo, hi) of the segment; what lies outside, up
  /// to whole vectors, becomes 0. Returns the factors of what was summed before and now.
  std::pair<Value, Value> softmax(int64_t h, Value lo, Value hi) {
    VectorType f32s = b.f32s(), ints = b.vec(b.lanes, b.getI32Type());
    Value head = b.index(h), minusHuge = b.splat(f32s, -1e30);
    Value begin = b.sub(lo, b.rem(lo, b.index(b.lanes)));
    SmallVector<int32_t> lane(b.lanes);
    std::iota(lane.begin(), lane.end(), 0);
    Value lanes = arith::ConstantOp::create(b, DenseElementsAttr::get(ints, ArrayRef<int32_t>(lane)));
    auto spreadInt = [&](Value i) { return b.broadcast(arith::IndexCastOp::create(b, b.getI32Type(), i), ints); };
    Value from = spreadInt(lo), to = spreadInt(hi);
    auto inside = [&](Value i) -> Value {
      Value at = b.add(spreadInt(i), lanes);
      return arith::AndIOp::create(b, arith::CmpIOp::create(b, arith::CmpIPredicate::sge, at, from),
                                   arith::CmpIOp::create(b, arith::CmpIPredicate::slt, at, to));
    };
    Value maxima = b.loop(begin, hi, b.lanes, {minusHuge}, [&](Value i, Values m) -> Values {
      Value s = arith::SelectOp::create(b, inside(i), b.loadVec(scores, {head, i}, b.lanes), minusHuge);
      b.storeVec(s, scores, {head, i});
      return {arith::MaximumFOp::create(b, m[0], s)};
    })[0];
    Value here = b.maxTree(maxima), spread = b.broadcast(here, f32s);
    // exp is exactly 0 where the key does not count.
    Value total = b.loop(begin, hi, b.lanes, {b.splat(f32s, 0)}, [&](Value i, Values l) -> Values {
      Value p = math::ExpOp::create(b, b.sub(b.loadVec(scores, {head, i}, b.lanes), spread));
      b.storeVec(p, scores, {head, i});
      return {b.add(l[0], p)};
    })[0];
    Value before = b.load(top, {head}), now = arith::MaximumFOp::create(b, before, here);
    Value old = math::ExpOp::create(b, b.sub(before, now)), fresh = math::ExpOp::create(b, b.sub(here, now));
    b.store(now, top, {head});
    b.store(b.fma(b.load(sum, {head}), old, b.mul(b.sumTree(total), fresh)), sum, {head});
    return {old, fresh};
  }

  /// out = old * out + fresh * (weights x values) for heads [h0, h0 + n).
  void weigh(Value kv, Value s, Value lo, Value hi, int64_t h0, ArrayRef<std::pair<Value, Value>> factors) {
    int64_t n = factors.size(), chunks = std::max<int64_t>(1, most / n);
    auto columns = [&](Value d, int64_t chunks, int64_t width) {
      VectorType type = b.vec(width, b.getF32Type());
      Value first = b.mul(s, b.index(segment));
      Values acc(n * chunks, b.splat(type, 0));
      acc = b.loop(lo, hi, 1, acc, [&](Value key, Values acc) -> Values {
        Values v(chunks);
        for (int64_t c = 0; c < chunks; ++c)
          v[c] = b.loadVec(values, {slot, kv, b.add(first, key), b.add(d, b.index(c * width))}, width);
        for (int64_t h = 0; h < n; ++h) {
          Value w = b.broadcast(b.load(scores, {b.index(h0 + h), key}), type);
          for (int64_t c = 0; c < chunks; ++c)
            acc[h * chunks + c] = b.fma(w, v[c], acc[h * chunks + c]);
        }
        return acc;
      });
      for (int64_t h = 0; h < n; ++h)
        for (int64_t c = 0; c < chunks; ++c) {
          Value at = b.add(out.first, b.add(b.index((h0 + h) * dim + c * width), d));
          auto [old, fresh] = factors[h];
          Value scaled = b.mul(b.loadVec(out.buffer, {out.row, at}, width), b.broadcast(old, type));
          b.storeVec(b.fma(acc[h * chunks + c], b.broadcast(fresh, type), scaled), out.buffer, {out.row, at});
        }
    };
    int64_t wide = chunks * b.lanes, whole = dim - dim % wide, vectors = dim - dim % b.lanes;
    if (whole)
      b.loop(zero(), b.index(whole), wide, [&](Value d) { columns(d, chunks, b.lanes); });
    if (whole != vectors)
      b.loop(b.index(whole), b.index(vectors), b.lanes, [&](Value d) { columns(d, 1, b.lanes); });
    if (vectors != dim)
      b.loop(b.index(vectors), b.index(dim), 1, [&](Value d) { columns(d, 1, 1); });
  }

  /// Keys [first, count) for token t.
  void attend(Value t, Value kv, Value first, Value count) {
    for (int64_t h = 0; h < shared; ++h) {
      b.store(b.f32(-1e30), top, {b.index(h)});
      b.store(b.f32(0), sum, {b.index(h)});
    }
    b.loop(zero(), b.index(shared * dim), 1, [&](Value i) { b.store(b.f32(0), out.buffer, {out.row, b.add(out.first, i)}); });
    Value size = b.index(segment);
    b.loop(b.div(first, size), b.div(b.add(count, b.index(segment - 1)), size), 1, [&](Value s) {
      Value start = b.mul(s, size);
      Value lo = arith::MaxSIOp::create(b, b.sub(first, start), zero());
      Value hi = arith::MinSIOp::create(b, b.sub(count, start), size);
      Value blockLo = b.div(b.add(start, lo), b.index(block)), blockHi = b.div(b.add(b.add(start, hi), b.index(block - 1)), b.index(block));
      for (int64_t h0 = 0; h0 < shared; h0 += most) {
        int64_t n = std::min(most, shared - h0);
        products(t, kv, s, blockLo, blockHi, h0, n);
        SmallVector<std::pair<Value, Value>> factors;
        for (int64_t h = h0; h < h0 + n; ++h)
          factors.push_back(softmax(h, lo, hi));
        weigh(kv, s, lo, hi, h0, factors);
      }
    });
    for (int64_t h = 0; h < shared; ++h) {
      Value inverse = b.div(b.f32(1), b.load(sum, {b.index(h)}));
      b.loop(zero(), b.index(dim), 1, [&](Value d) {
        Value at = b.add(out.first, b.add(b.index(h * dim), d));
        b.store(b.mul(b.load(out.buffer, {out.row, at}), inverse), out.buffer, {out.row, at});
      });
    }
  }
};
} // namespace

LogicalResult codegen::emitAttention(KernelBuilder &b, KernelOp kernel, ItemLoop items, ValueRange args) {
  Block &body = kernel.getBody().front();
  auto op = dyn_cast<AttentionOp>(body.front());
  if (!op)
    return kernel.emitError("an attention kernel begins with a heddle.attention");
  CacheType cache = op.getCache().getType();
  int64_t shared = op.getHeads() / cache.getHeads(), dim = cache.getDim(), block = cache.getBlock();
  int64_t segment = kernel.getScheduleAttr().get("segment", 128), most = kernel.getScheduleAttr().get("sums", 12);
  if (most < 1 || most > 64)
    return kernel.emitError("sums = ") << most << ", limit 1 to 64";
  if (block < 1 || (block & (block - 1)) || segment % block || segment < block || segment > 4096 || segment % b.lanes)
    return kernel.emitError("cache block = ") << block << " and segment = " << segment << ", needs a power of two, and a multiple of it and of the lanes up to 4096";

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
  AttentionEmitter e{b, dim, block, segment, shared, most, op.getScale().convertToDouble(), ops.whole[op.getQuery()][0],
                     ops.whole[op.getCache()][0], ops.whole[op.getCache()][1], ops.whole[op.getSlot()][0], {}, {}, {}};
  e.allocate();
  int64_t width = shared * dim;
  llvm::DenseMap<Value, Value> locals;
  for (Operation &other : body.without_terminator())
    for (Value value : other.getResults())
      if (auto type = cast<RankedTensorType>(value.getType()); !yielded.count(value))
        locals[value] = b.localRows(type.clone({1, width}), 1);

  LogicalResult result = success();
  items([&](Value item) {
    Value t = b.div(item, b.index(cache.getHeads())), kv = b.rem(item, b.index(cache.getHeads()));
    Value column = b.mul(kv, b.index(width));
    auto rowOf = [&](Value value) {
      Value local = locals.lookup(value);
      return local ? Row{local, b.index(0), b.index(0)} : Row{yielded.lookup(value), t, column};
    };
    Value position = b.toIndex(b.load(ops.whole[op.getPositions()][0], {t})), count = b.add(position, b.index(1));
    Value first = b.index(0);
    if (op.getWindow())
      first = arith::MaxSIOp::create(b, b.sub(count, b.index(*op.getWindow())), first);
    e.out = ops.rows[op.getResult()] = rowOf(op.getResult());
    e.attend(t, kv, first, count);
    ops.column = column;
    for (Operation &other : llvm::drop_begin(body.without_terminator())) {
      if (sliceUnit(&other) == 0 || width % sliceUnit(&other)) {
        result = other.emitError("unsupported: ") << other.getName() << " after attention, which needs more than " << width << " columns";
        return;
      }
      for (Value value : other.getResults())
        ops.rows[value] = rowOf(value);
      if (succeeded(result))
        result = ops.emit(&other, width);
    }
  });
  return result;
}
