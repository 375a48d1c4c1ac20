//===- Register.cpp - x86-64 feature levels, best last --------------------===//
#include "Dots.h"
#include "heddle/Plugin/Builtin.h"
#include "heddle/Plugin/Registry.h"

void heddle::codegen::x86::registerParts(Registry &registry) {
  registry.addLevel({"x86-64-v3", "x86_64", "x86_64-linux-gnu", "x86-64-v3", "", "avx2,fma,f16c,bmi2", 8, 16});
  registry.addLevel({"x86-64-v4", "x86_64", "x86_64-linux-gnu", "x86-64-v4", "",
                     "avx2,fma,f16c,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512cd", 16, 32});
  for (const IntegerDot &dot : integerDots())
    registry.addIntegerDot(dot);
}
