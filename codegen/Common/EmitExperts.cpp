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
//   that the slot names.
//
// Either way a row's product is the chain of LinearTile over its expert's
// panels, so both forms, and any grouping, make the same bits.
//
//===----------------------------------------------------------------------===//
#include "LinearTile.h"
#include "heddle/codegen/Common/EmitMatmul.h"
#include "heddle/codegen/Common/RowOps.h"
#include <numeric>

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;

static RankedTensorType tensorOf(Value v) {
  return cast<RankedTensorType>(v.getType());
}

Product codegen::productOf(Operation *op) {
  if (auto linear = dyn_cast<LinearOp>(op))
    return {linear.getX(), linear.getWeight()};
  if (auto grouped = dyn_cast<GroupedMatmulOp>(op))
    return {grouped.getX(), grouped.getWeight()};
  if (auto routed = dyn_cast<RoutedMatmulOp>(op))
    return {routed.getX(), routed.getWeight()};
  return {};
}

FailureOr<ExpertParts> codegen::expertPartsOf(KernelOp kernel) {
  ExpertParts parts;
  int64_t panels =
      std::max<int64_t>(1, kernel.getScheduleAttr().get("panels", 1));
  llvm::DenseSet<Value> made;
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    Product product = productOf(&op);
    if (!product) {
      SmallVector<Value> sliced = slicedOperands(&op);
      if (sliceUnit(&op) == 0 || op.getNumResults() != 1 || sliced.empty() ||
          op.getNumOperands() != sliced.size() ||
          !llvm::all_of(sliced, [&](Value v) { return made.contains(v); }))
        return op.emitError("unsupported: ")
               << op.getName() << " in a kernel of experts' products";
      parts.ops.push_back(&op);
      parts.unit = std::lcm(parts.unit, sliceUnit(&op));
      made.insert(op.getResult(0));
      continue;
    }
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
  const ExpertParts &parts;
  const IntegerDot *dot;
  const FloatDot *floatDot;
  int64_t tile, chunks, block, prefetch;
  bool grouped; // else one token, whose slots are the rows
  RowOps ops;
  /// Buffers of results with a row a slot, on the stack, and of weights.
  using Buffers = llvm::DenseMap<Value, Value>;
  Buffers yielded = Buffers(), locals = Buffers(), weights = Buffers();
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
  bool takesCodes(Operation *op) { return rowsOf(op) && rowsOf(op).isCodes(); }
  bool takesPairs(Operation *op) { return rowsOf(op) && !rowsOf(op).isCodes(); }

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

  /// Rows of x from `row` on, times panels of `expert` from column `first` on.
  void product(Operation *op, Value expert, Value first, int64_t width,
               Value row, Value count) {
    PackedAttr packed = packedOf(op);
    auto weight = tensorOf(productOf(op).weight);
    LinearTile linear{b,
                      packed,
                      weights[op->getResult(0)],
                      rowsOf(op),
                      x,
                      weight.getDimSize(2),
                      takesCodes(op) ? dot : nullptr,
                      takesPairs(op) ? floatDot : nullptr,
                      grouped ? 0 : prefetch};
    int64_t rows = packed.getRows(), panels = (width + rows - 1) / rows,
            lanes = linear.lanes();
    Value out = locals[op->getResult(0)],
          panel0 = b.add(b.mul(expert, b.index(packed.getPanels(parts.width))),
                         b.div(first, b.index(rows)));
    b.loop(b.index(0), b.index(panels), 1, [&](Value p) {
      auto tokens = [&](Value at, int64_t chunks, Value t, int64_t n) {
        Values acc =
            linear.emit(b.add(panel0, p), at, chunks, b.add(row, t), n);
        for (int64_t i = 0; i < n; ++i)
          for (int64_t c = 0; c < chunks; ++c)
            b.storeVec(
                acc[i * chunks + c], out,
                {b.add(t, b.index(i)), b.add(b.add(b.mul(p, b.index(rows)), at),
                                             b.index(c * lanes))});
      };
      if (!grouped)
        return tokens(b.index(0), rows / lanes, b.index(0), 1);
      int64_t wide = std::min(chunks, rows / lanes);
      while (rows % (wide * lanes))
        --wide;
      b.loop(b.index(0), b.index(rows), wide * lanes, [&](Value at) {
        // Whole tiles, then halves of them: any count of rows in a few tiles.
        Value done = b.index(0);
        for (int64_t size = tile; size; size /= 2) {
          Value whole = b.sub(count, b.rem(b.sub(count, done), b.index(size)));
          b.loop(done, whole, size,
                 [&](Value t) { tokens(at, wide, t, size); });
          done = whole;
        }
      });
    });
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
      if (!grouped) {
        bool own = cast<MemRefType>(x.getType()).getDimSize(0) != 1;
        return slice(load({b.index(0), group}), first, width,
                     own ? group : b.index(0), group, Value());
      }
      Value begin = load({group}), end = load({b.add(group, b.index(1))});
      b.loop(begin, end, block, [&](Value row) {
        Value count =
            arith::MinSIOp::create(b, b.sub(end, row), b.index(block));
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
  ScheduleAttr schedule = kernel.getScheduleAttr();
  auto dotName = schedule.getOptions().getAs<StringAttr>("dot"),
       floatDotName = schedule.getOptions().getAs<StringAttr>("float_dot");
  int64_t tile = schedule.get("token_tile", 1),
          block = schedule.get("token_block", tile),
          chunks = schedule.get("chunk_tile", 64);
  if (tile < 1 || tile > 64 || block < 1 || block > 256 || chunks < 1 ||
      chunks > 64)
    return kernel.emitError("token_tile = ")
           << tile << ", token_block = " << block << ", chunk_tile = " << chunks
           << ", limit 1 to 64, 1 to 256, 1 to 64";
  block = (block + tile - 1) / tile * tile;
  Operation *any = parts->products.front();
  bool grouped = isa<GroupedMatmulOp>(any);
  ExpertEmitter e{b,
                  *parts,
                  dotName ? integerDots().find(dotName.getValue()) : nullptr,
                  floatDotName ? floatDots().find(floatDotName.getValue())
                               : nullptr,
                  tile,
                  chunks,
                  block,
                  schedule.get("prefetch"),
                  grouped,
                  RowOps(b, schedule)};
  Block &body = kernel.getBody().front();
  llvm::DenseMap<Value, Value> buffers;
  for (auto [arg, buffer] : llvm::zip(body.getArguments(), args))
    buffers[arg] = buffer;
  Product product = productOf(any);
  auto x = tensorOf(product.x);
  int64_t k = tensorOf(product.weight).getDimSize(2);
  for (Value operand : any->getOperands())
    if (!buffers.count(operand))
      return kernel.emitError("unsupported: experts' products of what the "
                              "kernel makes");
  if (!grouped && x.getDimSize(0) != 1)
    return kernel.emitError(
        "unsupported: heddle.routed_matmul of several tokens");
  e.x = e.slotRows(buffers[product.x], x.getDimSize(1) / k);
  e.index = buffers[any->getOperand(2)];
  size_t next = body.getNumArguments();
  for (Value value : body.getTerminator()->getOperands())
    e.yielded[value] =
        e.slotRows(args[next++], tensorOf(value).getDimSize(1) / parts->width);
  // Buffers of a slice: products are whole panels.
  int64_t tokens = grouped ? block : 1;
  for (Operation *op : parts->products) {
    if (failed(checkProduct(kernel, e.packedOf(op), e.rowsOf(op), b.lanes,
                            e.dot, e.floatDot)))
      return mlir::failure();
    e.weights[op->getResult(0)] = buffers[productOf(op).weight];
    int64_t rows = e.packedOf(op).getRows(),
            padded = (parts->unit + rows - 1) / rows * rows;
    e.locals[op->getResult(0)] =
        b.localRows(RankedTensorType::get({1, padded}, b.getF32Type()), tokens);
  }
  for (Operation *op : parts->ops)
    if (Value value = op->getResult(0); !e.yielded.count(value))
      e.locals[value] =
          b.localRows(tensorOf(value).clone({1, parts->unit}), tokens);
  items([&](Value index) { e.item(index); });
  return e.result;
}
