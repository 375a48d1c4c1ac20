//===- EmitRows.cpp - Kernels of row-wise ops -----------------------------===//
//
// An item is a token. The kernel's ops run one after the other on that token's row;
// a value that only later ops of the kernel read stays in a buffer on the stack.
//
//===----------------------------------------------------------------------===//
#include "heddle/codegen/Common/KernelBuilder.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;
using Values = KernelBuilder::Values;

namespace {
/// Row `row` of a buffer [rows, width].
struct Row {
  Value buffer, row;
};

struct RowsEmitter {
  explicit RowsEmitter(KernelBuilder &b) : b(b) {}
  KernelBuilder &b;
  llvm::DenseMap<Value, Row> rows;     // activations and ids
  llvm::DenseMap<Value, Values> whole; // parameters, caches, slots

  Value zero() { return b.index(0); }
  Value load(Row r, Value i) { return b.load(r.buffer, {r.row, i}); }
  void store(Value v, Row r, Value i) { b.store(v, r.buffer, {r.row, i}); }
  Value id(Value ids) { return b.load(rows[ids].buffer, {rows[ids].row}); }
  static int64_t width(Value v) { return cast<RankedTensorType>(v.getType()).getDimSize(1); }

  /// Calls `body` for whole vectors, then for single elements.
  void elements(int64_t width, llvm::function_ref<void(Value i, int64_t n)> body) {
    int64_t vectors = width - width % b.lanes;
    b.loop(zero(), b.index(vectors), b.lanes, [&](Value i) { body(i, b.lanes); });
    b.loop(b.index(vectors), b.index(width), 1, [&](Value i) { body(i, 1); });
  }
  Value loadN(Row r, Value i, int64_t n) { return b.loadVec(r.buffer, {r.row, i}, n); }
  void storeN(Value v, Row r, Value i) { b.storeVec(v, r.buffer, {r.row, i}); }

  void emit(EmbeddingOp op) {
    auto packed = cast<PackedAttr>(cast<RankedTensorType>(op.getTable().getType()).getEncoding());
    EncAttr enc = packed.getEnc();
    Value table = whole[op.getTable()][0], token = b.toIndex(id(op.getIds()));
    int64_t count = packed.getRows(), size = enc.getGroup(), bits = enc.getElemBits();
    Value panel = b.div(token, b.index(count)), r = b.rem(token, b.index(count));
    Row out = rows[op.getResult()];
    // `n` little-endian bytes at `at` as an element of type `type`.
    auto scalar = [&](Value g, Value at, Type type) -> Value {
      int64_t n = type.getIntOrFloatBitWidth() / 8;
      Value raw = b.loadVec(table, {panel, g, at}, n);
      return vector::ExtractOp::create(b, vector::BitCastOp::create(b, b.vec(1, type), raw).getResult(), 0);
    };
    b.loop(zero(), b.index(packed.getGroups(width(op.getResult()))), 1, [&](Value g) {
      int64_t base = 0;
      Value scale, min;
      for (auto [has, value] : {std::pair{enc.getScale(), &scale}, {enc.getMin(), &min}}) {
        if (!has)
          continue;
        Value half = scalar(g, b.add(b.index(base), b.mul(r, b.index(2))), b.getF16Type());
        *value = arith::ExtFOp::create(b, b.getF32Type(), half);
        base += count * 2;
      }
      Value k0 = b.mul(g, b.index(size));
      bool nibbles = bits == 4;
      Type elem = enc.getStorageType();
      int64_t bytes = elem.getIntOrFloatBitWidth() / 8;
      b.loop(zero(), b.index(nibbles ? size / 2 : size), 1, [&](Value j) {
        Value at = b.add(b.index(base), b.mul(b.add(b.mul(j, b.index(count)), r), b.index(bytes)));
        Value code = scalar(g, at, elem);
        if (!nibbles)
          return store(b.decode(enc, code, scale, min), out, b.add(k0, j));
        Value wide = arith::ExtUIOp::create(b, b.getI32Type(), code);
        Value low = arith::AndIOp::create(b, wide, b.i32(15)), high = arith::ShRUIOp::create(b, wide, b.i32(4));
        store(b.decode(enc, low, scale, min), out, b.add(k0, j));
        store(b.decode(enc, high, scale, min), out, b.add(k0, b.add(j, b.index(size / 2))));
      });
    });
  }

