// RUN: heddle-opt %s --heddle-emit-kernels -canonicalize -split-input-file | FileCheck %s

!rows = tensor<1x64xf32, #heddle.rows<i8, group = 32>>
!w = tensor<48x64xf32, #heddle.packed<<u4, group = 32, scale = true, offset = -8>, rows = 16, step = 4>>

// A slice of columns is an item, taken from a counter. A group of codes is one exact dot
// product: the instruction takes four elements of k for eight rows, sums of pairs stay in 16
// bits for the whole group of four-bit codes, and scales come once a group.
// CHECK: #[[ITEMS_OF:.*]] = affine_map<(d0) -> (3)>
// CHECK-LABEL: func.func private @k1.l
// CHECK-SAME: (%[[COUNTERS:.*]]: memref<9x8xi64>, %[[ITEMS:.*]]: index, %[[THREADS:.*]]: index, %{{.*}}: memref<1x2x48xi8>, %{{.*}}: memref<3x2x288xi8>, %{{.*}}: memref<1x48xf32>)
// A thread takes items of its own part, then of the others; who leaves last resets the counters.
// CHECK: memref.atomic_rmw addi %{{.*}}, %[[COUNTERS]][%c0, %c0]
// CHECK: scf.while
// CHECK: memref.atomic_rmw addi %{{.*}}, %[[COUNTERS]][%[[PART:.*]], %c0]
// CHECK: scf.for {{.*}} -> (vector<8xf32>, vector<8xf32>)
// A group is 288 bytes; the one 512 bytes ahead is the second after it, up to the last.
// CHECK: arith.minui
// CHECK-COUNT-5: memref.prefetch
// CHECK-COUNT-8: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// CHECK-COUNT-1: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// CHECK: arith.sitofp
// CHECK: math.fma
// CHECK: memref.atomic_rmw addi %{{.*}}, %[[COUNTERS]][%c0, %c1]
// CHECK: scf.if
// CHECK: memref.store %c0_i64, %[[COUNTERS]]
// CHECK: heddle.launch @k1.l{{.*}} items #[[ITEMS_OF]]
func.func @codes(%x: !rows, %w: !w) -> tensor<1x48xf32> {
  %0 = heddle.kernel "l" (%x, %w) schedule <"matmul", {lanes = 8 : i64, prefetch = 512 : i64, dot = "avx2.pmaddubsw"}> : (!rows, !w) -> tensor<1x48xf32> {
  ^bb0(%a: !rows, %b: !w):
    %1 = heddle.linear %a, %b : !rows, !w
    heddle.yield %1 : tensor<1x48xf32>
  }
  return %0 : tensor<1x48xf32>
}

// -----

!w = tensor<40x64xf32, #heddle.packed<<f32>, rows = 16>>

// A last item has fewer columns: its ops are cut, the product keeps whole panels.
// CHECK-LABEL: func.func private @k1.l
// The first tile of two tokens fetches ahead; one token alone is fewer than do, and has code of its own.
// CHECK: scf.if
// CHECK: arith.cmpi eq
// CHECK: scf.if
// CHECK: memref.prefetch
// CHECK: } else {
// CHECK-NOT: memref.prefetch
// CHECK: scf.index_switch
// CHECK: case 1 {
// CHECK-NOT: memref.prefetch
// CHECK: vector.load {{.*}} memref<?x40xf32>
// CHECK: } else {
// CHECK: heddle.launch @k1.l
func.func @tail(%x: tensor<?x64xf32>, %r: tensor<?x40xf32>, %w: !w) -> tensor<?x40xf32> {
  %0 = heddle.kernel "l" (%x, %r, %w) schedule <"matmul", {lanes = 8 : i64, prefetch = 512 : i64, prefetch_from = 2 : i64, token_tile = 2 : i64, token_block = 4 : i64}>
      : (tensor<?x64xf32>, tensor<?x40xf32>, !w) -> tensor<?x40xf32> {
  ^bb0(%a: tensor<?x64xf32>, %b: tensor<?x40xf32>, %c: !w):
    %1 = heddle.linear %a, %c : tensor<?x64xf32>, !w
    %2 = arith.addf %1, %b : tensor<?x40xf32>
    heddle.yield %2 : tensor<?x40xf32>
  }
  return %0 : tensor<?x40xf32>
}

// -----

!rows = tensor<?x64xf32, #heddle.rows<i8, group = 32>>
!w = tensor<32x64xf32, #heddle.packed<<u4, group = 32, scale = true, offset = -8>, rows = 32, step = 4>>

// Of several tokens, two vectors of rows and three tokens have their sums in registers while
// one loop steps along k: both nibbles of 64 bytes meet what is spread of each token.
// CHECK-LABEL: func.func private @k1.tile
// CHECK: %[[ROWS:.*]] = arith.constant 16 : index
// CHECK: scf.for {{.*}} step %[[ROWS]]
// CHECK: scf.for {{.*}} -> (vector<16xi16>, vector<16xi16>, vector<16xi16>, vector<16xi16>, vector<16xi16>, vector<16xi16>)
// CHECK-COUNT-12: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// CHECK: scf.yield
// CHECK-COUNT-6: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
func.func @tile(%x: !rows, %w: !w) -> tensor<?x32xf32> {
  %0 = heddle.kernel "tile" (%x, %w) schedule <"matmul", {lanes = 8 : i64, dot = "avx2.pmaddubsw", token_tile = 3 : i64, token_block = 6 : i64, chunk_tile = 2 : i64}> : (!rows, !w) -> tensor<?x32xf32> {
  ^bb0(%a: !rows, %b: !w):
    %1 = heddle.linear %a, %b : !rows, !w
    heddle.yield %1 : tensor<?x32xf32>
  }
  return %0 : tensor<?x32xf32>
}
