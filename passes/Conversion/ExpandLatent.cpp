//===- ExpandLatent.cpp - Latent attention of long prompts, naive form ----===//
#include "heddle/codegen/Common/Dot.h"
#include "heddle/passes/Passes.h"
#include "llvm/ADT/SetVector.h"

namespace heddle {
#define GEN_PASS_DEF_EXPANDLATENT
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
/// The op of type T that alone makes `value`, and that nothing else reads.
template <typename T> T onlyOf(Value value) {
  auto op = value.getDefiningOp<T>();
  return op && value.hasOneUse() ? op : T();
}
/// Past a conversion of whole rows, if there is one.
Value beforeConversion(Value value) {
  auto convert = onlyOf<ConvertRowsOp>(value);
  return convert ? convert.getX() : value;
}
template <typename T> T onlyUser(Value value) {
  return value.hasOneUse() ? dyn_cast<T>(*value.getUsers().begin()) : T();
}

/// Attention in the absorbed form, and what is around it.
struct Absorbed {
  AttentionOp attention;
  ConcatHeadsOp query, key;
  LinearOp up, down; // W_UK of the queries, W_UV of what was mixed
  SliceHeadsOp mixed;

  int64_t heads() { return attention.getHeads(); }
  ArrayRef<int64_t> keys() { return up.getWeight().getType().getShape(); }
  ArrayRef<int64_t> values() { return down.getWeight().getType().getShape(); }
  int64_t rotated() {
    return cast<RankedTensorType>(key.getA().getType()).getDimSize(1);
  }
  int64_t dim() { return rotated() + keys()[2]; } // of the naive form
};

bool isMatch(Absorbed &a) {
  AttentionOp attention = a.attention;
  CacheType cache = attention.getCache().getType();
  auto append = attention.getCache().getDefiningOp<CacheAppendOp>();
  if (cache.getHeads() != 1 || attention.getHeads() < 2 ||
      attention.getSinks() || attention.getWindow() || !append ||
      append.getKey() != append.getValue() ||
      append.getSlot() != attention.getSlot())
    return false;
  a.key = append.getKey().getDefiningOp<ConcatHeadsOp>();
  a.query = onlyOf<ConcatHeadsOp>(attention.getQuery());
  a.mixed = onlyUser<SliceHeadsOp>(attention.getResult());
  if (!a.key || !a.query || !a.mixed)
    return false;
  a.up = onlyOf<LinearOp>(a.query.getB());
  Value mixed = a.mixed.getResult();
  if (auto convert = onlyUser<ConvertRowsOp>(mixed))
    mixed = convert.getResult();
  a.down = onlyUser<LinearOp>(mixed);
  if (!a.up || !a.down || a.up.getBias() || a.down.getBias() ||
      a.up.getMatrices() != a.heads() || a.down.getMatrices() != a.heads() ||
      !isa<BlockArgument>(a.up.getWeight()) ||
      !isa<BlockArgument>(a.down.getWeight()))
    return false;
  int64_t rank = a.values()[2], rotated = a.rotated();
  auto is = [](uint64_t given, int64_t wanted) {
    return static_cast<int64_t>(given) == wanted;
  };
  return is(a.query.getHeads(), a.heads()) &&
         is(a.mixed.getHeads(), a.heads()) && is(a.mixed.getFirst(), rotated) &&
         is(a.mixed.getSize(), rank) && a.keys()[1] == rank &&
         cache.getDim() == rotated + rank &&
         cast<RankedTensorType>(a.query.getA().getType()).getDimSize(1) ==
             rotated * a.heads() &&
         a.values()[1] <= a.dim();
}

/// What of a kind is in the absorbed form: how many parameters come after W_UK,
/// its other type, and the heads and their width in the naive form.
struct Found {
  int64_t behind;
  RankedTensorType type;
  int64_t heads, dim;
};

struct ExpandLatent : heddle::impl::ExpandLatentBase<ExpandLatent> {
  using ExpandLatentBase::ExpandLatentBase;
  llvm::SmallPtrSet<Operation *, 8> extended; // kinds

  func::FuncOp kindOf(LayersOp layers, size_t index) {
    return getOperation().lookupSymbol<func::FuncOp>(
        cast<FlatSymbolRefAttr>(layers.getKinds()[index]));
  }
  static bool isPrefill(LayersOp layers) {
    StringRef name = layers->getParentOfType<func::FuncOp>().getName();
    return name == "prefill" || name.starts_with("prefill.");
  }

  /// W_UK with rows for columns: the same floats, or those of its codes.
  RankedTensorType transposed(Value weight) {
    auto type = cast<RankedTensorType>(weight.getType());
    auto enc = encodingOf<EncAttr>(type);
    if (!enc || !llvm::is_contained({"f32", "f16", "bf16"}, enc.getElem()))
      enc = EncAttr::get(&getContext(), "f32", 1, false, false, 0, 0, "f16",
                         DenseI8ArrayAttr());
    ArrayRef<int64_t> shape = type.getShape();
    return RankedTensorType::get({shape[0], shape[2], shape[1]},
                                 type.getElementType(), enc);
  }

