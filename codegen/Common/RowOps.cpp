//===- RowOps.cpp - Row-wise ops on one row, or on a slice of it ----------===//
#include "heddle/codegen/Common/RowOps.h"
#include "heddle/codegen/Common/Generic.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;
using Values = KernelBuilder::Values;

static int64_t widthOf(Value v) {
  return cast<RankedTensorType>(v.getType()).getDimSize(1);
}

SmallVector<Value> codegen::slicedOperands(Operation *op) {
  if (auto glu = dyn_cast<GLUOp>(op))
    return {glu.getGate(), glu.getUp()};
  if (auto convert = dyn_cast<ConvertRowsOp>(op))
    return {convert.getX()};
  if (auto rope = dyn_cast<RopeOp>(op))
    return {rope.getX()};
  if (auto norm = dyn_cast<RMSNormOp>(op))
    return {norm.getX()};
  if (auto append = dyn_cast<CacheAppendOp>(op))
    return {append.getKey(), append.getValue()};
  if (OpTrait::hasElementwiseMappableTraits(op))
    return SmallVector<Value>(op->getOperands());
  return {};
}

int64_t codegen::sliceUnit(Operation *op) {
  if (auto convert = dyn_cast<ConvertRowsOp>(op))
    return encodingOf<RowsAttr>(convert.getResult()).getGroup();
  if (auto rope = dyn_cast<RopeOp>(op))
    return widthOf(rope.getX()) / rope.getHeads();
  if (auto norm = dyn_cast<RMSNormOp>(op)) // a head's statistics are its own
    return norm.getGroups() > 1 ? widthOf(norm.getX()) / norm.getGroups() : 0;
  if (auto append = dyn_cast<CacheAppendOp>(op))
    return append.getCache().getType().getDim();
  return isa<GLUOp>(op) || OpTrait::hasElementwiseMappableTraits(op) ? 1 : 0;
}

int64_t codegen::rowWidth(Operation *op) {
  if (auto append = dyn_cast<CacheAppendOp>(op))
    return widthOf(append.getKey());
  auto type = op->getNumResults()
                  ? dyn_cast<RankedTensorType>(op->getResult(0).getType())
                  : RankedTensorType();
  return type && type.getRank() > 1 ? type.getDimSize(1) : 1;
}

void RowOps::elements(int64_t width,
                      llvm::function_ref<void(Value, int64_t)> body) {
  int64_t vectors = width - width % b.lanes;
  if (vectors)
    b.loop(zero(), b.index(vectors), b.lanes,
           [&](Value i) { body(i, b.lanes); });
  if (vectors != width)
    b.loop(b.index(vectors), b.index(width), 1, [&](Value i) { body(i, 1); });
}

RowOps::RowOps(KernelBuilder &b, ScheduleAttr schedule)
    : column(b.index(0)), b(b),
      forced(schedule.getOptions().getAs<ArrayAttr>("generic")) {}

bool codegen::hasRowEmitter(Operation *op) {
  if (isa<EmbeddingOp, SelectRowsOp, RMSNormOp, ConvertRowsOp, RopeAnglesOp,
          RopeOp, CacheAppendOp, GLUOp, SliceHeadsOp, ConcatHeadsOp, RouteOp,
          DispatchOp, CombineOp, GateRowsOp>(op))
    return true;
  auto isRow = [](Value v) {
    auto type = dyn_cast<RankedTensorType>(v.getType());
    return type && type.getRank() == 2 && type.getElementType().isF32();
  };
  return OpTrait::hasElementwiseMappableTraits(op) &&
         op->getNumResults() == 1 && isRow(op->getResult(0)) &&
         llvm::all_of(op->getOperands(), isRow);
}

