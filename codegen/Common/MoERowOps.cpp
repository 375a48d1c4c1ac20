//===- MoERowOps.cpp - Routing, row by row, and the plan ------------------===//
#include "heddle/codegen/Common/RowOps.h"
#include <cmath>

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;
using Values = KernelBuilder::Values;

static int64_t widthOf(Value v) {
  return cast<RankedTensorType>(v.getType()).getDimSize(1);
}

/// `count` elements on the stack, made at the function's entry.
static Value scratch(KernelBuilder &b, int64_t count, Type elem) {
  OpBuilder::InsertionGuard guard(b);
  auto func = b.getInsertionBlock()->getParentOp();
  if (!isa<func::FuncOp>(func))
    func = func->getParentOfType<func::FuncOp>();
  b.setInsertionPointToStart(&func->getRegion(0).front());
  return memref::AllocaOp::create(b, MemRefType::get({count}, elem),
                                  b.getI64IntegerAttr(64));
}

static Value compare(KernelBuilder &b, arith::CmpIPredicate is, Value x,
                     Value y) {
  return arith::CmpIOp::create(b, is, x, y);
}
static Value select(KernelBuilder &b, Value c, Value x, Value y) {
  return arith::SelectOp::create(b, c, x, y);
}
static Value sigmoid(KernelBuilder &b, Value v) {
  Value one = b.splat(v.getType(), 1);
  Value e = math::ExpOp::create(b, arith::NegFOp::create(b, v));
  return b.div(one, b.add(one, e));
}

/// sqrt(log(1 + e^v)): the larger of v and 0, and log(1 + u), u = e^-|v|, whose
/// series 2 artanh(s) of s = u / (2 + u) <= 1/3 is exact to f32 from s^17 on.
/// No logarithm is called.
static Value sqrtSoftplus(KernelBuilder &b, Value v) {
  auto c = [&](double value) { return b.splat(v.getType(), value); };
  Value u = math::ExpOp::create(
      b, arith::NegFOp::create(b, math::AbsFOp::create(b, v)));
  Value s = b.div(u, b.add(c(2), u)), s2 = b.mul(s, s), sum = c(2.0 / 15);
  for (int power = 13; power > 0; power -= 2)
    sum = b.fma(sum, s2, c(2.0 / power));
  Value positive = arith::MaximumFOp::create(b, v, c(0));
  return math::SqrtOp::create(b, b.fma(sum, s, positive));
}

Value RowOps::reduce(int64_t width, double init,
                     llvm::function_ref<Value(Value, Value, int64_t)> step,
                     llvm::function_ref<Value(Value)> tree) {
  int64_t vectors = width - width % b.lanes;
  Value acc = b.loop(
      zero(), b.index(vectors), b.lanes, {b.splat(b.f32s(), init)},
      [&](Value i, Values s) -> Values { return {step(s[0], i, b.lanes)}; })[0];
  VectorType one = b.vec(1, b.getF32Type());
  Value rest = b.loop(
      b.index(vectors), b.index(width), 1, {b.broadcast(tree(acc), one)},
      [&](Value i, Values s) -> Values { return {step(s[0], i, 1)}; })[0];
  return vector::ExtractOp::create(b, rest, 0);
}

/// The numbers of the `count` largest of `n` values, largest first and the
/// lower of equal ones first: `put(s, number)`. `taken` (i32, n) is 1 for those
/// afterwards. Any values, NaN among them, give `count` different numbers.
static void selectLargest(KernelBuilder &b, Value values, Value taken,
                          int64_t n, int64_t count,
                          llvm::function_ref<void(Value, Value)> put) {
  b.loop(b.index(0), b.index(n), 1,
         [&](Value i) { b.store(b.i32(0), taken, {i}); });
  b.loop(b.index(0), b.index(count), 1, [&](Value s) {
    Value none = b.index(n);
    Value best = b.loop(
        b.index(0), b.index(n), 1, {b.f32(-INFINITY), none},
        [&](Value i, Values so) -> Values {
          Value v = b.load(values, {i});
          Value isFree = compare(b, arith::CmpIPredicate::eq,
                                 b.load(taken, {i}), b.i32(0)),
                first = compare(b, arith::CmpIPredicate::eq, so[1], none);
          Value more =
              arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, v, so[0]);
          Value take = arith::AndIOp::create(
              b, isFree, arith::OrIOp::create(b, first, more));
          return {select(b, take, v, so[0]), select(b, take, i, so[1])};
        })[1];
    b.store(b.i32(1), taken, {best});
    put(s, best);
  });
}

