//===- EmitExperts.cpp - Products with the weights of experts -------------===//
//
// A kernel is one or more products of the same rows with stacked weights
// ([E, N, K], the panels of one expert after those of the one before), and
// row-wise ops on what they make (activation, conversion). An item is a slice
// of the columns of one group of rows:
//
// - of a grouped_matmul, the rows of one expert, from its offset to the next;
//   an expert without rows has items that end at once;
// - of a routed_matmul, which is of one token, one slot's row and the expert
//   that the slot names; or, where a combine follows, all slots' rows, whose
//   weighed sum stays in the nearest cache.
//
// A route before is computed by every thread, which then has the experts'
// weights fetched where they may be elsewhere.
//
// Either way a row's product is the chain of LinearTile over its expert's
// panels, and then its bias, so both forms, and any grouping, make the same
// bits.
//
//===----------------------------------------------------------------------===//
#include "LinearTile.h"
#include "heddle/codegen/Common/EmitMatmul.h"
#include "heddle/codegen/Common/RowOps.h"
#include "heddle/dialects/HeddleRT/HeddleRT.h"
#include <numeric>

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;

static RankedTensorType tensorOf(Value v) {
  return cast<RankedTensorType>(v.getType());
}

Product codegen::productOf(Operation *op) {
  if (auto linear = dyn_cast<LinearOp>(op))
    return {linear.getX(), linear.getWeight(), linear.getBias()};
  if (auto grouped = dyn_cast<GroupedMatmulOp>(op))
    return {grouped.getX(), grouped.getWeight(), grouped.getBias()};
  if (auto routed = dyn_cast<RoutedMatmulOp>(op))
    return {routed.getX(), routed.getWeight(), routed.getBias()};
  return {};
}

FailureOr<ExpertParts> codegen::expertPartsOf(KernelOp kernel) {
  ExpertParts parts;
  int64_t panels =
      std::max<int64_t>(1, kernel.getScheduleAttr().get("panels", 1));
  llvm::DenseSet<Value> made;
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    if (auto route = dyn_cast<RouterOpInterface>(op); route && made.empty()) {
      parts.route = route;
      continue;
    }
    if (auto fetch = dyn_cast<FetchOp>(op);
        fetch && parts.products.empty() && !parts.fetch) {
      parts.fetch = fetch;
      continue;
    }
    if (auto combine = dyn_cast<CombineOp>(op);
        combine && parts.ops.empty() && parts.products.size() == 1 &&
        !parts.combine && isa<RoutedMatmulOp>(parts.products[0]) &&
        made.contains(combine.getYs()) && !combine.getPosition()) {
      parts.combine = combine;
      made = {combine.getResult()};
      continue;
    }
    Product product = productOf(&op);
    if (!product) {
      // After a sum, rows of the token may come from elsewhere.
      SmallVector<Value> sliced = slicedOperands(&op);
      auto known = [&](Value v) { return made.contains(v); };
      if (sliceUnit(&op) == 0 || op.getNumResults() != 1 || sliced.empty() ||
          op.getNumOperands() != sliced.size() ||
          !(parts.combine ? llvm::any_of(sliced, known)
                          : llvm::all_of(sliced, known)))
        return op.emitError("unsupported: ")
               << op.getName() << " in a kernel of experts' products";
      parts.ops.push_back(&op);
      parts.unit = std::lcm(parts.unit, sliceUnit(&op));
      made.insert(op.getResult(0));
      continue;
    }
    if (parts.combine || !parts.ops.empty())
      return op.emitError("unsupported: a product after what follows another");
    auto packed = encodingOf<PackedAttr>(product.weight);
    Operation *first = parts.products.empty() ? &op : parts.products.front();
    Product other = productOf(first);
    if (!packed || isa<LinearOp>(op) || op.getName() != first->getName() ||
        product.x != other.x || op.getOperand(2) != first->getOperand(2) ||
        tensorOf(product.weight).getShape() !=
            tensorOf(other.weight).getShape())
      return op.emitError("unsupported: products of experts in one kernel "
                          "that differ, or whose weight is not packed");
    parts.products.push_back(&op);
    parts.unit = std::lcm(parts.unit, packed.getRows() * panels);
    made.insert(op.getResult(0));
  }
  if (parts.products.empty())
    return kernel.emitError("a kernel of experts needs a product");
  Operation *first = parts.products.front();
  auto weight = tensorOf(productOf(first).weight);
  parts.width = weight.getDimSize(1);
  parts.groups = isa<GroupedMatmulOp>(first)
                     ? weight.getDimSize(0)
                     : tensorOf(first->getOperand(2)).getDimSize(1);
  for (Operation *op : parts.ops)
    if (parts.width % sliceUnit(op))
      return op->emitError("unsupported: units of ")
             << sliceUnit(op) << " across experts' rows of " << parts.width;
  parts.unit = std::min(parts.unit, parts.width);
  return parts;
}