LogicalResult RowOps::emit(Operation *op, int64_t width) {
  if (!hasRowEmitter(op) ||
      (forced && llvm::is_contained(
                     forced, b.getStringAttr(op->getName().getStringRef()))))
    return generic(op, width);
  if (failed(checkRowOp(op)))
    return mlir::failure();
  llvm::TypeSwitch<Operation *>(op)
      .Case<EmbeddingOp, SelectRowsOp, RMSNormOp, ConvertRowsOp, RopeAnglesOp,
            RopeOp, CacheAppendOp, GLUOp, SliceHeadsOp, ConcatHeadsOp, RouteOp,
            DispatchOp, CombineOp, GateRowsOp>(
          [&](auto known) { emit(known, width); })
      .Default([&](Operation *op) { elementwise(op, width); });
  return success();
}

void RowOps::emit(EmbeddingOp op, int64_t width) {
  auto packed = encodingOf<PackedAttr>(op.getTable());
  EncAttr enc = packed.getEnc();
  Value table = whole[op.getTable()][0], token = b.toIndex(id(op.getIds()));
  int64_t count = packed.getRows(), size = packed.getGroup(),
          step = packed.getStep(), highBits = enc.getHighBits();
  Value panel = b.div(token, b.index(count)), r = b.rem(token, b.index(count));
  Row out = rows[op.getResult()];
  b.loop(zero(), b.index(packed.getBlocks(width)), 1, [&](Value block) {
    // Little-endian bytes at `at` as an element of type `type`.
    auto scalar = [&](Value at, Type type) -> Value {
      int64_t n = type.getIntOrFloatBitWidth() / 8;
      Value raw = b.loadVec(table, {panel, block, at}, n);
      return vector::ExtractOp::create(
          b, vector::BitCastOp::create(b, b.vec(1, type), raw).getResult(), 0);
    };
    // The row's number among `count` floats of 16 bits at `at`, which moves
    // behind them.
    auto half = [&](Value &at) -> Value {
      Value bits = scalar(b.add(at, b.mul(r, b.index(2))), enc.getScaleType());
      at = b.add(at, b.index(count * 2));
      return arith::ExtFOp::create(b, b.getF32Type(), bits);
    };
    Value scale, min, d, e, head = zero();
    if (enc.getSuper()) {
      d = half(head);
      e = enc.getMin() ? half(head) : Value();
    }
    b.loop(zero(), b.index(packed.getBlockGroups()), 1, [&](Value group) {
      Value at = b.add(head, b.mul(group, b.index(packed.getGroupBytes())));
      auto number = [&](Value f16s, bool isMin) {
        if (!enc.getSuper())
          return half(at);
        Value stored = scalar(b.add(at, r), b.getI8Type());
        at = b.add(at, b.index(count));
        return b.groupScale(enc, stored, f16s, isMin);
      };
      if (enc.getScale())
        scale = number(d, false);
      if (enc.getMin())
        min = number(e, true);
      Value k0 =
          b.mul(b.add(b.mul(block, b.index(packed.getBlockGroups())), group),
                b.index(size));
      bool nibbles = enc.isNibbles();
      Type elem = enc.getStorageType();
      int64_t bytes = elem.getIntOrFloatBitWidth() / 8;
      // Element j of a row among bytes that lie in steps: within step j / step
      // of all rows.
      auto inSteps = [&](Value step0, Value j) {
        Value whole = b.mul(step0, b.index(count * step));
        return b.add(whole,
                     b.add(b.mul(r, b.index(step)), b.rem(j, b.index(step))));
      };
      b.loop(zero(), b.index(nibbles ? size / 2 : size), 1, [&](Value j) {
        Value code = scalar(b.add(at, b.mul(inSteps(b.div(j, b.index(step)), j),
                                            b.index(bytes))),
                            elem);
        if (!nibbles)
          return store(b.decode(enc, code, scale, min), out, b.add(k0, j));
        Value wide = arith::ExtUIOp::create(b, b.getI32Type(), code);
        auto put = [&](Value low, Value k) {
          if (highBits) {
            Value s = b.div(k, b.index(step)),
                  steps = b.index(packed.getPlaneSteps());
            Value plane = b.add(at, b.add(b.index(packed.getPlaneStart()),
                                          inSteps(b.div(s, steps), k)));
            Value high = arith::ExtUIOp::create(b, b.getI32Type(),
                                                scalar(plane, b.getI8Type()));
            Value from = arith::IndexCastOp::create(
                b, b.getI32Type(), b.mul(b.rem(s, steps), b.index(highBits)));
            low = b.withHighBits(low, arith::ShRUIOp::create(b, high, from),
                                 highBits, 0);
          }
          store(b.decode(enc, low, scale, min), out, b.add(k0, k));
        };
        put(arith::AndIOp::create(b, wide, b.i32(15)), j);
        put(arith::ShRUIOp::create(b, wide, b.i32(4)),
            b.add(j, b.index(size / 2)));
      });
    });
  });
}

