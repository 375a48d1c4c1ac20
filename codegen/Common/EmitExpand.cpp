//===- EmitExpand.cpp - Keys and values of heads from cached latents ------===//
//
// A product whose rows are not tokens but what is cached: of each head, the
// latents of every row that a token of the step sees times the head's matrix,
// written where attention over a cache reads keys or values. An item is a head
// and every kParts-th segment of rows. Rows go in blocks, as tokens do in other
// products (EmitMatmul.cpp), and are converted here where the product takes
// integers, since a row is one of many that nothing else reads.
//
//===----------------------------------------------------------------------===//
#include "LinearTile.h"
#include "heddle/codegen/Common/RowOps.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;

/// Shares of a head's rows, and about as many rows of a share lie together.
static constexpr int64_t kParts = 8, kSegment = 128;

static ExpandLatentOp expandOf(KernelOp kernel) {
  return dyn_cast<ExpandLatentOp>(kernel.getBody().front().front());
}

int64_t codegen::expandItems(KernelOp kernel) {
  ExpandLatentOp op = expandOf(kernel);
  return op ? op.getCache().getType().getHeads() * kParts : 0;
}

namespace {
struct ExpandEmitter {
  using Values = KernelBuilder::Values;
  KernelBuilder &b;
  ExpandLatentOp op;
  RowOps &ops;
  const ProductSchedule &schedule;
  PackedAttr packed;
  RowsAttr form;
  Value latents, slot, weight, out, positions, starts; // starts null if none
  /// On the stack: a block's rows as they enter, null for f32, and products.
  Value converted, products;
  /// The latents as a matrix, [row, element].
  Value matrix = Value();

  bool keys() { return op.getPart() == CachePart::keys; }
  int64_t columns() { return op.getWeight().getType().getDimSize(1); }
  int64_t width() { return op.getWeight().getType().getDimSize(2); }

  void viewLatents() {
    auto type = cast<MemRefType>(latents.getType());
    SmallVector<OpFoldResult> offsets = {slot, b.getIndexAttr(0),
                                         b.getIndexAttr(0),
                                         b.getIndexAttr(op.getFirst())},
                              sizes = {b.getIndexAttr(1), b.getIndexAttr(1),
                                       b.dim(latents, 2),
                                       b.getIndexAttr(width())},
                              strides(4, b.getIndexAttr(1));
    auto view = cast<MemRefType>(memref::SubViewOp::inferRankReducedResultType(
        {ShapedType::kDynamic, width()}, type, offsets, sizes, strides));
    matrix =
        memref::SubViewOp::create(b, view, latents, offsets, sizes, strides);
  }

  /// The rows [first, end) that token t sees.
  std::pair<Value, Value> seen(Value t) {
    Value first = starts ? b.toIndex(b.load(starts, {t})) : b.index(0);
    Value last = b.add(first, b.toIndex(b.load(positions, {t})));
    return {first, b.add(last, b.index(1))};
  }

  /// The end of what any token sees.
  Value end() {
    return b.loop(b.index(0), b.dim(positions, 0), 1, {b.index(0)},
                  [&](Value t, Values most) -> Values {
                    return {arith::MaxSIOp::create(b, most[0], seen(t).second)};
                  })[0];
  }
  /// Whether some token sees a row of [lo, hi).
  Value isSeen(Value lo, Value hi) {
    Value none = arith::ConstantOp::create(b, b.getBoolAttr(false));
    return b.loop(
        b.index(0), b.dim(positions, 0), 1, {none},
        [&](Value t, Values any) -> Values {
          auto [first, end] = seen(t);
          Value sees = arith::AndIOp::create(
              b, arith::CmpIOp::create(b, arith::CmpIPredicate::slt, first, hi),
              arith::CmpIOp::create(b, arith::CmpIPredicate::slt, lo, end));
          return {arith::OrIOp::create(b, any[0], sees)};
        })[0];
  }