  void emit(SelectRowsOp op) {
    Row in{whole[op.getX()][0], b.toIndex(id(op.getRows()))}, out = rows[op.getResult()];
    elements(width(op.getX()), [&](Value i, int64_t n) { storeN(loadN(in, i, n), out, i); });
  }

  void emit(RMSNormOp op) {
    Row x = rows[op.getX()], out = rows[op.getResult()];
    Value weight = whole[op.getWeight()][0];
    int64_t part = width(op.getX()) / op.getGroups(), vectors = part - part % b.lanes;
    b.loop(zero(), b.index(op.getGroups()), 1, [&](Value group) {
      Value first = b.mul(group, b.index(part));
      Value squares = b.loop(zero(), b.index(vectors), b.lanes, {b.splat(b.f32s(), 0)}, [&](Value i, Values s) -> Values {
        Value v = loadN(x, b.add(first, i), b.lanes);
        return {b.fma(v, v, s[0])};
      })[0];
      Value sum = b.loop(b.index(vectors), b.index(part), 1, {b.sumTree(squares)}, [&](Value i, Values s) -> Values {
        Value v = load(x, b.add(first, i));
        return {b.fma(v, v, s[0])};
      })[0];
      Value mean = b.add(b.div(sum, b.f32(part)), b.f32(op.getEpsilon().convertToDouble()));
      Value inverse = b.div(b.f32(1), math::SqrtOp::create(b, mean));
      elements(part, [&](Value i, int64_t n) {
        VectorType type = b.vec(n, b.getF32Type());
        Value w = b.loadVec(weight, {i}, n), at = b.add(first, i);
        if (op.getUnitOffset())
          w = b.add(w, b.splat(type, 1));
        storeN(b.mul(b.mul(loadN(x, at, n), b.broadcast(inverse, type)), w), out, at);
      });
    });
  }

  void emit(RopeAnglesOp op) {
    Row out = rows[op.getResult()];
    Value position = arith::SIToFPOp::create(b, b.getF64Type(), id(op.getPositions()));
    int64_t half = op.getDim() / 2;
    double theta = op.getTheta().convertToDouble(), scale = op.getScale().convertToDouble();
    for (int64_t i = 0; i < half; ++i) {
      Value f = b.f64(std::pow(theta, -2.0 * i / op.getDim()) / scale);
      if (op.getDivisors())
        f = b.div(f, arith::ExtFOp::create(b, b.getF64Type(), b.load(whole[op.getDivisors()][0], {b.index(i)})));
      Value angle = b.mul(position, f);
      store(arith::TruncFOp::create(b, b.getF32Type(), math::CosOp::create(b, angle)), out, b.index(i));
      store(arith::TruncFOp::create(b, b.getF32Type(), math::SinOp::create(b, angle)), out, b.index(half + i));
    }
  }

  void emit(RopeOp op) {
    Row x = rows[op.getX()], angles = rows[op.getAngles()], out = rows[op.getResult()];
    int64_t head = width(op.getX()) / op.getHeads(), dim = width(op.getAngles()), half = dim / 2;
    b.loop(zero(), b.index(op.getHeads()), 1, [&](Value h) {
      Value first = b.mul(h, b.index(head));
      b.loop(zero(), b.index(half), 1, [&](Value i) {
        Value ia = b.add(first, op.getInterleaved() ? b.mul(i, b.index(2)) : i);
        Value ib = b.add(ia, b.index(op.getInterleaved() ? 1 : half));
        Value va = load(x, ia), vb = load(x, ib), cos = load(angles, i), sin = load(angles, b.add(i, b.index(half)));
        store(b.sub(b.mul(va, cos), b.mul(vb, sin)), out, ia);
        store(b.add(b.mul(vb, cos), b.mul(va, sin)), out, ib);
      });
      b.loop(b.index(dim), b.index(head), 1, [&](Value i) {
        Value at = b.add(first, i);
        store(load(x, at), out, at);
      });
    });
  }

