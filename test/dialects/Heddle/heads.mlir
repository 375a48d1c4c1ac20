// RUN: heddle-opt %s | heddle-opt | FileCheck %s

// CHECK-LABEL: @heads
func.func @heads(%x: tensor<?x160xf32>, %c: tensor<?x64xf32>, %w: tensor<4x32x24xf32, #heddle.enc<f32>>) -> tensor<?x192xf32> {
  // CHECK: heddle.slice_heads %{{.*}} {first = 16 : i64, heads = 4 : i64, size = 24 : i64} : tensor<?x160xf32>
  %p = heddle.slice_heads %x {first = 16 : i64, heads = 4 : i64, size = 24 : i64} : tensor<?x160xf32>
  // CHECK: heddle.linear %{{.*}} : tensor<?x96xf32>, tensor<4x32x24xf32, #heddle.enc<f32>>
  %y = heddle.linear %p, %w : tensor<?x96xf32>, tensor<4x32x24xf32, #heddle.enc<f32>>
  // CHECK: heddle.concat_heads %{{.*}}, %{{.*}} {heads = 4 : i64} : tensor<?x64xf32>, tensor<?x128xf32>
  %r = heddle.concat_heads %c, %y {heads = 4 : i64} : tensor<?x64xf32>, tensor<?x128xf32>
  return %r : tensor<?x192xf32>
}
