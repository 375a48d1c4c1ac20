// RUN: heddle-opt %s --heddle-emit-probes | FileCheck %s
// RUN: heddle-opt %s --heddle-emit-probes --heddle-expand-math | FileCheck %s --check-prefix=EXPANDED

// A function for each level and type; as many sums as three quarters of the level's registers.
// CHECK-LABEL: func.func @"probe.int8.x86-64-v2"(
// CHECK-SAME: heddle.level = "x86-64-v2"
// CHECK-SAME: heddle.probe = {instruction = "ssse3.pmaddubsw", operations = 384 : i64, type = "int8"}
// CHECK: %[[TOKENS:.*]] = heddle_rt.input %{{.*}} "tokens" : memref<?xi32>
// CHECK: %[[OUT:.*]] = heddle_rt.arena %{{.*}}[0] rows %{{.*}} : memref<?x2048xi16>
// CHECK: %[[TURNS:.*]] = memref.dim %[[TOKENS]]
// CHECK: scf.for %{{.*}} = %{{.*}} to %[[TURNS]]
// CHECK-COUNT-12: llvm.call_intrinsic "llvm.x86.ssse3.pmadd.ub.sw.128"
// CHECK-NOT: llvm.call_intrinsic
// CHECK-COUNT-12: vector.store %{{.*}}, %[[OUT]]
// CHECK-LABEL: func.func @"probe.f32.x86-64-v2"(
// CHECK-SAME: heddle.probe = {instruction = "f32 fma", operations = 96 : i64, type = "f32"}
// CHECK-COUNT-12: math.fma {{.*}} : vector<4xf32>
// CHECK-LABEL: func.func @"probe.int8.x86-64-v4+vnni"(
// CHECK-SAME: heddle.probe = {instruction = "avx512vnni.vpdpbusd", operations = 3072 : i64, type = "int8"}
// CHECK-COUNT-24: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// CHECK-NOT: llvm.call_intrinsic
// CHECK-LABEL: func.func @"probe.f32.x86-64-v4+vnni"(
// CHECK-COUNT-24: math.fma {{.*}} : vector<16xf32>
// CHECK-LABEL: func.func @"probe.bf16.x86-64-v4+vnni+bf16"(
// CHECK-SAME: heddle.probe = {instruction = "avx512bf16.vdpbf16ps", operations = 1536 : i64, type = "bf16"}
// CHECK-COUNT-24: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"

// What a level has no instruction for is measured as its kernels do it.
// EXPANDED-LABEL: func.func @"probe.f32.x86-64-v2"(
// EXPANDED-NOT: math.fma
// EXPANDED-COUNT-12: arith.mulf {{.*}} : vector<4xf32>
module attributes {heddle.target = "x86-64-v2,x86-64-v4+vnni,x86-64-v4+vnni+bf16"} {}
