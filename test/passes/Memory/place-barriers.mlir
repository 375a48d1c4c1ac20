// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(heddle-place-barriers))' | FileCheck %s

func.func private @k()

// CHECK-LABEL: @decode
func.func @decode(%x: tensor<1x8xf32>) -> tensor<1x8xf32> attributes {heddle.max_tokens = 1 : i64} {
  // Nobody has written yet.
  // CHECK: heddle.launch @k
  // CHECK-NOT: heddle.barrier
  // CHECK-SAME: aligned [true] -> [true]
  %0 = heddle.launch @k(%x) items affine_map<(d0) -> (d0)> aligned [true] -> [true] : (tensor<1x8xf32>) -> tensor<1x8xf32>
  // Producer and consumer both touch only row = item.
  // CHECK: heddle.launch @k
  // CHECK-NOT: heddle.barrier
  // CHECK-SAME: aligned [true] -> [false]
  %1 = heddle.launch @k(%0) items affine_map<(d0) -> (d0)> aligned [true] -> [false] : (tensor<1x8xf32>) -> tensor<1x8xf32>
  // The producer does not.
  // CHECK: heddle.launch @k{{.*}} aligned [true] -> [true] {heddle.barrier}
  %2 = heddle.launch @k(%1) items affine_map<(d0) -> (d0)> aligned [true] -> [true] : (tensor<1x8xf32>) -> tensor<1x8xf32>
  // The consumer does not.
  // CHECK: heddle.launch @k{{.*}} aligned [false] -> [true] {heddle.barrier}
  %3 = heddle.launch @k(%2) items affine_map<(d0) -> (d0)> aligned [false] -> [true] : (tensor<1x8xf32>) -> tensor<1x8xf32>
  // That barrier covers what came before it.
  // CHECK: heddle.launch @k
  // CHECK-NOT: heddle.barrier
  // CHECK: return
  %4 = heddle.launch @k(%1) items affine_map<(d0) -> (d0)> aligned [false] -> [true] : (tensor<1x8xf32>) -> tensor<1x8xf32>
  return %4 : tensor<1x8xf32>
}