namespace {
struct ExpertEmitter {
  KernelBuilder &b;
  ExpertParts &parts;
  const ProductSchedule &schedule;
  bool grouped; // else one token, whose slots are the rows
  RowOps ops;
  /// Buffers of results with a row a slot, on the stack, and of weights.
  using Buffers = llvm::DenseMap<Value, Value>;
  Buffers yielded = Buffers(), locals = Buffers(), weights = Buffers();
  /// Of the kernel's inputs.
  Buffers buffers = Buffers();
  // Rows a slot, or the token's; offsets, or ids.
  Value x = Value(), index = Value();
  LogicalResult result = success();

  using Values = KernelBuilder::Values;

  PackedAttr packedOf(Operation *op) {
    return encodingOf<PackedAttr>(productOf(op).weight);
  }
  RowsAttr rowsOf(Operation *op) {
    return encodingOf<RowsAttr>(productOf(op).x);
  }

  /// The buffer [T, k * width] as [T * k, width]: a row a slot.
  Value slotRows(Value buffer, int64_t k) {
    auto type = cast<MemRefType>(buffer.getType());
    SmallVector<int64_t> shape(type.getShape()), flat(shape);
    if (k == 1)
      return buffer;
    shape[1] /= k;
    flat[1] = shape[1];
    flat[0] = type.isDynamicDim(0) ? ShapedType::kDynamic : shape[0] * k;
    shape.insert(shape.begin() + 1, k);
    SmallVector<OpFoldResult> sizes = {b.dim(buffer, 0)};
    if (!type.isDynamicDim(0))
      sizes[0] = b.getIndexAttr(type.getDimSize(0));
    for (int64_t size : ArrayRef<int64_t>(shape).drop_front())
      sizes.push_back(b.getIndexAttr(size));
    SmallVector<ReassociationIndices> expand = {{0}, {1, 2}},
                                      collapse = {{0, 1}, {2}};
    if (type.getRank() == 3) {
      expand.push_back({3});
      collapse.push_back({3});
    }
    Value split = memref::ExpandShapeOp::create(
        b, MemRefType::get(shape, type.getElementType()), buffer, expand,
        sizes);
    return memref::CollapseShapeOp::create(b, split, collapse);
  }

  /// Rows of x from `row` on, times panels of `expert` from column `first` on,
  /// and the bias of these columns.
  void product(Operation *op, Value expert, Value first, int64_t width,
               Value row, Value count) {
    PackedAttr packed = packedOf(op);
    auto weight = tensorOf(productOf(op).weight);
    int64_t rows = packed.getRows(), panels = packed.getPanels(parts.width),
            k = weight.getDimSize(2);
    Value matrix = weights[op->getResult(0)],
          panel = b.div(first, b.index(rows));
    if (packed.getTable())
      matrix = rt::ExpertOp::create(b, matrixBuffer(packed, panels, k), matrix,
                                    expert);
    else
      panel = b.add(b.mul(expert, b.index(panels)), panel);
    LinearTile linear(b, schedule, packed, matrix, rowsOf(op), x, k);
    linear.multiply(panel, (width + rows - 1) / rows, row,
                    grouped ? count : Value(), locals[op->getResult(0)]);
    Value bias = buffers.lookup(productOf(op).bias);
    if (!bias)
      return;
    auto add = [&](Value i) {
      Row made = {locals[op->getResult(0)], i, b.index(0)};
      ops.elements(width, [&](Value at, int64_t n) {
        Value of = b.loadVec(bias, {expert, b.add(first, at)}, n);
        ops.storeN(b.add(ops.loadN(made, at, n), of), made, at);
      });
    };
    if (!grouped)
      return add(b.index(0));
    b.loop(b.index(0), count, 1, add);
  }

  /// Adds slot `slot`'s product, weighed, to the sum. The same operations as
  /// RowOps' combine, in the same order.
  void accumulate(int64_t width, Value slot) {
    Value from = locals[parts.products[0]->getResult(0)], sum = sumBuffer(),
          zero = b.index(0);
    Value weight = b.load(buffers[parts.combine.getWeights()], {zero, slot});
    auto each = [&](bool first) {
      ops.elements(width, [&](Value i, int64_t n) {
        Value y = b.loadVec(from, {zero, i}, n),
              w = b.broadcast(weight, cast<VectorType>(y.getType()));
        b.storeVec(first ? b.mul(w, y)
                         : b.fma(w, y, b.loadVec(sum, {zero, i}, n)),
                   sum, {zero, i});
      });
    };
    Value isFirst =
        arith::CmpIOp::create(b, arith::CmpIPredicate::eq, slot, zero);
    b.branch(isFirst, [&] { each(true); }, [&] { each(false); });
  }
  Value sumBuffer() { return locals[parts.combine.getResult()]; }

