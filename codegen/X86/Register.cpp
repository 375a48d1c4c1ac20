//===- Register.cpp - x86-64 feature levels, best last --------------------===//
//
// The first three are those of the x86-64 psABI: a processor has all of a level
// or is not of it. Names after `+` are what a level adds to that.
//
//===----------------------------------------------------------------------===//
#include "Dots.h"
#include "heddle/Plugin/Builtin.h"
#include "heddle/Plugin/Registry.h"

#define V2 "cx16,popcnt,sahf,sse3,sse4.1,sse4.2,ssse3"
#define V3 V2 ",avx,avx2,bmi,bmi2,f16c,fma,lzcnt,movbe"
#define V4 V3 ",avx512bw,avx512cd,avx512dq,avx512f,avx512vl"

void heddle::codegen::x86::registerParts(Registry &registry) {
  // docs/performance.md, "Fetching ahead".
  static const Tuning avx2[] = {{"znver5", 8192, 1}},
                      avx512[] = {{"znver5", 8192, 2}};
  static const Level rows[] = {
      {"x86-64-v2", "x86_64", "x86_64-linux-gnu", "x86-64-v2", "", V2, 4, 16,
       /*fma=*/false, /*half=*/false},
      {"x86-64-v3", "x86_64", "x86_64-linux-gnu", "x86-64-v3", "", V3, 8, 16,
       /*fma=*/true, /*half=*/true, /*bf16=*/false, /*prefetch=*/3072,
       /*prefetchFrom=*/1, avx2},
      {"x86-64-v3+avxvnni", "x86_64", "x86_64-linux-gnu", "x86-64-v3",
       "+avxvnni", V3 ",avxvnni", 8, 16,
       /*fma=*/true, /*half=*/true, /*bf16=*/false, /*prefetch=*/3072,
       /*prefetchFrom=*/1, avx2},
      {"x86-64-v4", "x86_64", "x86_64-linux-gnu", "x86-64-v4", "", V4, 16, 32,
       /*fma=*/true, /*half=*/true, /*bf16=*/false, /*prefetch=*/2048,
       /*prefetchFrom=*/8, avx512},
      {"x86-64-v4+vnni", "x86_64", "x86_64-linux-gnu", "x86-64-v4",
       "+avx512vnni", V4 ",avx512vnni", 16, 32,
       /*fma=*/true, /*half=*/true, /*bf16=*/false, /*prefetch=*/2048,
       /*prefetchFrom=*/8, avx512},
      {"x86-64-v4+vnni+bf16", "x86_64", "x86_64-linux-gnu", "x86-64-v4",
       "+avx512vnni,+avx512bf16", V4 ",avx512vnni,avx512bf16", 16, 32,
       /*fma=*/true, /*half=*/true, /*bf16=*/true, /*prefetch=*/2048,
       /*prefetchFrom=*/8, avx512},
  };
  for (const Level &level : rows)
    registry.addLevel(level);
  for (const IntegerDot &dot : integerDots())
    registry.addIntegerDot(dot);
  for (const FloatDot &dot : floatDots())
    registry.addFloatDot(dot);
}
