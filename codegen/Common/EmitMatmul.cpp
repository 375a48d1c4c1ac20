//===- EmitMatmul.cpp - Matrix products with what comes before and after --===//
//
// A kernel is, in order: ops that make whole rows (a norm, a conversion),
// computed once a call by every thread; products of those rows with packed
// weights; and row-wise ops on what the products make. Products and ops that
// feed each other make a space of columns (q with its rotation; k and v up to
// the cache; gate and up with the activation), and an item is a slice of the
// columns of one space: panels of rows of each of its weights. The products of
// a slice and of a block of tokens go to a buffer on the stack; what follows
// reads them there.
//
// A panel stays in the nearest cache while the block's tokens pass. Sums do not
// depend on items, blocks or tiles (LinearTile.h).
//
//===----------------------------------------------------------------------===//
#include "heddle/codegen/Common/EmitMatmul.h"
#include "LinearTile.h"
#include "heddle/codegen/Common/RowOps.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include <numeric>

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;

static int64_t widthOf(Value v) {
  return cast<RankedTensorType>(v.getType()).getDimSize(1);
}
static PackedAttr packedOf(LinearOp op) {
  return encodingOf<PackedAttr>(op.getWeight());
}

FailureOr<MatmulParts> codegen::partsOf(KernelOp kernel) {
  MatmulParts parts;
  int64_t panels =
      std::max<int64_t>(1, kernel.getScheduleAttr().get("panels", 1));
  llvm::EquivalenceClasses<Operation *> classes;
  llvm::DenseMap<Value, Operation *>
      madeBy; // by products and what follows them
  SmallVector<Operation *> ops;
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    auto linear = dyn_cast<LinearOp>(op);
    bool follows = llvm::any_of(op.getOperands(),
                                [&](Value v) { return madeBy.count(v); });
    if (!linear && !follows) {
      parts.prologue.push_back(&op);
      continue;
    }
    if (linear && (follows || !packedOf(linear)))
      return op.emitError("unsupported: a kernel with a product of a product, "
                          "or of a weight that is not packed");
    if (!linear &&
        (sliceUnit(&op) == 0 ||
         (op.getNumResults() &&
          isa<RankedTensorType>(op.getResult(0).getType()) &&
          widthOf(op.getResult(0)) != widthOf(slicedOperands(&op)[0]))))
      return op.emitError("unsupported: ")
             << op.getName() << " after a product, which needs whole rows";
    classes.insert(&op);
    ops.push_back(&op);
    if (!linear)
      for (Value operand : slicedOperands(&op))
        if (auto it = madeBy.find(operand); it != madeBy.end())
          classes.unionSets(it->second, &op);
    for (Value result : op.getResults())
      if (!isa<CacheType>(result.getType()))
        madeBy[result] = &op;
  }
  llvm::MapVector<Operation *, MatmulParts::Space> spaces;
  for (Operation *op : ops) {
    MatmulParts::Space &space = spaces[classes.getLeaderValue(op)];
    int64_t unit = 1;
    if (auto linear = dyn_cast<LinearOp>(op)) {
      space.linears.push_back(linear);
      unit = packedOf(linear).getRows() * panels;
      space.width = widthOf(op->getResult(0));
    } else {
      space.ops.push_back(op);
      unit = sliceUnit(op);
    }
    space.unit = std::lcm(space.unit, unit);
  }
  for (auto &[leader, space] : spaces) {
    space.unit = std::min(space.unit, space.width);
    // A slice starts at a panel.
    for (LinearOp linear : space.linears)
      if (space.unit != space.width && space.unit % packedOf(linear).getRows())
        space.unit = space.width;
    // And lies within one head.
    for (LinearOp linear : space.linears) {
      int64_t head = space.width / linear.getMatrices();
      if (head % space.unit == 0 &&
          space.unit % packedOf(linear).getRows() == 0)
        continue;
      for (Operation *op : space.ops)
        if (head != space.width && head % sliceUnit(op))
          return op->emitError("unsupported: units of ")
                 << sliceUnit(op) << " across heads of " << head;
      if (head != space.width)
        space.unit = head;
    }
    parts.spaces.push_back(space);
  }
  // The longest first, so that no thread ends with one.
  llvm::stable_sort(parts.spaces, [](const auto &a, const auto &b) {
    return a.linears.size() > b.linears.size();
  });
  if (parts.spaces.empty())
    return kernel.emitError("a matmul kernel needs a heddle.linear");
  return parts;
}