  /// Every slot of the token, then what follows their sum.
  void sumOfSlots(Value first, int64_t width) {
    bool own = cast<MemRefType>(x.getType()).getDimSize(0) != 1;
    Value zero = b.index(0);
    b.loop(zero, b.index(parts.groups), 1, [&](Value slot) {
      Value expert = b.toIndex(b.load(index, {zero, slot}));
      product(parts.products[0], expert, first, width, own ? slot : zero,
              Value());
      accumulate(width, slot);
    });
    Value sum = parts.combine.getResult();
    ops.rows[sum] = {sumBuffer(), zero, zero};
    if (Value out = yielded.lookup(sum))
      ops.elements(width, [&](Value i, int64_t n) {
        ops.storeN(ops.loadN(ops.rows[sum], i, n), {out, zero, first}, i);
      });
    for (Operation *op : parts.ops) {
      for (Value operand : op->getOperands())
        if (!ops.rows.count(operand) || buffers.count(operand))
          ops.rows[operand] = {buffers[operand], zero, first};
      Value made = op->getResult(0), out = yielded.lookup(made);
      ops.rows[made] =
          out ? Row{out, zero, first} : Row{locals[made], zero, zero};
      if (succeeded(result))
        result = ops.emit(op, width);
    }
  }

  /// What follows the products of one row.
  void follow(Value first, int64_t width, Value row, Value inBlock) {
    auto rowOf = [&](Value v) {
      auto it = locals.find(v);
      return it != locals.end() ? Row{it->second, inBlock, b.index(0)}
                                : Row{yielded[v], row, first};
    };
    for (Operation *op : parts.products) {
      Value v = op->getResult(0);
      ops.rows[v] = rowOf(v);
      if (Value out = yielded.lookup(v))
        ops.elements(width, [&](Value i, int64_t n) {
          ops.storeN(ops.loadN(ops.rows[v], i, n), {out, row, first}, i);
        });
    }
    for (Operation *op : parts.ops) {
      ops.rows[op->getResult(0)] = rowOf(op->getResult(0));
      if (succeeded(result))
        result = ops.emit(op, width);
    }
  }

  void slice(Value expert, Value first, int64_t width, Value xRow, Value row,
             Value count) {
    for (Operation *op : parts.products)
      product(op, expert, first, width, xRow, count);
    if (!grouped)
      return follow(first, width, row, b.index(0));
    b.loop(b.index(0), count, 1,
           [&](Value i) { follow(first, width, b.add(row, i), i); });
  }

  void item(Value item) {
    Value group = b.div(item, b.index(parts.slices())),
          at = b.rem(item, b.index(parts.slices()));
    Value first = b.mul(at, b.index(parts.unit));
    auto load = [&](Values where) { return b.toIndex(b.load(index, where)); };
    auto rows = [&](int64_t width) {
      if (parts.combine)
        return sumOfSlots(first, width);
      if (!grouped) {
        bool own = cast<MemRefType>(x.getType()).getDimSize(0) != 1;
        return slice(load({b.index(0), group}), first, width,
                     own ? group : b.index(0), group, Value());
      }
      Value begin = load({group}), end = load({b.add(group, b.index(1))});
      b.loop(begin, end, schedule.block, [&](Value row) {
        Value count =
            arith::MinSIOp::create(b, b.sub(end, row), b.index(schedule.block));
        slice(group, first, width, row, row, count);
      });
    };
    int64_t tail = parts.width % parts.unit;
    if (!tail)
      return rows(parts.unit);
    Value isLast = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, at,
                                         b.index(parts.slices() - 1));
    b.branch(isLast, [&] { rows(tail); }, [&] { rows(parts.unit); });
  }
};
} // namespace

