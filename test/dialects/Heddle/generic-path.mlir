// RUN: heddle-opt %s --load-dialect-plugin=%heddle_lib/libHeddleTestStranger.so \
// RUN:   --pass-pipeline='builtin.module(func.func(heddle-form-kernels),heddle-choose-layouts,heddle-set-schedules)' | FileCheck %s
// RUN: heddle-opt %s --load-dialect-plugin=%heddle_lib/libHeddleTestStranger.so \
// RUN:   --pass-pipeline='builtin.module(func.func(heddle-form-kernels),heddle-choose-layouts,heddle-set-schedules,heddle-emit-kernels,heddle-lower-generic)' | FileCheck %s --check-prefix=LOOPS

// A stranger's ops, known by their lowerings to linalg alone, become loops, whether they
// work row by row beside ops of ours or alone on whole activations and a weight.

!weight = tensor<8x24xf32, #heddle.enc<f32>>
module attributes {heddle.lanes = 8 : i64} {
  // CHECK-LABEL: @decode
  // CHECK: heddle.param "w" : tensor<8x24xf32, #heddle.packed<<f32>, rows = 1>>
  // CHECK: heddle.kernel "addf+halve"{{.*}} schedule <"rows", {lanes = 8 : i64}>
  // CHECK: heddle.kernel "mix"{{.*}} schedule <"generic", {lanes = 8 : i64}>
  // LOOPS: func.func private @{{.*}}.mix
  // LOOPS-NOT: {{linalg|stranger|alloc|call}}
  // LOOPS: vector.load {{.*}} vector<8xf32>
  // LOOPS: arith.mulf {{.*}} : vector<8xf32>
  // LOOPS: func.func private @{{.*}}.addf+halve
  // LOOPS-NOT: {{linalg|stranger|call}}
  // LOOPS: arith.mulf {{.*}} : vector<8xf32>
  // LOOPS-LABEL: @decode
  // LOOPS: heddle.launch {{.*}} aligned [true] -> [true]
  // LOOPS: heddle.launch {{.*}} aligned [false, false] -> [false]
  func.func @decode(%x: tensor<?x8xf32>) -> tensor<?x24xf32> attributes {heddle.max_tokens = 4 : i64} {
    %w = heddle.param "w" : !weight
    %0 = arith.addf %x, %x : tensor<?x8xf32>
    %1 = "stranger.halve"(%0) : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %2 = "stranger.mix"(%1, %w) : (tensor<?x8xf32>, !weight) -> tensor<?x24xf32>
    return %2 : tensor<?x24xf32>
  }
}
