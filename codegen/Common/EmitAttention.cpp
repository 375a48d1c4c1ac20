//===- EmitAttention.cpp - Online softmax over a key-value cache ----------===//
//
// An item is one query head of one token. Keys are taken in the cache's blocks, at
// absolute positions and in ascending order, whatever the step's tokens: so logits do
// not depend on chunks or threads (FlashAttention-2, arXiv 2307.08691).
// Caches: keys [layer, head, block, dim, key in block], values [layer, head, position, dim].
//
//===----------------------------------------------------------------------===//
#include "heddle/codegen/Common/KernelBuilder.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;
using Values = KernelBuilder::Values;

LogicalResult codegen::emitAttention(KernelBuilder &b, KernelOp kernel, Value lo, Value hi, ValueRange args) {
  auto op = cast<AttentionOp>(kernel.getBody().front().front());
  CacheType cache = op.getCache().getType();
  int64_t heads = op.getHeads(), dim = cache.getDim(), block = cache.getBlock(), shared = heads / cache.getHeads();
  if (op.getWindow())
    return kernel.emitError("unsupported: attention window = ") << *op.getWindow();
  if (block < 1 || (block & (block - 1)))
    return kernel.emitError("cache block = ") << block << ", needs a power of two";
  // A cache input is two buffers, so later inputs move by one.
  int64_t cacheAt = cast<BlockArgument>(op.getCache()).getArgNumber();
  auto arg = [&](Value operand, int64_t part = 0) {
    int64_t i = cast<BlockArgument>(operand).getArgNumber();
    return args[i + (i > cacheAt) + part];
  };
  Value q = arg(op.getQuery()), keys = arg(op.getCache()), values = arg(op.getCache(), 1), slot = arg(op.getSlot()),
        positions = arg(op.getPositions()), out = args.back();
  VectorType lanesOf = b.vec(block, b.getF32Type());
  Value weights = memref::AllocaOp::create(b, MemRefType::get({block}, b.getF32Type()));
  Value zero = b.index(0), minusHuge = b.splat(lanesOf, -1e30);

  b.loop(lo, hi, 1, [&](Value item) {
    Value t = b.div(item, b.index(heads)), h = b.rem(item, b.index(heads)), kv = b.div(h, b.index(shared));
    Value count = b.add(b.toIndex(b.load(positions, {t})), b.index(1)), head = b.mul(h, b.index(dim));
    b.loop(zero, b.index(dim), 1, [&](Value d) { b.store(b.f32(0), out, {t, b.add(head, d)}); });
    Value blocks = b.div(b.add(count, b.index(block - 1)), b.index(block));
    Value scale = b.splat(lanesOf, op.getScale().convertToDouble());
    Values state = b.loop(zero, blocks, 1, {b.f32(-1e30), b.f32(0)}, [&](Value j, Values state) -> Values {
      Value scores = b.loop(zero, b.index(dim), 1, {b.splat(lanesOf, 0)}, [&](Value d, Values s) -> Values {
        Value qd = b.broadcast(b.load(q, {t, b.add(head, d)}), lanesOf);
        return {b.fma(qd, b.loadVec(keys, {slot, kv, j, d, zero}, block), s[0])};
      })[0];
      Value first = b.mul(j, b.index(block));
      Value valid = arith::MinSIOp::create(b, b.sub(count, first), b.index(block));
      Value mask = vector::CreateMaskOp::create(b, lanesOf.clone(b.getI1Type()), ValueRange(valid));
      scores = arith::SelectOp::create(b, mask, b.mul(scores, scale), minusHuge);
      Value top = arith::MaximumFOp::create(b, state[0], b.maxTree(scores));
      Value decay = math::ExpOp::create(b, b.sub(state[0], top));
      Value p = math::ExpOp::create(b, b.sub(scores, b.broadcast(top, lanesOf)));
      p = arith::SelectOp::create(b, mask, p, b.splat(lanesOf, 0));
      Value sum = b.fma(state[1], decay, b.sumTree(p));
      b.storeVec(p, weights, {zero});
      auto segment = [&](Value d, int64_t n) {
        VectorType type = b.vec(n, b.getF32Type());
        Value o = b.mul(b.loadVec(out, {t, b.add(head, d)}, n), b.broadcast(decay, type));
        // Only keys that exist: what lies beyond may hold anything.
        o = b.loop(zero, valid, 1, {o}, [&](Value key, Values acc) -> Values {
          Value w = b.broadcast(b.load(weights, {key}), type);
          return {b.fma(w, b.loadVec(values, {slot, kv, b.add(first, key), d}, n), acc[0])};
        })[0];
        b.storeVec(o, out, {t, b.add(head, d)});
      };
      int64_t whole = dim - dim % b.lanes;
      b.loop(zero, b.index(whole), b.lanes, [&](Value d) { segment(d, b.lanes); });
      b.loop(b.index(whole), b.index(dim), 1, [&](Value d) { segment(d, 1); });
      return {top, sum};
    });
    Value inverse = b.div(b.f32(1), state[1]);
    b.loop(zero, b.index(dim), 1, [&](Value d) {
      Value at = b.add(head, d);
      b.store(b.mul(b.load(out, {t, at}), inverse), out, {t, at});
    });
  });
  return success();
}