  /// The naive form in place of `a`: with keys times `weight` in `cache`, whose
  /// last state is returned.
  Value rewrite(Absorbed &a, Value weight, Value cache) {
    AttentionOp old = a.attention;
    OpBuilder b(a.attention);
    Location loc = old.getLoc();
    auto expand = [&](CachePart part, Value weight, Value into) -> Value {
      return ExpandLatentOp::create(
          b, loc, part, old.getCache(), old.getSlot(), weight, into,
          old.getPositions(), old.getStarts(), a.rotated(),
          codegen::activationRows(getOperation(), weight));
    };
    Value expanded = expand(CachePart::values, a.down.getWeight(),
                            expand(CachePart::keys, weight, cache));
    Value query =
        ConcatHeadsOp::create(b, a.query.getLoc(), a.query.getA(),
                              beforeConversion(a.up.getX()), a.heads());
    Value slot = arith::ConstantIndexOp::create(b, loc, 0);
    Value mixed = AttentionOp::create(
        b, loc, query, expanded, slot, old.getPositions(), old.getStarts(),
        Value(), old.getHeads(), old.getScale(), IntegerAttr());
    Value values = SliceHeadsOp::create(b, a.down.getLoc(), mixed, a.heads(), 0,
                                        a.values()[1]);
    // Row-wise as the product was: whoever reads it finds it where that stood.
    a.down.getResult().replaceAllUsesWith(values);
    // Users first. Without conversions some of these are the same.
    llvm::SetVector<Operation *> dead;
    for (Value value :
         {a.down.getResult(), a.down.getX(), a.mixed.getResult(),
          old.getResult(), a.query.getResult(), a.up.getResult(), a.up.getX()})
      if (Operation *op = value.getDefiningOp())
        dead.insert(op);
    for (Operation *op : dead)
      if (op->use_empty())
        op->erase();
    return expanded;
  }

  void runOnOperation() override {
    if (!prefill)
      return;
    ModuleOp module = getOperation();
    SmallVector<LayersOp> stacks;
    module.walk([&](LayersOp layers) { stacks.push_back(layers); });
    // By the kind's number, the same in each step.
    llvm::MapVector<size_t, Found> found;
    for (LayersOp layers : stacks)
      for (size_t i = 0; isPrefill(layers) && i < layers.getKinds().size(); ++i)
        for (auto op : kindOf(layers, i).getOps<AttentionOp>())
          if (Absorbed a{op, {}, {}, {}, {}, {}};
              isMatch(a) && !found.count(i)) {
            auto weight = cast<BlockArgument>(a.up.getWeight());
            int64_t last = kindOf(layers, i).getNumArguments() - 1;
            found[i] = {last - weight.getArgNumber(), transposed(weight),
                        a.heads(), a.dim()};
          }
    if (found.empty()) {
      module.emitError("prefill = true: no @prefill has attention over latents "
                       "in the absorbed form");
      return signalPassFailure();
    }
    auto [behind, type, heads, dim] = found.front().second;
    for (auto &[index, other] : found)
      if (other.heads != heads || other.dim != dim) {
        module.emitError("unsupported: prefill = true with heads of ")
            << heads << " x " << dim << " and " << other.heads << " x "
            << other.dim;
        return signalPassFailure();
      }
    auto cache = CacheType::get(&getContext(), "step_kv", 1, heads, dim,
                                Float32Type::get(&getContext()), 0);
    for (LayersOp layers : stacks)
      extend(layers, found, cache);
  }

  /// The cache through the step and its kinds, and a parameter for W_UK.
  void extend(LayersOp layers, const llvm::MapVector<size_t, Found> &found,
              CacheType cache) {
    OpBuilder b(layers);
    size_t at = layers.getCarried().size();
    for (size_t i = 0; i < layers.getKinds().size(); ++i) {
      func::FuncOp kind = kindOf(layers, i);
      if (!extended.insert(kind).second)
        continue;
      (void)kind.insertArgument(at, cache, {}, kind.getLoc());
      Value state = kind.getArgument(at);
      if (auto it = found.find(i); it != found.end()) {
        (void)kind.insertArgument(kind.getNumArguments(), it->second.type, {},
                                  kind.getLoc());
        for (auto op : llvm::to_vector(kind.getOps<AttentionOp>()))
          if (Absorbed a{op, {}, {}, {}, {}, {}};
              isPrefill(layers) && state == kind.getArgument(at) && isMatch(a))
            state = rewrite(a, kind.getArguments().back(), state);
      }
      auto ret = cast<func::ReturnOp>(kind.getBody().front().getTerminator());
      ret.getOperandsMutable().append(state);
      kind.setType(
          b.getFunctionType(kind.getArgumentTypes(), ret.getOperandTypes()));
    }
    SmallVector<Attribute> rows;
    for (auto [row, index] : llvm::zip(layers.getRows(), layers.getOrder())) {
      SmallVector<Attribute> names(cast<ArrayAttr>(row).getValue());
      if (auto it = found.find(index); it != found.end())
        names.push_back(b.getStringAttr(
            cast<StringAttr>(names[names.size() - 1 - it->second.behind])
                .getValue() +
            "^T"));
      rows.push_back(b.getArrayAttr(names));
    }
    auto step = layers->getParentOfType<func::FuncOp>();
    (void)step.insertArgument(step.getNumArguments(), cache, {}, step.getLoc());
    SmallVector<Value> carried(layers.getCarried());
    carried.push_back(step.getArguments().back());
    SmallVector<Type> types(layers.getResultTypes());
    types.push_back(cache);
    auto wider = LayersOp::create(b, layers.getLoc(), types, carried,
                                  layers.getShared(), layers.getKindsAttr(),
                                  layers.getOrderAttr(), b.getArrayAttr(rows));
    layers->replaceAllUsesWith(wider.getResults().drop_back());
    layers.erase();
  }
};
} // namespace