  /// Rows r0 … r0 + count - 1 of `head`.
  void block(Value head, Value r0, Value count) {
    if (form)
      b.loop(b.index(0), count, 1, [&](Value i) {
        ops.convert({matrix, b.add(r0, i), b.index(0)},
                    {converted, i, b.index(0)}, form, width());
      });
    int64_t panels = packed.getPanels(columns());
    LinearTile tile(b, schedule, packed, weight, form,
                    form ? converted : matrix, width());
    tile.multiply(b.mul(head, b.index(panels)), panels, form ? b.index(0) : r0,
                  count, products);
    if (!keys())
      return b.loop(b.index(0), count, 1, [&](Value i) {
        ops.elements(columns(), [&](Value j, int64_t n) {
          b.storeVec(b.loadVec(products, {i, j}, n), out,
                     {b.index(0), head, b.add(r0, i), j});
        });
      });
    int64_t size = op.getCache().getType().getBlock();
    auto put = [&](Value d, llvm::function_ref<Value(Value i)> element) {
      b.loop(b.index(0), count, 1, [&](Value i) {
        Value row = b.add(r0, i);
        b.store(element(i), out,
                {b.index(0), head, b.div(row, b.index(size)), d,
                 b.rem(row, b.index(size))});
      });
    };
    b.loop(b.index(0), b.index(op.getFirst()), 1, [&](Value d) {
      put(d, [&](Value i) {
        return b.load(latents, {slot, b.index(0), b.add(r0, i), d});
      });
    });
    b.loop(b.index(0), b.index(columns()), 1, [&](Value j) {
      put(b.add(j, b.index(op.getFirst())),
          [&](Value i) { return b.load(products, {i, j}); });
    });
  }

  void item(Value item) {
    Value head = b.div(item, b.index(kParts)),
          part = b.rem(item, b.index(kParts)), last = end();
    // Whole blocks: a tail takes longer than its rows.
    int64_t segment =
        schedule.block * std::max<int64_t>(1, kSegment / schedule.block);
    b.loop(b.mul(part, b.index(segment)), last, kParts * segment,
           [&](Value lo) {
             Value hi =
                 arith::MinSIOp::create(b, b.add(lo, b.index(segment)), last);
             auto rows = [&] {
               b.loop(lo, hi, schedule.block, [&](Value r0) {
                 block(head, r0,
                       arith::MinSIOp::create(b, b.sub(hi, r0),
                                              b.index(schedule.block)));
               });
             };
             if (starts)
               b.branch(isSeen(lo, hi), rows, [] {});
             else
               rows();
           });
  }
};
} // namespace

LogicalResult codegen::emitExpand(KernelBuilder &b, KernelOp kernel,
                                  ItemLoop items, ValueRange args) {
  ExpandLatentOp op = expandOf(kernel);
  if (!op)
    return kernel.emitError(
        "an expand kernel begins with a heddle.expand_latent");
  auto schedule = ProductSchedule::of(kernel);
  if (failed(schedule))
    return mlir::failure();
  auto packed = encodingOf<PackedAttr>(op.getWeight());
  if (!packed)
    return kernel.emitError(
        "unsupported: latents times a weight that is not packed");
  RowsAttr form = op.getRowsAttr();
  if (failed(checkProduct(kernel, packed, form, b.lanes, *schedule)))
    return mlir::failure();
  Block &body = kernel.getBody().front();
  if (&body.front() != body.getTerminator()->getPrevNode())
    return kernel.emitError("unsupported: an op after heddle.expand_latent");
  llvm::DenseMap<Value, KernelBuilder::Values> whole;
  size_t next = 0;
  for (BlockArgument arg : body.getArguments()) {
    whole[arg] = {args[next++]};
    if (isa<CacheType>(arg.getType()))
      whole[arg].push_back(args[next++]);
  }
  RowOps ops(b, kernel.getScheduleAttr());
  bool keys = op.getPart() == CachePart::keys;
  ArrayRef<int64_t> shape = op.getWeight().getType().getShape();
  Type f32 = b.getF32Type();
  int64_t padded = packed.getPanels(shape[1]) * packed.getRows();
  ExpandEmitter e{
      b,
      op,
      ops,
      *schedule,
      packed,
      form,
      whole[op.getLatents()][1],
      whole[op.getSlot()][0],
      whole[op.getWeight()][0],
      whole[op.getCache()][keys ? 0 : 1],
      whole[op.getPositions()][0],
      op.getStarts() ? whole[op.getStarts()][0] : Value(),
      form ? b.localRows(RankedTensorType::get({1, shape[2]}, f32, form),
                         schedule->block)
           : Value(),
      b.localRows(RankedTensorType::get({1, padded}, f32), schedule->block)};
  e.viewLatents();
  items([&](Value item) { e.item(item); });
  return success();
}