LogicalResult codegen::emitExperts(KernelBuilder &b, KernelOp kernel,
                                   ItemLoop items, ValueRange args) {
  auto parts = expertPartsOf(kernel);
  if (failed(parts))
    return mlir::failure();
  auto schedule = ProductSchedule::of(kernel);
  if (failed(schedule))
    return mlir::failure();
  Operation *any = parts->products.front();
  bool grouped = isa<GroupedMatmulOp>(any);
  ExpertEmitter e{b, *parts, *schedule, grouped,
                  RowOps(b, kernel.getScheduleAttr())};
  Block &body = kernel.getBody().front();
  for (auto [arg, buffer] : llvm::zip(body.getArguments(), args)) {
    if (isa<CacheType>(arg.getType())) // which is two buffers
      return kernel.emitError("unsupported: a cache in a kernel of experts");
    e.buffers[arg] = buffer;
    e.ops.whole[arg] = {buffer};
  }
  // What is yielded as the kernel made it, before slots become rows.
  llvm::DenseMap<Value, Value> outs;
  for (auto [value, buffer] :
       llvm::zip(body.getTerminator()->getOperands(),
                 args.drop_front(body.getNumArguments())))
    outs[value] = buffer;
  if (RouterOpInterface route = parts->route) {
    if (tensorOf(route.getLogits()).getDimSize(0) != 1 ||
        !llvm::all_of(route->getOperands(),
                      [&](Value v) { return e.buffers.count(v) != 0; }))
      return route.emitError(
          "unsupported: the routing of several tokens in a kernel of experts");
    // Every thread writes what is yielded, so only what is final: a lowering to
    // linalg may keep something else in its destination meanwhile.
    for (Value result : route->getResults())
      e.buffers[result] = b.localRows(tensorOf(result), 1);
    for (Value v : {route.getLogits(), route.getIds(), route.getWeights()})
      e.ops.rows[v] = {e.buffers[v], b.index(0), b.index(0)};
    if (failed(e.ops.emit(route.getOperation(), 1)))
      return mlir::failure();
    for (Value result : route->getResults())
      if (Value out = outs.lookup(result))
        b.loop(b.index(0), b.index(tensorOf(result).getDimSize(1)), 1,
               [&](Value s) {
                 b.store(b.load(e.buffers[result], {b.index(0), s}), out,
                         {b.index(0), s});
               });
  }
  if (FetchOp fetch = parts->fetch) {
    if (!e.buffers.count(fetch.getChosen()))
      return fetch.emitError("unsupported: experts that the kernel chooses");
    for (Value weight : fetch.getWeights())
      rt::FetchOp::create(b, e.buffers[weight], e.buffers[fetch.getChosen()],
                          fetch.isGrouped());
  }
  Product product = productOf(any);
  auto x = tensorOf(product.x);
  int64_t k = tensorOf(product.weight).getDimSize(2);
  auto isThere = [&](Value v) { return e.buffers.count(v) != 0; };
  if (!llvm::all_of(any->getOperands(), isThere) ||
      (parts->combine && !isThere(parts->combine.getWeights())))
    return kernel.emitError("unsupported: experts' products of what the "
                            "kernel makes");
  for (Operation *op : parts->products)
    if (Product of = productOf(op);
        !isThere(of.weight) || (of.bias && !isThere(of.bias)))
      return op->emitError("unsupported: a weight that is no parameter");
  if (!grouped && x.getDimSize(0) != 1)
    return kernel.emitError(
        "unsupported: heddle.routed_matmul of several tokens");
  e.x = e.slotRows(e.buffers[product.x], x.getDimSize(1) / k);
  e.index = e.buffers[any->getOperand(2)];
  for (auto [value, buffer] : outs)
    if (!parts->route || value.getDefiningOp() != parts->route)
      e.yielded[value] = e.slotRows(
          buffer,
          parts->combine ? 1 : tensorOf(value).getDimSize(1) / parts->width);
  if (parts->combine)
    for (Operation *op : parts->ops)
      for (Value operand : op->getOperands())
        if (!isThere(operand) && operand.getDefiningOp() != parts->combine &&
            !llvm::is_contained(parts->ops, operand.getDefiningOp()))
          return op->emitError("unsupported: an operand of ")
                 << op->getName() << " in a kernel of experts";
  // Buffers of a slice: products are whole panels.
  int64_t tokens = grouped ? schedule->block : 1;
  for (Operation *op : parts->products) {
    if (failed(checkProduct(kernel, e.packedOf(op), e.rowsOf(op), b.lanes,
                            *schedule)))
      return mlir::failure();
    e.weights[op->getResult(0)] = e.buffers[productOf(op).weight];
    int64_t rows = e.packedOf(op).getRows(),
            padded = (parts->unit + rows - 1) / rows * rows;
    e.locals[op->getResult(0)] =
        b.localRows(RankedTensorType::get({1, padded}, b.getF32Type()), tokens);
  }
  if (parts->combine)
    e.locals[parts->combine.getResult()] =
        b.localRows(RankedTensorType::get({1, parts->unit}, b.getF32Type()), 1);
  for (Operation *op : parts->ops)
    if (Value value = op->getResult(0); !e.yielded.count(value))
      e.locals[value] =
          b.localRows(tensorOf(value).clone({1, parts->unit}), tokens);
  items([&](Value index) { e.item(index); });
  return e.result;
}
