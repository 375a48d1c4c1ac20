//===- Kernels.cpp - What fusion passes share -----------------------------===//
#include "Kernels.h"
#include "heddle/codegen/Common/RowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace heddle;

bool heddle::isPlain(Operation *op) {
  return isa_and_nonnull<linalg::LinalgDialect, tensor::TensorDialect>(
             op->getDialect()) &&
         !isRowWise(op);
}

bool heddle::isCheap(Operation *op) {
  if (!op || op->getNumRegions() || op->getNumResults() == 0 ||
      isa_and_nonnull<HeddleDialect>(op->getDialect()))
    return false;
  bool scalars = llvm::all_of(op->getResultTypes(), [](Type type) {
    return type.isIntOrIndexOrFloat();
  });
  return op->hasTrait<OpTrait::ConstantLike>() || (scalars && isPure(op));
}

void heddle::wrapInKernel(ArrayRef<Operation *> group) {
  llvm::SetVector<Value> inputs;
  llvm::SetVector<Operation *> copied;
  SmallVector<Value> outputs;
  llvm::SmallPtrSet<Operation *, 8> inside(group.begin(), group.end());
  bool copies =
      !isRowWise(group.front()) && !isa<LinearOp, AttentionOp>(group.front());
  std::function<void(Value)> need = [&](Value v) {
    Operation *from = v.getDefiningOp();
    if (from && inside.contains(from))
      return;
    if (!copies || !isCheap(from))
      return void(inputs.insert(v));
    for (Value operand : from->getOperands())
      need(operand);
    copied.insert(from);
  };
  std::string name;
  Block *block = group.front()->getBlock();
  for (Operation *op : group) {
    for (Value operand : op->getOperands())
      need(operand);
    // A kernel is isolated from above, the regions of its ops are not.
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(op->getRegions(), captured);
    llvm::for_each(captured, need);
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) {
            return !inside.contains(block->findAncestorOpInBlock(*user));
          }))
        outputs.push_back(result);
    name += (name.empty() ? "" : "+") + op->getName().stripDialect().str();
  }
  OpBuilder builder(group.back());
  Location loc = group.back()->getLoc();
  auto kernel = KernelOp::create(builder, loc, ValueRange(outputs).getTypes(),
                                 builder.getStringAttr(name),
                                 inputs.getArrayRef(), ScheduleAttr());
  Block &body = kernel.getBody().emplaceBlock();
  IRMapping values;
  for (Value input : inputs)
    values.map(input, body.addArgument(input.getType(), input.getLoc()));
  for (auto [output, result] : llvm::zip(outputs, kernel.getResults()))
    output.replaceUsesWithIf(result, [&](OpOperand &use) {
      return !inside.contains(block->findAncestorOpInBlock(*use.getOwner()));
    });
  builder.setInsertionPointToEnd(&body);
  for (Operation *op : copied)
    builder.clone(*op, values);
  for (Operation *op : group)
    op->moveBefore(&body, body.end());
  body.walk([&](Operation *op) {
    for (OpOperand &operand : op->getOpOperands())
      if (Value value = values.lookupOrNull(operand.get()))
        operand.set(value);
  });
  YieldOp::create(builder, loc, outputs);
}

static bool onlyReadBy(Operation *op, const OpGroup &group) {
  return llvm::all_of(op->getUsers(),
                      [&](Operation *user) { return group.contains(user); });
}

LogicalResult heddle::addProduct(Value value, OpGroup &group,
                                 IsProduct isProduct) {
  Operation *op = value.getDefiningOp();
  if (!op || group.contains(op))
    return success(op);
  // What the group makes may be read by others at its end only: `value` was
  // asked for.
  if (isProduct(op)) {
    group.insert(op);
    return success();
  }
  if (codegen::sliceUnit(op) == 0 || isa<CacheAppendOp>(op))
    return failure();
  OpGroup with = group;
  with.insert(op);
  bool any = false;
  for (Value operand : codegen::slicedOperands(op)) {
    Operation *made = operand.getDefiningOp();
    if (!made || (!isProduct(made) && codegen::sliceUnit(made) == 0))
      continue;
    OpGroup before = with;
    if (succeeded(addProduct(operand, with, isProduct)) &&
        onlyReadBy(made, with))
      any = true;
    else
      with = before;
  }
  if (!any)
    return failure();
  group = std::move(with);
  return success();
}

void heddle::addPrologue(OpGroup &group) {
  auto func = (*group.begin())->getParentOfType<func::FuncOp>();
  auto tokens = func->getAttrOfType<IntegerAttr>("heddle.max_tokens");
  if (!tokens || tokens.getInt() != 1)
    return;
  Value rows;
  for (Operation *op : group)
    if (auto linear = dyn_cast<LinearOp>(op)) {
      if (rows && rows != linear.getX())
        return;
      rows = linear.getX();
    }
  while (Operation *op = rows ? rows.getDefiningOp() : nullptr) {
    if (!isa<ConvertRowsOp, RMSNormOp, SelectRowsOp>(op) ||
        op->getBlock() != (*group.begin())->getBlock() ||
        !onlyReadBy(op, group))
      return;
    group.insert(op);
    rows = op->getOperand(0);
  }
}

LogicalResult heddle::formKernel(const OpGroup &group) {
  SmallVector<Operation *> ops(group.begin(), group.end());
  for (Operation *op : ops)
    if (op->getBlock() != ops.front()->getBlock())
      return failure();
  llvm::sort(ops,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  for (Operation *op : ops)
    for (Operation *user : op->getUsers()) {
      Operation *here = op->getBlock()->findAncestorOpInBlock(*user);
      if (!here || (!group.contains(here) && here->isBeforeInBlock(ops.back())))
        return failure();
    }
  wrapInKernel(ops);
  return success();
}