void RowOps::emit(SelectRowsOp op, int64_t width) {
  Row in{whole[op.getX()][0], b.toIndex(id(op.getRows())), zero()},
      out = rows[op.getResult()];
  elements(width, [&](Value i, int64_t n) { storeN(loadN(in, i, n), out, i); });
}

void RowOps::emit(RMSNormOp op, int64_t width) {
  Row x = rows[op.getX()], out = rows[op.getResult()];
  Value weight = whole[op.getWeight()][0];
  int64_t part = widthOf(op.getX()) / op.getGroups(),
          vectors = part - part % b.lanes;
  b.loop(zero(), b.index(width / part), 1, [&](Value group) {
    Value first = b.mul(group, b.index(part));
    Value squares =
        b.loop(zero(), b.index(vectors), b.lanes, {b.splat(b.f32s(), 0)},
               [&](Value i, Values s) -> Values {
                 Value v = loadN(x, b.add(first, i), b.lanes);
                 return {b.fma(v, v, s[0])};
               })[0];
    Value sum = b.loop(b.index(vectors), b.index(part), 1, {b.sumTree(squares)},
                       [&](Value i, Values s) -> Values {
                         Value v = load(x, b.add(first, i));
                         return {b.fma(v, v, s[0])};
                       })[0];
    Value mean = b.add(b.div(sum, b.f32(part)),
                       b.f32(op.getEpsilon().convertToDouble()));
    Value inverse = b.div(b.f32(1), math::SqrtOp::create(b, mean));
    elements(part, [&](Value i, int64_t n) {
      VectorType type = b.vec(n, b.getF32Type());
      Value w = b.loadVec(weight, {i}, n), at = b.add(first, i);
      if (op.getUnitOffset())
        w = b.add(w, b.splat(type, 1));
      storeN(b.mul(b.mul(loadN(x, at, n), b.broadcast(inverse, type)), w), out,
             at);
    });
  });
}

void RowOps::emit(ConvertRowsOp op, int64_t width) {
  convert(rows[op.getX()], rows[op.getResult()],
          encodingOf<RowsAttr>(op.getResult()), width);
}

