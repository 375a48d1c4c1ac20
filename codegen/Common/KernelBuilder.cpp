//===- KernelBuilder.cpp - What emitters build loops with -----------------===//
#include "heddle/codegen/Common/KernelBuilder.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include <numeric>

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;
using Values = KernelBuilder::Values;

VectorType KernelBuilder::vec(int64_t n, Type elem) {
  return VectorType::get({n}, elem);
}
Value KernelBuilder::index(int64_t v) {
  return arith::ConstantIndexOp::create(*this, v);
}
Value KernelBuilder::i32(int64_t v) {
  return arith::ConstantOp::create(*this, getI32IntegerAttr(v));
}
Value KernelBuilder::f32(double v) { return splat(getF32Type(), v); }
Value KernelBuilder::f64(double v) { return splat(getF64Type(), v); }

Value KernelBuilder::splat(Type type, double value) {
  Type elem = getElementTypeOrSelf(type);
  TypedAttr attr =
      isa<FloatType>(elem)
          ? TypedAttr(getFloatAttr(elem, value))
          : TypedAttr(getIntegerAttr(elem, static_cast<int64_t>(value)));
  if (auto vector = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(vector, static_cast<Attribute>(attr));
  return arith::ConstantOp::create(*this, attr);
}

static bool isFloat(Value v) {
  return isa<FloatType>(getElementTypeOrSelf(v.getType()));
}

Value KernelBuilder::add(Value a, Value b) {
  return isFloat(a) ? create<arith::AddFOp>(a, b).getResult()
                    : create<arith::AddIOp>(a, b).getResult();
}
Value KernelBuilder::sub(Value a, Value b) {
  return isFloat(a) ? create<arith::SubFOp>(a, b).getResult()
                    : create<arith::SubIOp>(a, b).getResult();
}
Value KernelBuilder::mul(Value a, Value b) {
  return isFloat(a) ? create<arith::MulFOp>(a, b).getResult()
                    : create<arith::MulIOp>(a, b).getResult();
}
Value KernelBuilder::div(Value a, Value b) {
  return isFloat(a) ? create<arith::DivFOp>(a, b).getResult()
                    : create<arith::DivUIOp>(a, b).getResult();
}
Value KernelBuilder::rem(Value a, Value b) {
  return arith::RemUIOp::create(*this, a, b);
}
Value KernelBuilder::fma(Value a, Value b, Value c) {
  return math::FmaOp::create(*this, a, b, c);
}
Value KernelBuilder::broadcast(Value scalar, VectorType type) {
  return vector::BroadcastOp::create(*this, type, scalar);
}
Value KernelBuilder::toIndex(Value i) {
  return arith::IndexCastOp::create(*this, getIndexType(), i);
}

Values KernelBuilder::loop(Value lo, Value hi, int64_t step, Values carried,
                           llvm::function_ref<Values(Value, Values)> body) {
  auto loop = scf::ForOp::create(*this, lo, hi, index(step), carried);
  OpBuilder::InsertionGuard guard(*this);
  if (!carried.empty() || loop.getBody()->empty())
    setInsertionPointToEnd(loop.getBody());
  else
    setInsertionPoint(loop.getBody()->getTerminator());
  Values results =
      body(loop.getInductionVar(), Values(loop.getRegionIterArgs()));
  if (!carried.empty())
    scf::YieldOp::create(*this, results);
  return Values(loop.getResults());
}

void KernelBuilder::loop(Value lo, Value hi, int64_t step,
                         llvm::function_ref<void(Value)> body) {
  loop(lo, hi, step, {}, [&](Value i, Values) -> Values {
    body(i);
    return {};
  });
}

void KernelBuilder::branch(Value condition, llvm::function_ref<void()> then,
                           llvm::function_ref<void()> otherwise) {
  auto op = scf::IfOp::create(*this, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(op.thenBlock());
  then();
  setInsertionPointToStart(op.elseBlock());
  otherwise();
}

void KernelBuilder::choose(Value value, int64_t most,
                           llvm::function_ref<void(int64_t)> body) {
  SmallVector<int64_t> cases(most);
  std::iota(cases.begin(), cases.end(), 1);
  auto op = scf::IndexSwitchOp::create(*this, TypeRange(), value, cases, most);
  OpBuilder::InsertionGuard guard(*this);
  auto fill = [&](Region &region, llvm::function_ref<void()> inside) {
    createBlock(&region);
    inside();
    scf::YieldOp::create(*this);
  };
  for (auto [number, region] : llvm::zip(cases, op.getCaseRegions()))
    fill(region, [&] { body(number); });
  fill(op.getDefaultRegion(), [] {});
}

Value KernelBuilder::opaque(Value value) {
  Type i64 = getI64Type();
  Value word = arith::IndexCastOp::create(*this, i64, value);
  auto hide = LLVM::InlineAsmOp::create(
      *this, i64, ValueRange(word), /*asm_string=*/"", /*constraints=*/"=r,0",
      /*has_side_effects=*/false, /*is_align_stack=*/false,
      LLVM::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr());
  return arith::IndexCastOp::create(*this, getIndexType(), hide.getRes());
}

void KernelBuilder::takeItems(Value counters, Value items, Value threads,
                              llvm::function_ref<void(Value)> body) {
  Value zero = arith::ConstantOp::create(*this, getI64IntegerAttr(0)),
        one = arith::ConstantOp::create(*this, getI64IntegerAttr(1));
  // Adds one to a counter; what it was.
  auto count = [&](Value line, int64_t word) -> Value {
    Value was = memref::AtomicRMWOp::create(
        *this, getI64Type(), arith::AtomicRMWKind::addi, one, counters,
        ValueRange{line, index(word)});
    return arith::IndexCastOp::create(*this, getIndexType(), was);
  };
  Value parts =
            arith::MinUIOp::create(*this, threads, index(kItemCounters - 1)),
        own = count(index(0), 0),
        each = arith::DivUIOp::create(*this, items, parts),
        longer = arith::RemUIOp::create(*this, items, parts);
  loop(index(0), parts, 1, [&](Value turn) {
    Value part = arith::RemUIOp::create(*this, add(own, turn), parts);
    Value start =
              add(mul(part, each), arith::MinUIOp::create(*this, part, longer)),
          size = arith::SelectOp::create(
              *this,
              arith::CmpIOp::create(*this, arith::CmpIPredicate::ult, part,
                                    longer),
              add(each, index(1)), each);
    auto take =
        scf::WhileOp::create(*this, TypeRange(getIndexType()), ValueRange());
    OpBuilder::InsertionGuard guard(*this);
    createBlock(&take.getBefore());
    Value number = count(add(part, index(1)), 0),
          more = arith::CmpIOp::create(*this, arith::CmpIPredicate::ult, number,
                                       size);
    scf::ConditionOp::create(*this, more, ValueRange(number));
    createBlock(&take.getAfter(), {}, TypeRange(getIndexType()), getLoc());
    body(opaque(add(start, take.getAfterArguments().front())));
    scf::YieldOp::create(*this);
  });
  // Whoever leaves last leaves all of them zero: nobody looks at them any more.
  Value last =
      arith::CmpIOp::create(*this, arith::CmpIPredicate::eq, count(index(0), 1),
                            sub(threads, index(1)));
  auto reset = scf::IfOp::create(*this, last, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard inside(*this);
  setInsertionPointToStart(reset.thenBlock());
  store(zero, counters, {index(0), index(1)});
  loop(index(0), add(parts, index(1)), 1,
       [&](Value line) { store(zero, counters, {line, index(0)}); });
}

Value KernelBuilder::load(Value buffer, Values at) {
  return memref::LoadOp::create(*this, buffer, at);
}
void KernelBuilder::store(Value value, Value buffer, Values at) {
  memref::StoreOp::create(*this, value, buffer, at);
}

Value KernelBuilder::loadVec(Value buffer, Values at, int64_t n) {
  return vector::LoadOp::create(
      *this, vec(n, cast<MemRefType>(buffer.getType()).getElementType()),
      buffer, at);
}
void KernelBuilder::storeVec(Value vector, Value buffer, Values at) {
  vector::StoreOp::create(*this, vector, buffer, at);
}
Value KernelBuilder::tree(Value vector,
                          llvm::function_ref<Value(Value, Value)> combine) {
  for (int64_t n = cast<VectorType>(vector.getType()).getDimSize(0); n > 1;
       n /= 2) {
    Value low = vector::ExtractStridedSliceOp::create(
        *this, vector, ArrayRef<int64_t>{0}, ArrayRef<int64_t>{n / 2},
        ArrayRef<int64_t>{1});
    Value high = vector::ExtractStridedSliceOp::create(
        *this, vector, ArrayRef<int64_t>{n / 2}, ArrayRef<int64_t>{n / 2},
        ArrayRef<int64_t>{1});
    vector = combine(low, high);
  }
  return vector::ExtractOp::create(*this, vector, 0);
}
Value KernelBuilder::sumTree(Value vector) {
  return tree(vector, [&](Value a, Value b) { return add(a, b); });
}
Value KernelBuilder::maxTree(Value vector) {
  return tree(vector, [&](Value a, Value b) -> Value {
    return arith::MaximumFOp::create(*this, a, b);
  });
}

Value KernelBuilder::localRows(RankedTensorType type, int64_t tokens) {
  auto buffer = cast<MemRefType>(bufferTypes(type).front());
  SmallVector<int64_t> shape(buffer.getShape());
  shape[0] = tokens;
  return memref::AllocaOp::create(
      *this, MemRefType::get(shape, buffer.getElementType()),
      getI64IntegerAttr(64));
}

Value KernelBuilder::intrinsic(StringRef name, Type result,
                               ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(*this, result, getStringAttr(name),
                                       operands)
      .getResult(0);
}

Value KernelBuilder::dim(Value buffer, int64_t i) {
  return memref::DimOp::create(*this, buffer, i);
}

Value KernelBuilder::decode(EncAttr enc, Value codes, Value scale, Value min) {
  auto shaped = [&](Type elem) -> Type {
    auto vector = dyn_cast<VectorType>(codes.getType());
    return vector ? Type(vector.clone(elem)) : elem;
  };
  Type f32 = shaped(getF32Type()), i32 = shaped(getI32Type());
  StringRef elem = enc.getElem();
  if (elem == "f32")
    return codes;
  if (elem == "f16")
    return arith::ExtFOp::create(*this, f32, codes);
  if (elem == "bf16") { // the upper half of an f32
    Value wide = arith::ExtUIOp::create(*this, i32, codes);
    return arith::BitcastOp::create(
        *this, f32, arith::ShLIOp::create(*this, wide, splat(i32, 16)));
  }
  Value wide = codes;
  if (getElementTypeOrSelf(codes.getType()) != getI32Type())
    wide = elem == "i8" ? arith::ExtSIOp::create(*this, i32, codes).getResult()
                        : arith::ExtUIOp::create(*this, i32, codes).getResult();
  if (enc.getTable())
    wide = lookup(enc.getTable().asArrayRef(), wide);
  if (enc.getOffset())
    wide = add(wide, splat(i32, enc.getOffset()));
  Value value = arith::SIToFPOp::create(*this, f32, wide);
  if (scale && min)
    return fma(value, scale, min);
  return scale ? mul(value, scale) : value;
}

Value KernelBuilder::lookup(ArrayRef<int8_t> table, Value codes) {
  Type type = codes.getType();
  SmallVector<Value> numbers;
  for (int8_t number : table)
    numbers.push_back(splat(type, number));
  // Bit by bit, each halves what is left to choose from.
  for (int64_t bit = 1; numbers.size() > 1; bit *= 2) {
    Value isSet = arith::CmpIOp::create(
        *this, arith::CmpIPredicate::ne,
        arith::AndIOp::create(*this, codes, splat(type, bit)), splat(type, 0));
    for (size_t i = 0; i < numbers.size() / 2; ++i)
      numbers[i] = arith::SelectOp::create(*this, isSet, numbers[2 * i + 1],
                                           numbers[2 * i]);
    numbers.resize(numbers.size() / 2);
  }
  return numbers.front();
}

Value KernelBuilder::groupScale(EncAttr enc, Value stored, Value f16s,
                                bool isMin) {
  auto vector = dyn_cast<VectorType>(stored.getType());
  Type i32 = vector ? Type(vector.clone(getI32Type())) : getI32Type();
  Value wide = enc.getScales() == "i8"
                   ? arith::ExtSIOp::create(*this, i32, stored).getResult()
                   : arith::ExtUIOp::create(*this, i32, stored).getResult();
  Value product =
      mul(f16s, arith::SIToFPOp::create(*this, f16s.getType(), wide));
  return isMin ? arith::NegFOp::create(*this, product).getResult() : product;
}

Value KernelBuilder::withHighBits(Value low, Value plane, int64_t bits,
                                  int64_t step) {
  // Bytes move in pairs where no instruction shifts bytes: the mask takes off
  // what came from the neighbour.
  Type type = plane.getType();
  bool pairs = getElementTypeOrSelf(type).isInteger(8);
  Value moved = plane;
  if (pairs)
    moved = vector::BitCastOp::create(
        *this, vec(cast<VectorType>(type).getDimSize(0) / 2, getI16Type()),
        plane);
  if (int64_t left = 4 - step * bits; left > 0)
    moved = arith::ShLIOp::create(*this, moved, splat(moved.getType(), left));
  else if (left < 0)
    moved = arith::ShRUIOp::create(*this, moved, splat(moved.getType(), -left));
  if (pairs)
    moved = vector::BitCastOp::create(*this, type, moved);
  return arith::OrIOp::create(
      *this, low,
      arith::AndIOp::create(*this, moved, splat(type, ((1 << bits) - 1) << 4)));
}
