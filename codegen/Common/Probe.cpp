//===- Probe.cpp - What measures a dot product's peak ---------------------===//
#include "heddle/codegen/Common/Probe.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace heddle;
using namespace heddle::codegen;

std::vector<DotProbe> codegen::dotProbesOf(MLIRContext *context,
                                           const Level &level) {
  Builder b(context);
  std::vector<DotProbe> probes;
  if (const IntegerDot *dot = integerDotOf(level)) {
    int64_t bytes = dot->lanes * dot->step;
    probes.push_back({dot->name, "int8",
                      VectorType::get({dot->lanes * 32 / dot->partialBits},
                                      b.getIntegerType(dot->partialBits)),
                      2 * bytes, [=](KernelBuilder &b, Value sum) {
                        VectorType i8s = b.vec(bytes, b.getI8Type());
                        Value w = vector::BitCastOp::create(b, i8s, sum);
                        return dot->add(b, sum, w, b.splat(i8s, 3));
                      }});
  }
  if (const FloatDot *dot = floatDotOf(level))
    // Sums of zeros, so that no number is ever slow for its value.
    probes.push_back(
        {dot->name, "bf16", VectorType::get({dot->lanes}, b.getF32Type()),
         2 * FloatDot::step * dot->lanes, [=](KernelBuilder &b, Value sum) {
           VectorType pairs =
               b.vec(FloatDot::step * dot->lanes, b.getBF16Type());
           return dot->add(b, sum, b.splat(pairs, 1), b.splat(pairs, 0));
         }});
  auto f32s = VectorType::get({level.lanes}, b.getF32Type());
  // Converges to 2, for the same reason.
  probes.push_back({kFloatInstruction, "f32", f32s, 2 * level.lanes,
                    [=](KernelBuilder &b, Value sum) {
                      return b.fma(sum, b.splat(f32s, 0.5), b.splat(f32s, 1));
                    }});
  return probes;
}