void RowOps::convert(Row x, Row out, RowsAttr type, int64_t width) {
  auto round = [&](Value i, int64_t n) -> Value {
    return arith::TruncFOp::create(b, b.vec(n, b.getBF16Type()),
                                   loadN(x, i, n));
  };
  if (!type.isGrouped())
    return elements(width,
                    [&](Value i, int64_t n) { storeN(round(i, n), out, i); });
  int64_t size = type.getGroup();
  Value group0 = b.div(out.first, b.index(size));
  if (!type.isCodes())
    return b.loop(zero(), b.index(width / size), 1, [&](Value g) {
      Value rounded = round(b.mul(g, b.index(size)), size);
      Value sum = b.sumTree(
          arith::ExtFOp::create(b, b.vec(size, b.getF32Type()), rounded));
      auto put = [&](Value vector, int64_t bytes, int64_t at) {
        b.storeVec(
            vector::BitCastOp::create(b, b.vec(bytes, b.getI8Type()), vector),
            out.buffer, {out.row, b.add(group0, g), b.index(at)});
      };
      put(b.broadcast(sum, b.vec(1, b.getF32Type())), 4, RowsAttr::FloatSumAt);
      put(rounded, 2 * size, RowsAttr::FloatsAt);
    });
  b.loop(zero(), b.index(width / size), 1, [&](Value g) {
    VectorType f32s = b.vec(size, b.getF32Type()),
               i32s = b.vec(size, b.getI32Type());
    Value v = loadN(x, b.mul(g, b.index(size)), size);
    Value amax = b.maxTree(math::AbsFOp::create(b, v));
    Value scale = b.mul(amax, b.f32(1.0 / 127)),
          inverse = b.div(b.f32(127), amax);
    // A row of zeros has no inverse.
    Value positive =
        arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, amax, b.f32(0));
    inverse = arith::SelectOp::create(b, positive, inverse, b.f32(0));
    Value rounded =
        math::RoundEvenOp::create(b, b.mul(v, b.broadcast(inverse, f32s)));
    Value codes = arith::FPToSIOp::create(b, i32s, rounded);
    auto put = [&](Value vector, int64_t at) {
      int64_t bytes = cast<VectorType>(vector.getType()).getNumElements() *
                      getElementTypeOrSelf(vector).getIntOrFloatBitWidth() / 8;
      b.storeVec(
          vector::BitCastOp::create(b, b.vec(bytes, b.getI8Type()), vector),
          out.buffer, {out.row, b.add(group0, g), b.index(at)});
    };
    auto putOne = [&](Value number, int64_t at) {
      put(b.broadcast(number, b.vec(1, number.getType())), at);
    };
    putOne(scale, RowsAttr::ScaleAt);
    Value sum;
    for (int64_t half = 0; half < 2; ++half) {
      Value part = vector::ExtractStridedSliceOp::create(
          b, codes, ArrayRef<int64_t>{half * size / 2},
          ArrayRef<int64_t>{size / 2}, ArrayRef<int64_t>{1});
      Value halfSum = b.sumTree(part);
      sum = sum ? b.add(sum, halfSum) : halfSum;
      putOne(arith::TruncIOp::create(b, b.getI16Type(), halfSum),
             RowsAttr::HalfSumsAt + 2 * half);
    }
    putOne(sum, RowsAttr::SumAt);
    putOne(b.mul(scale, arith::SIToFPOp::create(b, b.getF32Type(), sum)),
           RowsAttr::WeighedAt);
    put(arith::TruncIOp::create(b, b.vec(size, b.getI8Type()), codes),
        RowsAttr::CodesAt);
  });
}

void RowOps::emit(RopeAnglesOp op, int64_t width) {
  Row out = rows[op.getResult()];
  Value position =
      arith::SIToFPOp::create(b, b.getF64Type(), id(op.getPositions()));
  int64_t half = op.getDim() / 2;
  double theta = op.getTheta().convertToDouble(),
         scale = op.getScale().convertToDouble();
  double amplitude = op.getAmplitude().convertToDouble();
  std::optional<ArrayRef<double>> given = op.getFrequencies();
  auto put = [&](Value value, int64_t at) {
    if (amplitude != 1)
      value = b.mul(value, b.f64(amplitude));
    store(arith::TruncFOp::create(b, b.getF32Type(), value), out, b.index(at));
  };
  for (int64_t i = 0; i < half; ++i) {
    Value f =
        b.f64((given ? (*given)[i] : std::pow(theta, -2.0 * i / op.getDim())) /
              scale);
    if (op.getDivisors())
      f = b.div(f, arith::ExtFOp::create(
                       b, b.getF64Type(),
                       b.load(whole[op.getDivisors()][0], {b.index(i)})));
    Value angle = b.mul(position, f);
    put(math::CosOp::create(b, angle), i);
    put(math::SinOp::create(b, angle), half + i);
  }
}