/// What there is no buffer to read from.
LogicalResult RowOps::checkRowOp(Operation *op) {
  if (isa<DispatchOp, CombineOp>(op) && !whole.count(op->getOperand(0)))
    return op->emitError("unsupported: ")
           << op->getName() << " of rows that its kernel makes";
  return success();
}

void RowOps::emit(RouteOp op, int64_t) {
  RouterAttr router = op.getRouter();
  int64_t experts = widthOf(op.getLogits()), k = router.getK();
  Row z = rows[op.getLogits()], ids = rows[op.getIds()],
      weights = rows[op.getWeights()];
  Type f32 = b.getF32Type(), i32 = b.getI32Type();
  Value score = scratch(b, experts, f32), taken = scratch(b, experts, i32);
  auto put = [&](Value v, Value buffer, Value i) {
    b.storeVec(v, buffer, {i});
  };

  if (router.getScore() == "softmax") {
    Value most = reduce(
        experts, -INFINITY,
        [&](Value acc, Value i, int64_t n) -> Value {
          return arith::MaximumFOp::create(b, acc, loadN(z, i, n));
        },
        [&](Value v) { return b.maxTree(v); });
    Value sum = reduce(
        experts, 0,
        [&](Value acc, Value i, int64_t n) -> Value {
          Value v = loadN(z, i, n);
          Value e = math::ExpOp::create(
              b, b.sub(v, b.broadcast(most, cast<VectorType>(v.getType()))));
          put(e, score, i);
          return b.add(acc, e);
        },
        [&](Value v) { return b.sumTree(v); });
    elements(experts, [&](Value i, int64_t n) {
      Value e = b.loadVec(score, {i}, n);
      put(b.div(e, b.broadcast(sum, cast<VectorType>(e.getType()))), score, i);
    });
  } else {
    elements(experts, [&](Value i, int64_t n) {
      Value v = loadN(z, i, n);
      put(router.getScore() == "sigmoid"         ? sigmoid(b, v)
          : router.getScore() == "sqrt_softplus" ? sqrtSoftplus(b, v)
                                                 : v,
          score, i);
    });
  }

  // What selection goes by.
  Value by = score;
  int64_t groups = router.getGroups(), size = experts / groups;
  if (op.getSelectBias() || groups > 1) {
    by = scratch(b, experts, f32);
    Value bias = op.getSelectBias() ? whole[op.getSelectBias()][0] : Value();
    elements(experts, [&](Value i, int64_t n) {
      Value v = b.loadVec(score, {i}, n);
      put(bias ? b.add(v, b.loadVec(bias, {i}, n)) : v, by, i);
    });
  }
  if (groups > 1) {
    Value of = scratch(b, groups, f32), kept = scratch(b, groups, i32);
    b.loop(zero(), b.index(groups), 1, [&](Value g) {
      // The two largest.
      Values two =
          b.loop(zero(), b.index(size), 1, {b.f32(-INFINITY), b.f32(-INFINITY)},
                 [&](Value i, Values so) -> Values {
                   Value v = b.load(by, {b.add(b.mul(g, b.index(size)), i)});
                   Value low = arith::MinimumFOp::create(b, so[0], v);
                   return {arith::MaximumFOp::create(b, so[0], v),
                           arith::MaximumFOp::create(b, so[1], low)};
                 });
      b.store(router.getReduce() == "max" ? two[0] : b.add(two[0], two[1]), of,
              {g});
    });
    selectLargest(b, of, kept, groups, router.getKeep(), [](Value, Value) {});
    Value fill = b.f32(router.getFill() == "zero" ? 0 : -INFINITY);
    b.loop(zero(), b.index(experts), 1, [&](Value i) {
      Value stays = compare(b, arith::CmpIPredicate::ne,
                            b.load(kept, {b.div(i, b.index(size))}), b.i32(0));
      b.store(select(b, stays, b.load(by, {i}), fill), by, {i});
    });
  }

  // The k weights, in the order of the slots. What is stored is final: every
  // thread of a kernel may compute the same token.
  Value w = scratch(b, k, f32);
  selectLargest(b, by, taken, experts, k, [&](Value s, Value e) {
    store(arith::IndexCastOp::create(b, i32, e), ids, s);
    b.store(b.load(score, {e}), w, {s});
  });
  auto each = [&](double init,
                  llvm::function_ref<Value(Value acc, Value s)> step) {
    return b.loop(
        zero(), b.index(k), 1, {b.f32(init)},
        [&](Value s, Values acc) -> Values { return {step(acc[0], s)}; })[0];
  };
  if (router.getPost() == "softmax") {
    Value most = each(-INFINITY, [&](Value acc, Value s) -> Value {
      return arith::MaximumFOp::create(b, acc, b.load(w, {s}));
    });
    Value sum = each(0, [&](Value acc, Value s) {
      Value e = math::ExpOp::create(b, b.sub(b.load(w, {s}), most));
      b.store(e, w, {s});
      return b.add(acc, e);
    });
    b.loop(zero(), b.index(k), 1,
           [&](Value s) { b.store(b.div(b.load(w, {s}), sum), w, {s}); });
  }
  Value sum = each(0, [&](Value acc, Value s) {
    Value v = b.load(w, {s});
    if (router.getPost() == "sigmoid") {
      v = sigmoid(b, v);
      b.store(v, w, {s});
    }
    return b.add(acc, v);
  });
  Value eps = b.f32(router.getEpsValue()), by1;
  if (router.getNorm() == "sum")
    by1 = b.add(sum, eps);
  else if (router.getNorm() == "clamp_min")
    by1 = arith::MaximumFOp::create(b, sum, eps);
  b.loop(zero(), b.index(k), 1, [&](Value s) {
    Value v = b.load(w, {s});
    if (by1)
      v = b.div(v, by1);
    if (router.getScaleValue() != 1)
      v = b.mul(v, b.f32(router.getScaleValue()));
    store(v, weights, s);
  });
}