int64_t MatmulParts::items() const {
  int64_t items = 0;
  for (const Space &space : spaces)
    items += space.items();
  return items;
}

namespace {
RowsAttr rowsOf(LinearOp op) { return encodingOf<RowsAttr>(op.getX()); }

struct MatmulEmitter {
  KernelBuilder &b;
  const MatmulParts &parts;
  const ProductSchedule &schedule;
  RowOps ops;
  llvm::DenseMap<Value, Value> yielded,
      locals;  // buffers of results, and on the stack
  Value count; // tokens; null if there is one
  LogicalResult result;

  using Values = KernelBuilder::Values;

  void emit(Operation *op, int64_t width) {
    if (succeeded(result))
      result = ops.emit(op, width);
  }

  /// Part `head` of `heads` equal parts of the columns of rows.
  Value columnsOf(Value buffer, Value head, int64_t heads) {
    auto type = cast<MemRefType>(buffer.getType());
    int64_t width = type.getDimSize(1) / heads;
    SmallVector<OpFoldResult> offsets, sizes,
        strides(type.getRank(), b.getIndexAttr(1));
    for (int64_t i = 0; i < type.getRank(); ++i) {
      offsets.push_back(i == 1 ? OpFoldResult(b.mul(head, b.index(width)))
                               : b.getIndexAttr(0));
      sizes.push_back(i == 1 ? OpFoldResult(b.getIndexAttr(width))
                      : type.isDynamicDim(i)
                          ? OpFoldResult(b.dim(buffer, i))
                          : OpFoldResult(b.getIndexAttr(type.getDimSize(i))));
    }
    return memref::SubViewOp::create(b, buffer, offsets, sizes, strides);
  }

  void product(LinearOp op, Value first, int64_t width, Value t0,
               Value blockCount) {
    int64_t rows = packedOf(op).getRows(), heads = op.getMatrices(),
            columns = widthOf(op.getResult()) / heads;
    Value x = ops.whole[op.getX()][0], panel = b.div(first, b.index(rows));
    if (heads > 1) {
      Value head = b.div(first, b.index(columns));
      panel = b.add(b.mul(head, b.index(packedOf(op).getPanels(columns))),
                    b.div(b.rem(first, b.index(columns)), b.index(rows)));
      x = columnsOf(x, head, heads);
    }
    LinearTile linear(b, schedule, packedOf(op), ops.whole[op.getWeight()][0],
                      rowsOf(op), x, widthOf(op.getX()) / heads);
    linear.multiply(panel, (width + rows - 1) / rows, t0,
                    count ? blockCount : Value(), locals[op.getResult()]);
  }

  /// The bias, and the copy of a product that the kernel yields.
  void finish(LinearOp op, Row made, Value t, Value first, int64_t width) {
    Value bias = op.getBias() ? ops.whole[op.getBias()][0] : Value(),
          out = yielded.lookup(op.getResult());
    if (!bias && !out)
      return;
    ops.elements(width, [&](Value i, int64_t n) {
      Value v = ops.loadN(made, i, n);
      if (bias) {
        v = b.add(v, b.loadVec(bias, {b.add(first, i)}, n));
        ops.storeN(v, made, i);
      }
      if (out)
        ops.storeN(v, {out, t, first}, i);
    });
  }

  /// What follows the products, for one token.
  void follow(const MatmulParts::Space &space, Value first, int64_t width,
              Value t, Value inBlock) {
    ops.column = first;
    for (LinearOp op : space.linears) {
      ops.rows[op.getResult()] = {locals[op.getResult()], inBlock, b.index(0)};
      finish(op, ops.rows[op.getResult()], t, first, width);
    }
    for (Operation *op : space.ops) {
      for (Value operand : op->getOperands())
        if (isa<RankedTensorType>(operand.getType()) &&
            !locals.count(operand) && !yielded.count(operand)) {
          bool sliced = llvm::is_contained(slicedOperands(op), operand);
          ops.rows[operand] = {ops.whole[operand][0], t,
                               sliced ? first : b.index(0)};
        }
      for (Value value : op->getResults())
        if (isa<RankedTensorType>(value.getType())) {
          Value out = yielded.lookup(value);
          ops.rows[value] = out ? Row{out, t, first}
                                : Row{locals[value], inBlock, b.index(0)};
        }
      emit(op, width);
    }
  }

  /// `width` columns from `first`, for one block of tokens.
  void slice(const MatmulParts::Space &space, Value first, int64_t width,
             Value t0, Value blockCount) {
    for (LinearOp op : space.linears)
      product(op, first, width, t0, blockCount);
    if (!count)
      return follow(space, first, width, t0, b.index(0));
    b.loop(b.index(0), blockCount, 1,
           [&](Value i) { follow(space, first, width, b.add(t0, i), i); });
  }