void RowOps::emit(RopeOp op, int64_t width) {
  Row x = rows[op.getX()], angles = rows[op.getAngles()],
      out = rows[op.getResult()];
  int64_t head = widthOf(op.getX()) / op.getHeads(),
          dim = widthOf(op.getAngles()), half = dim / 2;
  b.loop(zero(), b.index(width / head), 1, [&](Value h) {
    Value first = b.mul(h, b.index(head));
    b.loop(zero(), b.index(half), 1, [&](Value i) {
      Value ia = b.add(first, op.getInterleaved() ? b.mul(i, b.index(2)) : i);
      Value ib = b.add(ia, b.index(op.getInterleaved() ? 1 : half));
      Value va = load(x, ia), vb = load(x, ib), cos = load(angles, i),
            sin = load(angles, b.add(i, b.index(half)));
      store(b.sub(b.mul(va, cos), b.mul(vb, sin)), out, ia);
      store(b.add(b.mul(vb, cos), b.mul(va, sin)), out, ib);
    });
    b.loop(b.index(dim), b.index(head), 1, [&](Value i) {
      Value at = b.add(first, i);
      store(load(x, at), out, at);
    });
  });
}

void RowOps::copyHeads(Row x, int64_t xHead, int64_t xFirst, Row out,
                       int64_t outHead, int64_t outFirst, int64_t size,
                       int64_t heads) {
  b.loop(zero(), b.index(heads), 1, [&](Value h) {
    Value from = b.add(b.mul(h, b.index(xHead)), b.index(xFirst)),
          to = b.add(b.mul(h, b.index(outHead)), b.index(outFirst));
    elements(size, [&](Value i, int64_t n) {
      storeN(loadN(x, b.add(from, i), n), out, b.add(to, i));
    });
  });
}

void RowOps::emit(SliceHeadsOp op, int64_t) {
  int64_t heads = op.getHeads(), size = op.getSize();
  copyHeads(rows[op.getX()], widthOf(op.getX()) / heads, op.getFirst(),
            rows[op.getResult()], size, 0, size, heads);
}

void RowOps::emit(ConcatHeadsOp op, int64_t) {
  int64_t heads = op.getHeads(), a = widthOf(op.getA()) / heads,
          b = widthOf(op.getB()) / heads;
  Row out = rows[op.getResult()];
  copyHeads(rows[op.getA()], a, 0, out, a + b, 0, a, heads);
  copyHeads(rows[op.getB()], b, 0, out, a + b, a, b, heads);
}

void RowOps::emit(CacheAppendOp op, int64_t width) {
  CacheType cache = op.getCache().getType();
  Values cacheOf = whole[op.getCache()];
  Value keys = cacheOf[0], values = cacheOf[1], slot = whole[op.getSlot()][0];
  Value position = b.toIndex(id(op.getPositions()));
  if (op.getStarts())
    position = b.add(position, b.toIndex(id(op.getStarts())));
  Value block = b.div(position, b.index(cache.getBlock())),
        in = b.rem(position, b.index(cache.getBlock()));
  Row key = rows[op.getKey()], value = rows[op.getValue()];
  // Heads of the slice: it starts where the slice of the whole row does.
  Value head0 = b.div(column, b.index(cache.getDim()));
  b.loop(zero(), b.index(width / cache.getDim()), 1, [&](Value h) {
    b.loop(zero(), b.index(cache.getDim()), 1, [&](Value d) {
      Value i = b.add(b.mul(h, b.index(cache.getDim())), d),
            head = b.add(head0, h);
      b.store(load(key, i), keys, {slot, head, block, d, in});
      b.store(load(value, i), values, {slot, head, position, d});
    });
  });
  whole[op.getResult()] = cacheOf;
}

