// RUN: heddle-opt %s --pass-pipeline='builtin.module(func.func(heddle-fuse-attention))' | FileCheck %s

!cache = !heddle.cache<full_kv, layers = 1, heads = 1, dim = 32, elem = f32>
!half = !heddle.cache<full_kv, layers = 1, heads = 4, dim = 16, elem = f32>
!rows = tensor<?x64xf32, #heddle.rows<i8, group = 32>>

// CHECK-LABEL: @whole_groups
// CHECK: heddle.kernel "attention+convert_rows"
func.func @whole_groups(%q: tensor<?x64xf32>, %c: !cache, %s: index, %p: tensor<?xi32>) -> !rows {
  %0 = heddle.attention %q, %c[%s] at %p {heads = 2 : i64, scale = 1.0 : f64} : tensor<?x64xf32>, !cache, tensor<?xi32>
  %1 = heddle.convert_rows %0 : tensor<?x64xf32> -> !rows
  return %1 : !rows
}

// Must not fire where a KV head's columns are half a group, nor where there is another reader.
// CHECK-LABEL: @others
// CHECK-NOT: heddle.kernel
func.func @others(%q: tensor<?x64xf32>, %c: !cache, %h: !half, %s: index, %p: tensor<?xi32>) -> (!rows, !rows, tensor<?x64xf32>) {
  %0 = heddle.attention %q, %h[%s] at %p {heads = 4 : i64, scale = 1.0 : f64} : tensor<?x64xf32>, !half, tensor<?xi32>
  %1 = heddle.convert_rows %0 : tensor<?x64xf32> -> !rows
  %2 = heddle.attention %q, %c[%s] at %p {heads = 2 : i64, scale = 1.0 : f64} : tensor<?x64xf32>, !cache, tensor<?xi32>
  %3 = heddle.convert_rows %2 : tensor<?x64xf32> -> !rows
  return %1, %3, %2 : !rows, !rows, tensor<?x64xf32>
}