void RowOps::emit(DispatchOp op, int64_t) {
  int64_t k = widthOf(op.getOrder());
  Row order = rows[op.getOrder()], out = rows[op.getResult()];
  Value x = whole[op.getX()][0];
  auto type = cast<MemRefType>(x.getType());
  int64_t width = type.getDimSize(1);
  b.loop(zero(), b.index(k), 1, [&](Value s) {
    Value from = b.div(b.toIndex(load(order, s)), b.index(k)),
          at = b.mul(s, b.index(width));
    if (type.getRank() == 2)
      return elements(width, [&](Value i, int64_t n) {
        b.storeVec(b.loadVec(x, {from, i}, n), out.buffer,
                   {out.row, b.add(at, i)});
      });
    // Groups of bytes (#heddle.rows).
    b.loop(zero(), b.index(width), 1, [&](Value g) {
      b.storeVec(b.loadVec(x, {from, g, zero()}, type.getDimSize(2)),
                 out.buffer, {out.row, b.add(at, g), zero()});
    });
  });
}

void RowOps::emit(CombineOp op, int64_t width) {
  int64_t k = widthOf(op.getWeights());
  Row weights = rows[op.getWeights()], out = rows[op.getResult()];
  Value ys = rows[op.getYs()].buffer;
  // Weights and rows once, in registers or on the stack as the back end likes.
  SmallVector<Value> of;
  SmallVector<Row> from;
  for (int64_t s = 0; s < k; ++s) {
    of.push_back(load(weights, b.index(s)));
    Value row = out.row, slot = b.index(s);
    if (op.getPosition()) {
      Value r = b.toIndex(load(rows[op.getPosition()], slot));
      row = b.div(r, b.index(k));
      slot = b.rem(r, b.index(k));
    }
    from.push_back({ys, row, b.mul(slot, b.index(width))});
  }
  elements(width, [&](Value i, int64_t n) {
    Value sum;
    for (int64_t s = 0; s < k; ++s) {
      Value y = loadN(from[s], i, n),
            w = b.broadcast(of[s], cast<VectorType>(y.getType()));
      sum = sum ? b.fma(w, y, sum) : b.mul(w, y);
    }
    storeN(sum, out, i);
  });
}