  void item(const MatmulParts::Space &space, Value index) {
    Value first = b.mul(index, b.index(space.unit));
    auto blocks = [&](int64_t width) {
      if (!count)
        return slice(space, first, width, b.index(0), b.index(1));
      b.loop(b.index(0), count, schedule.block, [&](Value t0) {
        Value left = arith::MinSIOp::create(b, b.sub(count, t0),
                                            b.index(schedule.block));
        slice(space, first, width, t0, left);
      });
    };
    int64_t tail = space.width % space.unit;
    if (!tail)
      return blocks(space.unit);
    Value isLast = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, index,
                                         b.index(space.items() - 1));
    b.branch(isLast, [&] { blocks(tail); }, [&] { blocks(space.unit); });
  }

  /// Item `index` of the spaces from `space` on.
  void items(Value index, size_t space) {
    if (space + 1 == parts.spaces.size())
      return item(parts.spaces[space], index);
    Value end = b.index(parts.spaces[space].items());
    Value here =
        arith::CmpIOp::create(b, arith::CmpIPredicate::ult, index, end);
    b.branch(
        here, [&] { item(parts.spaces[space], index); },
        [&] { items(b.sub(index, end), space + 1); });
  }
};
} // namespace

LogicalResult codegen::emitMatmul(KernelBuilder &b, KernelOp kernel,
                                  ItemLoop items, ValueRange args) {
  auto parts = partsOf(kernel);
  if (failed(parts))
    return mlir::failure();
  auto schedule = ProductSchedule::of(kernel);
  if (failed(schedule))
    return mlir::failure();
  MatmulEmitter e{b,
                  *parts,
                  *schedule,
                  RowOps(b, kernel.getScheduleAttr()),
                  llvm::DenseMap<Value, Value>(),
                  llvm::DenseMap<Value, Value>(),
                  Value(),
                  success()};

  Block &body = kernel.getBody().front();
  size_t next = 0;
  for (BlockArgument arg : body.getArguments()) {
    e.ops.whole[arg] = {args[next++]};
    if (isa<CacheType>(arg.getType()))
      e.ops.whole[arg].push_back(args[next++]);
  }
  for (Value value : body.getTerminator()->getOperands())
    if (isa<RankedTensorType>(value.getType()))
      e.yielded[value] = args[next++];

  LinearOp any = parts->spaces.front().linears.front();
  bool oneToken =
      cast<RankedTensorType>(any.getX().getType()).getDimSize(0) == 1;
  if (!oneToken && !parts->prologue.empty())
    return kernel.emitError(
        "unsupported: whole rows of several tokens in a kernel with a product");
  if (!oneToken)
    e.count = b.dim(e.ops.whole[any.getX()][0], 0);

  // Buffers of a slice: products are whole panels, the rest has the slice's
  // width.
  int64_t tokens = oneToken ? 1 : schedule->block;
  for (const MatmulParts::Space &space : parts->spaces) {
    for (LinearOp op : space.linears) {
      if (failed(checkProduct(kernel, packedOf(op), rowsOf(op), b.lanes,
                              *schedule)))
        return mlir::failure();
      int64_t rows = packedOf(op).getRows(),
              padded = (space.unit + rows - 1) / rows * rows;
      e.locals[op.getResult()] = b.localRows(
          RankedTensorType::get({1, padded}, b.getF32Type()), tokens);
    }
    for (Operation *op : space.ops)
      for (Value value : op->getResults())
        if (auto type = dyn_cast<RankedTensorType>(value.getType());
            type && !e.yielded.count(value))
          e.locals[value] = b.localRows(type.clone({1, space.unit}), tokens);
  }
  for (Operation *op : parts->prologue) {
    for (Value operand : op->getOperands())
      if (isa<RankedTensorType>(operand.getType()))
        e.ops.rows[operand] = {e.ops.whole[operand][0], b.index(0), b.index(0)};
    for (Value value : op->getResults())
      if (auto type = dyn_cast<RankedTensorType>(value.getType())) {
        Value out = e.yielded.lookup(value);
        e.ops.whole[value] = {out ? out : b.localRows(type, 1)};
        e.ops.rows[value] = {e.ops.whole[value][0], b.index(0), b.index(0)};
      }
    e.emit(op, rowWidth(op));
  }
  items([&](Value index) { e.items(index, 0); });
  return e.result;
}