void RowOps::emit(GLUOp op, int64_t width) {
  Row gate = rows[op.getGate()], up = rows[op.getUp()],
      out = rows[op.getResult()];
  elements(width, [&](Value i, int64_t n) {
    Value g = loadN(gate, i, n), one = b.splat(g.getType(), 1),
          u = loadN(up, i, n), power = g;
    if (ActivationAttr of = op.getActivation(); of.isClamped()) {
      Value most = b.splat(g.getType(), of.getLimitValue()),
            least = b.splat(g.getType(), -of.getLimitValue());
      g = arith::MinimumFOp::create(b, g, most);
      u = arith::MaximumFOp::create(b, arith::MinimumFOp::create(b, u, most),
                                    least);
      u = b.add(u, one);
      power = b.mul(g, b.splat(g.getType(), of.getAlphaValue()));
    }
    Value e = math::ExpOp::create(b, arith::NegFOp::create(b, power));
    storeN(b.mul(b.div(g, b.add(one, e)), u), out, i);
  });
}

/// An upstream elementwise op: itself, on vectors.
void RowOps::elementwise(Operation *op, int64_t width) {
  Row out = rows[op->getResult(0)];
  elements(width, [&](Value i, int64_t n) {
    Values operands;
    for (Value operand : op->getOperands())
      operands.push_back(loadN(rows[operand], i, n));
    OperationState state(b.getLoc(), op->getName(), operands,
                         b.vec(n, b.getF32Type()), op->getAttrs());
    storeN(b.OpBuilder::create(state)->getResult(0), out, i);
  });
}

LogicalResult RowOps::generic(Operation *op, int64_t width) {
  if (!isRowWise(op))
    return op->emitError("unsupported: no emitter for ")
           << op->getName() << " row by row";
  auto leads = [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor && tensor.getRank() ? tensor.getDimSize(0) : 0;
  };
  SmallVector<Value> sliced = slicedOperands(op);
  // Of a slice of columns, only what is sliced is narrower than its buffer.
  auto bufferOf = [&](Value value, bool isSliced) -> Value {
    Row row = rows[value];
    if (isSliced && cast<RankedTensorType>(value.getType()).getRank() == 2)
      return columnsOf(b, row.buffer, row.row, row.first, width);
    return rowOf(b, row.buffer, row.row);
  };
  int64_t tokens = op->getNumResults() ? leads(op->getResult(0).getType()) : 0;
  Values operands, outs;
  for (OpOperand &operand : op->getOpOperands()) {
    Value value = operand.get();
    auto type = dyn_cast<RankedTensorType>(value.getType());
    // What has a row for each of the result's; a static vector of floats is a
    // parameter, the same thing where there is one token.
    bool perToken = type && rows.count(value) && !type.getEncoding() &&
                    leads(type) == tokens &&
                    !(type.getRank() == 1 && type.hasStaticShape() &&
                      isa<FloatType>(type.getElementType()));
    if (!perToken && !whole.count(value))
      return op->emitError("unsupported: no emitter for ")
             << op->getName() << ", and its operand "
             << operand.getOperandNumber() << " is no row";
    Value buffer = perToken ? bufferOf(value, llvm::is_contained(sliced, value))
                            : whole[value][0];
    FailureOr<Value> tensor =
        asTensor(b, op, operand.getOperandNumber(), buffer);
    if (failed(tensor))
      return mlir::failure();
    operands.push_back(*tensor);
  }
  // The destinations come first: temporaries may then lie in them.
  for (Value result : op->getResults()) {
    if (!rows.count(result))
      return op->emitError("unsupported: no emitter for ")
             << op->getName() << ", and it results in " << result.getType();
    outs.push_back(bufferOf(result, !sliced.empty()));
  }
  IRMapping values;
  FailureOr<Values> results = lowerToTensors(b, op, values, operands);
  if (failed(results))
    return mlir::failure();
  for (auto [tensor, out] : llvm::zip(*results, outs))
    if (failed(writeTensor(b, op, tensor, out)))
      return mlir::failure();
  return success();
}
