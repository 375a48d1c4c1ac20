//===- ChooseLayouts.cpp - The layout that kernels read -------------------===//
#include "heddle/codegen/Common/Dot.h"
#include "heddle/codegen/Common/EmitMatmul.h"
#include "heddle/passes/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringSet.h"

namespace heddle {
#define GEN_PASS_DEF_CHOOSELAYOUTS
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
bool isPlainF32(Type type) {
  auto enc = encodingOf<EncAttr>(type); // of rank 2: its verifier says so
  return enc && enc.getElem() == "f32";
}

bool isExpertWeight(Type type) {
  return encodingOf<EncAttr>(type) &&
         cast<RankedTensorType>(type).getRank() == 3;
}

/// Ops on the generic path: panels of one row leave a weight as the row-major
/// matrix that linalg knows.
bool readsRowMajor(OpOperand &use) {
  Operation *op = use.getOwner();
  return !isa<LinearOp, EmbeddingOp>(op) &&
         (isa<LinalgLoweringInterface>(op) ||
          isa_and_nonnull<linalg::LinalgDialect, tensor::TensorDialect>(
              op->getDialect()));
}

/// Products that take one matrix of many.
bool readsByExpert(OpOperand &use) {
  codegen::Product product = codegen::productOf(use.getOwner());
  return product && !isa<LinearOp>(use.getOwner()) &&
         product.weight == use.get();
}

/// The weights of a kind that certain readers alone have, wherever their name
/// occurs.
class WeightsOf {
public:
  WeightsOf(ModuleOp module, bool (*isKind)(Type), bool (*reads)(OpOperand &))
      : isKind(isKind), reads(reads) {
    module.walk(
        [&](ParamOp param) { add(param.getName(), param.getResult()); });
    module.walk([&](LayersOp layers) {
      for (auto [row, index] : llvm::zip(layers.getRows(), layers.getOrder())) {
        auto kind = module.lookupSymbol<func::FuncOp>(
            cast<FlatSymbolRefAttr>(layers.getKinds()[index]));
        auto names = cast<ArrayAttr>(row);
        for (auto [name, arg] :
             llvm::zip(names, kind.getArguments().take_back(names.size())))
          add(cast<StringAttr>(name).getValue(), arg);
      }
    });
    // One layout for a name and for a layer kind's argument: another reader
    // decides for all.
    for (bool changed = true; changed;) {
      changed = false;
      for (auto &[name, value] : uses) {
        if (!otherNames.contains(name) && !otherValues.contains(value))
          continue;
        changed |= otherNames.insert(name).second;
        changed |= otherValues.insert(value).second;
      }
    }
  }

  llvm::SetVector<Value> get() const {
    llvm::SetVector<Value> values;
    for (auto &[name, value] : uses)
      if (!otherValues.contains(value))
        values.insert(value);
    return values;
  }

private:
  bool (*isKind)(Type);
  bool (*reads)(OpOperand &);
  SmallVector<std::pair<StringRef, Value>> uses;
  llvm::StringSet<> otherNames;
  llvm::DenseSet<Value> otherValues;

  void add(StringRef name, Value value) {
    if (!isKind(value.getType()))
      return;
    uses.push_back({name, value});
    if (value.use_empty() ||
        !llvm::all_of(value.getUses(),
                      [&](OpOperand &use) { return isRead(use); }))
      otherValues.insert(value);
  }

  bool isRead(OpOperand &use) {
    auto kernel = dyn_cast<KernelOp>(use.getOwner());
    if (!kernel)
      return reads(use);
    BlockArgument arg = kernel.getBody().getArgument(use.getOperandNumber());
    return !arg.use_empty() &&
           llvm::all_of(arg.getUses(), [&](OpOperand &u) { return isRead(u); });
  }
};

struct ChooseLayouts : heddle::impl::ChooseLayoutsBase<ChooseLayouts> {
  using ChooseLayoutsBase::ChooseLayoutsBase;

  StringRef mode = "f32";
  int64_t dotStep = 0;

  /// Weights lie as the dot product takes them that their activations enter.
  int64_t stepOf(EncAttr enc, int64_t width) {
    RowsAttr rows = codegen::activationRows(enc, width, mode, dotStep);
    return !rows            ? 1
           : rows.isCodes() ? std::max<int64_t>(1, dotStep)
                            : codegen::FloatDot::step;
  }

  Type pack(RankedTensorType tensor, EncAttr enc, int64_t rows,
            bool table = false) {
    return RankedTensorType::get(
        tensor.getShape(), tensor.getElementType(),
        PackedAttr::get(&getContext(), enc, rows,
                        stepOf(enc, tensor.getShape().back()), table));
  }

  Type convert(Type type) {
    if (auto enc = encodingOf<EncAttr>(type))
      return pack(cast<RankedTensorType>(type), enc, rows);
    if (auto cache = dyn_cast<CacheType>(type); cache && !cache.getBlock())
      return CacheType::get(&getContext(), cache.getKind(), cache.getLayers(),
                            cache.getHeads(), cache.getDim(), cache.getElem(),
                            block);
    return type;
  }

  /// `value`, and what the kernels that take it call it.
  void set(Value value, int64_t rows, bool table) {
    auto tensor = cast<RankedTensorType>(value.getType());
    Type type = pack(tensor, encodingOf<EncAttr>(tensor), rows, table);
    value.setType(type);
    for (OpOperand &use : value.getUses())
      if (auto kernel = dyn_cast<KernelOp>(use.getOwner()))
        kernel.getBody().getArgument(use.getOperandNumber()).setType(type);
  }

  void runOnOperation() override {
    if (rows < 1 || rows > 1024 || block < 1 || block > 1024) {
      getOperation().emitError("rows = ")
          << rows.getValue() << ", block = " << block.getValue()
          << ", limit 1 to 1024";
      return signalPassFailure();
    }
    if (auto numeric =
            getOperation()->getAttrOfType<StringAttr>("heddle.numeric"))
      mode = numeric.getValue();
    if (mode == "a8") {
      auto step = codegen::dotStepOf(codegen::levelsOf(getOperation()));
      if (!step) {
        getOperation().emitError(llvm::toString(step.takeError()));
        return signalPassFailure();
      }
      dotStep = *step;
    }
    for (Value weight :
         WeightsOf(getOperation(), isPlainF32, readsRowMajor).get())
      set(weight, 1, false);
    for (Value weight :
         WeightsOf(getOperation(), isExpertWeight, readsByExpert).get())
      set(weight, rows, true);
    getOperation().walk([&](Operation *op) {
      for (Value result : op->getResults())
        result.setType(convert(result.getType()));
      for (Region &region : op->getRegions())
        for (Block &block : region)
          for (BlockArgument arg : block.getArguments())
            arg.setType(convert(arg.getType()));
      if (auto func = dyn_cast<func::FuncOp>(op)) {
        SmallVector<Type> inputs, results;
        for (auto [index, type] :
             llvm::enumerate(func.getFunctionType().getInputs()))
          inputs.push_back(func.isExternal()
                               ? convert(type)
                               : func.getArgument(index).getType());
        for (Type type : func.getFunctionType().getResults())
          results.push_back(convert(type));
        func.setType(FunctionType::get(&getContext(), inputs, results));
      }
    });
  }
};
} // namespace
