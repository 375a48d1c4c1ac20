//===- ChooseLayouts.cpp - The layout that kernels read -------------------===//
#include "heddle/codegen/Common/Dot.h"
#include "heddle/passes/Passes.h"

namespace heddle {
#define GEN_PASS_DEF_CHOOSELAYOUTS
#include "heddle/passes/Passes.h.inc"
} // namespace heddle

using namespace mlir;
using namespace heddle;

namespace {
struct ChooseLayouts : heddle::impl::ChooseLayoutsBase<ChooseLayouts> {
  using ChooseLayoutsBase::ChooseLayoutsBase;

  int64_t dotStep = 1;

  /// Codes of a group that fits whole steps lie as the integer dot product takes them.
  int64_t stepOf(EncAttr enc) {
    int64_t codes = enc.getElemBits() == 4 ? enc.getGroup() / 2 : enc.getGroup();
    return enc.getElemBits() < 16 && codes % 16 == 0 ? dotStep : 1;
  }

  Type convert(Type type) {
    if (auto tensor = dyn_cast<RankedTensorType>(type))
      if (auto enc = dyn_cast_or_null<EncAttr>(tensor.getEncoding()); enc && tensor.getRank() == 2)
        return RankedTensorType::get(tensor.getShape(), tensor.getElementType(), PackedAttr::get(&getContext(), enc, rows, stepOf(enc)));
    if (auto cache = dyn_cast<CacheType>(type); cache && !cache.getBlock())
      return CacheType::get(&getContext(), cache.getKind(), cache.getLayers(), cache.getHeads(), cache.getDim(),
                            cache.getElem(), block);
    return type;
  }

  void runOnOperation() override {
    if (rows < 1 || rows > 1024 || block < 1 || block > 1024) {
      getOperation().emitError("rows = ") << rows.getValue() << ", block = " << block.getValue() << ", limit 1 to 1024";
      return signalPassFailure();
    }
    auto mode = getOperation()->getAttrOfType<StringAttr>("heddle.numeric");
    auto target = getOperation()->getAttrOfType<StringAttr>("heddle.target");
    if (mode && mode == "a8" && target)
      if (const codegen::Level *level = codegen::findLevel(target))
        if (const codegen::IntegerDot *dot = codegen::integerDotOf(*level))
          dotStep = dot->step;
    getOperation().walk([&](Operation *op) {
      for (Value result : op->getResults())
        result.setType(convert(result.getType()));
      for (Region &region : op->getRegions())
        for (Block &block : region)
          for (BlockArgument arg : block.getArguments())
            arg.setType(convert(arg.getType()));
      if (auto func = dyn_cast<func::FuncOp>(op)) {
        SmallVector<Type> inputs, results;
        for (Type type : func.getFunctionType().getInputs())
          inputs.push_back(convert(type));
        for (Type type : func.getFunctionType().getResults())
          results.push_back(convert(type));
        func.setType(FunctionType::get(&getContext(), inputs, results));
      }
    });
  }
};
} // namespace