void RowOps::emit(GateRowsOp op, int64_t width) {
  Row x = rows[op.getX()], by = rows[op.getBy()], out = rows[op.getResult()];
  Value weight = whole[op.getWeight()][0];
  Value logit = reduce(
      widthOf(op.getBy()), 0,
      [&](Value acc, Value i, int64_t n) {
        return b.fma(loadN(by, i, n), b.loadVec(weight, {i}, n), acc);
      },
      [&](Value v) { return b.sumTree(v); });
  Value gate = sigmoid(b, logit);
  elements(width, [&](Value i, int64_t n) {
    Value v = loadN(x, i, n);
    storeN(b.mul(v, b.broadcast(gate, cast<VectorType>(v.getType()))), out, i);
  });
}

LogicalResult codegen::emitPlan(KernelBuilder &b, KernelOp kernel,
                                ItemLoop items, ValueRange args) {
  Block &body = kernel.getBody().front();
  auto plan = dyn_cast<PlanOp>(body.front());
  if (!plan || body.getOperations().size() != 2 || args.size() != 4 ||
      body.getTerminator()->getOperands() != plan->getResults())
    return kernel.emitError("unsupported: a plan with other ops");
  Value ids = args[0], order = args[1], position = args[2], offsets = args[3];
  int64_t experts = plan.getExperts(), k = widthOf(plan.getIds());
  Value zero = b.index(0), one = b.index(1);
  auto add = [&](Value i, Value v) {
    b.store(b.add(b.load(offsets, {i}), v), offsets, {i});
  };
  items([&](Value) {
    auto slots = [&](llvm::function_ref<void(Value, Value, Value)> body) {
      b.loop(zero, b.dim(ids, 0), 1, [&](Value t) {
        b.loop(zero, b.index(k), 1,
               [&](Value s) { body(t, s, b.toIndex(b.load(ids, {t, s}))); });
      });
    };
    b.loop(zero, b.index(experts + 1), 1,
           [&](Value e) { b.store(b.i32(0), offsets, {e}); });
    slots([&](Value, Value, Value e) { add(b.add(e, one), b.i32(1)); });
    b.loop(one, b.index(experts + 1), 1,
           [&](Value e) { add(e, b.load(offsets, {b.sub(e, one)})); });
    // Each expert's offset moves to its end, which is where the next starts.
    slots([&](Value t, Value s, Value e) {
      Value r = b.load(offsets, {e}), row = b.toIndex(r);
      b.store(r, position, {t, s});
      Value slot = arith::IndexCastOp::create(b, b.getI32Type(),
                                              b.add(b.mul(t, b.index(k)), s));
      b.store(slot, order, {b.div(row, b.index(k)), b.rem(row, b.index(k))});
      add(e, b.i32(1));
    });
    b.loop(zero, b.index(experts), 1, [&](Value i) {
      Value e = b.sub(b.index(experts), i);
      b.store(b.load(offsets, {b.sub(e, one)}), offsets, {e});
    });
    b.store(b.i32(0), offsets, {zero});
  });
  return success();
}