  void emit(CacheAppendOp op) {
    CacheType cache = op.getCache().getType();
    Value keys = whole[op.getCache()][0], values = whole[op.getCache()][1], slot = whole[op.getSlot()][0];
    Value position = b.toIndex(id(op.getPositions()));
    Value block = b.div(position, b.index(cache.getBlock())), in = b.rem(position, b.index(cache.getBlock()));
    b.loop(zero(), b.index(cache.getHeads()), 1, [&](Value h) {
      b.loop(zero(), b.index(cache.getDim()), 1, [&](Value d) {
        Value i = b.add(b.mul(h, b.index(cache.getDim())), d);
        b.store(load(rows[op.getKey()], i), keys, {slot, h, block, d, in});
        b.store(load(rows[op.getValue()], i), values, {slot, h, position, d});
      });
    });
    whole[op.getResult()] = whole[op.getCache()];
  }

  void emit(GLUOp op) {
    Row gate = rows[op.getGate()], up = rows[op.getUp()], out = rows[op.getResult()];
    elements(width(op.getResult()), [&](Value i, int64_t n) {
      Value g = loadN(gate, i, n), one = b.splat(g.getType(), 1);
      Value e = math::ExpOp::create(b, arith::NegFOp::create(b, g));
      storeN(b.mul(b.div(g, b.add(one, e)), loadN(up, i, n)), out, i);
    });
  }

  /// An upstream elementwise op: itself, on vectors.
  void elementwise(Operation *op) {
    Row out = rows[op->getResult(0)];
    elements(width(op->getResult(0)), [&](Value i, int64_t n) {
      Values operands;
      for (Value operand : op->getOperands())
        operands.push_back(loadN(rows[operand], i, n));
      OperationState state(b.getLoc(), op->getName(), operands, b.vec(n, b.getF32Type()), op->getAttrs());
      storeN(b.OpBuilder::create(state)->getResult(0), out, i);
    });
  }
};
} // namespace

LogicalResult codegen::emitRows(KernelBuilder &b, KernelOp kernel, Value lo, Value hi, ValueRange args) {
  Block &body = kernel.getBody().front();
  RowsEmitter e(b);
  // Arguments: two buffers for a cache, one for all else.
  llvm::DenseMap<Value, Value> buffers;
  size_t next = 0;
  for (BlockArgument arg : body.getArguments()) {
    e.whole[arg] = {args[next++]};
    if (isa<CacheType>(arg.getType()))
      e.whole[arg].push_back(args[next++]);
    else
      buffers[arg] = e.whole[arg][0];
  }
  for (Value result : body.getTerminator()->getOperands())
    if (isa<RankedTensorType>(result.getType()))
      buffers[result] = args[next++];
  for (Operation &op : body.without_terminator())
    for (Value result : op.getResults())
      if (auto type = dyn_cast<RankedTensorType>(result.getType()); type && !buffers.count(result))
        buffers[result] = memref::AllocaOp::create(b, MemRefType::get({1, type.getDimSize(1)}, type.getElementType()));

  bool known = true;
  b.loop(lo, hi, 1, [&](Value t) {
    for (auto [value, buffer] : buffers)
      e.rows[value] = {buffer, buffer.getDefiningOp<memref::AllocaOp>() ? b.index(0) : t};
    for (Operation &op : body.without_terminator())
      llvm::TypeSwitch<Operation *>(&op)
          .Case<EmbeddingOp, SelectRowsOp, RMSNormOp, RopeAnglesOp, RopeOp, CacheAppendOp, GLUOp>(
              [&](auto known) { e.emit(known); })
          .Default([&](Operation *op) {
            if (OpTrait::hasElementwiseMappableTraits(op) && op->getNumResults() == 1 &&
                llvm::all_of(op->getOperands(), [&](Value v) { return buffers.count(v); }))
              return e.elementwise(op);
            op->emitError("unsupported: no emitter for ") << op->getName();
            known = false;
          });
  });
  return success(known);
}
