// RUN: heddle-opt %s --heddle-set-schedules -split-input-file | FileCheck %s
// RUN: heddle-opt %s --heddle-set-schedules='token-tile=3' -split-input-file | FileCheck %s --check-prefix=TILE
// RUN: heddle-opt %s --heddle-set-schedules='prefetch=512' -split-input-file | FileCheck %s --check-prefix=AHEAD
// RUN: heddle-opt %s --heddle-set-schedules='cpu=generic' -split-input-file | FileCheck %s --check-prefix=CPU
// RUN: not heddle-opt %s --heddle-set-schedules='token-tile=many' -split-input-file 2>&1 | FileCheck %s --check-prefix=ERROR
// RUN: not heddle-opt %s --heddle-set-schedules='chunk-tile=65' -split-input-file 2>&1 | FileCheck %s --check-prefix=LIMIT

// LIMIT: chunk-tile = 65
// ERROR: {{.*}}token-tile{{.*}}many{{.*}}invalid

!weight = tensor<64x8xf32, #heddle.packed<<f32>, rows = 32>>
!cache = !heddle.cache<full_kv, layers = 1, heads = 1, dim = 8, elem = f32, block = 16>

// The numbers come from the module.
module attributes {heddle.lanes = 16 : i64, heddle.registers = 32 : i64} {
  // CHECK-LABEL: @wide
  func.func @wide(%x: tensor<?x8xf32>, %w: !weight, %c: !cache, %slot: index, %pos: tensor<?xi32>) {
    // 28 registers hold sums, 2 a token.
    // CHECK: heddle.kernel "l"{{.*}} schedule <"matmul", {lanes = 16 : i64, panels = 1 : i64, token_block = 32 : i64, token_tile = 14 : i64}>
    // AHEAD: heddle.kernel "l"{{.*}} prefetch = 512 : i64
    // TILE: heddle.kernel "l"{{.*}} schedule <"matmul", {lanes = 16 : i64, {{.*}}token_tile = 3 : i64}>
    %0 = heddle.kernel "l" (%x, %w) : (tensor<?x8xf32>, !weight) -> tensor<?x64xf32> {
    ^bb0(%a: tensor<?x8xf32>, %b: !weight):
      %1 = heddle.linear %a, %b : tensor<?x8xf32>, !weight
      heddle.yield %1 : tensor<?x64xf32>
    }
    // Twelve queries meet a block of keys: a head of as many tokens.
    // CHECK: heddle.kernel "a"{{.*}} schedule <"attention", {lanes = 16 : i64, segment = 128 : i64, sums = 24 : i64, token_tile = 12 : i64}>
    %2 = heddle.kernel "a" (%x, %c, %slot, %pos) : (tensor<?x8xf32>, !cache, index, tensor<?xi32>) -> tensor<?x8xf32> {
    ^bb0(%q: tensor<?x8xf32>, %k: !cache, %s: index, %p: tensor<?xi32>):
      %3 = heddle.attention %q, %k[%s] at %p {heads = 1 : i64, scale = 1.0 : f64} : tensor<?x8xf32>, !cache, tensor<?xi32>
      heddle.yield %3 : tensor<?x8xf32>
    }
    // CHECK: heddle.kernel "r"{{.*}} schedule <"rows", {{.*}}lanes = 16 : i64
    %4 = heddle.kernel "r" (%x) : (tensor<?x8xf32>) -> tensor<?x8xf32> {
    ^bb0(%a: tensor<?x8xf32>):
      %5 = arith.addf %a, %a : tensor<?x8xf32>
      heddle.yield %5 : tensor<?x8xf32>
    }
    return
  }
}

// -----

!weight = tensor<64x8xf32, #heddle.packed<<f32>, rows = 32>>

// Few registers still leave a tile of one token.
module attributes {heddle.lanes = 4 : i64, heddle.registers = 8 : i64} {
  // CHECK-LABEL: @narrow
  func.func @narrow(%x: tensor<?x8xf32>, %w: !weight) {
    // CHECK: schedule <"matmul", {lanes = 4 : i64, {{.*}}token_tile = 1 : i64}>
    %0 = heddle.kernel "l" (%x, %w) : (tensor<?x8xf32>, !weight) -> tensor<?x64xf32> {
    ^bb0(%a: tensor<?x8xf32>, %b: !weight):
      %1 = heddle.linear %a, %b : tensor<?x8xf32>, !weight
      heddle.yield %1 : tensor<?x64xf32>
    }
    return
  }
}

// -----

!one = tensor<1x8xf32>
!weight = tensor<64x8xf32, #heddle.packed<<f32>, rows = 32>>

// How far a stream is fetched ahead is the level's number.
module attributes {heddle.target = "x86-64-v3,x86-64-v4+vnni"} {
  // CHECK-LABEL: @ahead
  func.func @ahead(%x: !one, %w: !weight) attributes {heddle.level = "x86-64-v3"} {
    // CHECK: schedule <"matmul", {lanes = 8 : i64, panels = 1 : i64, prefetch = 3072 : i64,
    %0 = heddle.kernel "l" (%x, %w) : (!one, !weight) -> tensor<1x64xf32> {
    ^bb0(%a: !one, %b: !weight):
      %1 = heddle.linear %a, %b : !one, !weight
      heddle.yield %1 : tensor<1x64xf32>
    }
    return
  }
  // CHECK-LABEL: @hardware
  func.func @hardware(%x: !one, %w: !weight) attributes {heddle.level = "x86-64-v4+vnni"} {
    // CHECK: schedule <"matmul", {lanes = 16 : i64, panels = 1 : i64, prefetch = 2048 : i64, prefetch_from = 8 : i64, token_block
    %0 = heddle.kernel "l" (%x, %w) : (!one, !weight) -> tensor<1x64xf32> {
    ^bb0(%a: !one, %b: !weight):
      %1 = heddle.linear %a, %b : !one, !weight
      heddle.yield %1 : tensor<1x64xf32>
    }
    return
  }
}

// -----

!one = tensor<1x8xf32>
!weight = tensor<64x8xf32, #heddle.packed<<f32>, rows = 32>>

// Of a processor that was measured it is that one's, for the levels that it was measured with.
module attributes {heddle.target = "x86-64-v2,x86-64-v4+vnni", heddle.cpu = "znver5"} {
  // CHECK-LABEL: @old_level
  func.func @old_level(%x: !one, %w: !weight) attributes {heddle.level = "x86-64-v2"} {
    // CHECK: schedule <"matmul", {lanes = 4 : i64, panels = 1 : i64, prefetch = 3072 : i64, token_block
    %0 = heddle.kernel "l" (%x, %w) : (!one, !weight) -> tensor<1x64xf32> {
    ^bb0(%a: !one, %b: !weight):
      %1 = heddle.linear %a, %b : !one, !weight
      heddle.yield %1 : tensor<1x64xf32>
    }
    return
  }
  // CHECK-LABEL: @measured
  // CPU-LABEL: @measured
  func.func @measured(%x: !one, %w: !weight) attributes {heddle.level = "x86-64-v4+vnni"} {
    // CHECK: prefetch = 8192 : i64, prefetch_from = 2 : i64,
    // The option names another processor, and the level has nothing for it.
    // CPU: prefetch = 2048 : i64, prefetch_from = 8 : i64,
    %0 = heddle.kernel "l" (%x, %w) : (!one, !weight) -> tensor<1x64xf32> {
    ^bb0(%a: !one, %b: !weight):
      %1 = heddle.linear %a, %b : !one, !weight
      heddle.yield %1 : tensor<1x64xf32>
    }
    return
  }
}

// -----

!rows = tensor<?x8xf32, #heddle.rows<bf16>>
!weight = tensor<64x8xf32, #heddle.packed<<bf16>, rows = 32, step = 2>>

// Rows of bf16 take the level's dot product of pairs; two fma where it has none.
module attributes {heddle.target = "x86-64-v4+vnni,x86-64-v4+vnni+bf16"} {
  // CHECK-LABEL: @pairs
  func.func @pairs(%x: !rows, %w: !weight) attributes {heddle.level = "x86-64-v4+vnni+bf16"} {
    // CHECK: schedule <"matmul", {float_dot = "avx512bf16.vdpbf16ps", lanes = 16
    %0 = heddle.kernel "l" (%x, %w) : (!rows, !weight) -> tensor<?x64xf32> {
    ^bb0(%a: !rows, %b: !weight):
      %1 = heddle.linear %a, %b : !rows, !weight
      heddle.yield %1 : tensor<?x64xf32>
    }
    return
  }
  // CHECK-LABEL: @fma
  func.func @fma(%x: !rows, %w: !weight) attributes {heddle.level = "x86-64-v4+vnni"} {
    // CHECK-NOT: float_dot
    // CHECK: return
    %0 = heddle.kernel "l" (%x, %w) : (!rows, !weight) -> tensor<?x64xf32> {
    ^bb0(%a: !rows, %b: !weight):
      %1 = heddle.linear %a, %b : !rows, !weight
      heddle.yield %1 : tensor<?x64xf32>
    }
    return
  }
}

// -----

!latent = !heddle.cache<full_kv, layers = 1, heads = 1, dim = 64, elem = f32, block = 32>
!few = !heddle.cache<full_kv, layers = 1, heads = 2, dim = 64, elem = f32, block = 32>

// Threads share the heads where many are on one key, and not where a KV head has few.
module attributes {heddle.lanes = 8 : i64, heddle.registers = 16 : i64} {
  // CHECK-LABEL: @many_heads
  // CHECK: schedule <"attention", {head_tile = 3
  func.func @many_heads(%q: tensor<1x576xf32>, %c: !latent, %s: index, %p: tensor<1xi32>) {
    %0 = heddle.kernel "a" (%q, %c, %s, %p) : (tensor<1x576xf32>, !latent, index, tensor<1xi32>) -> tensor<1x576xf32> {
    ^bb0(%a: tensor<1x576xf32>, %k: !latent, %at: index, %pos: tensor<1xi32>):
      %1 = heddle.attention %a, %k[%at] at %pos {heads = 9 : i64, scale = 0.5 : f64} : tensor<1x576xf32>, !latent, tensor<1xi32>
      heddle.yield %1 : tensor<1x576xf32>
    }
    return
  }
  // CHECK-LABEL: @few_heads
  // CHECK-NOT: head_tile
  // CHECK: return
  func.func @few_heads(%q: tensor<1x512xf32>, %c: !few, %s: index, %p: tensor<1xi32>) {
    %0 = heddle.kernel "a" (%q, %c, %s, %p) : (tensor<1x512xf32>, !few, index, tensor<1xi32>) -> tensor<1x512xf32> {
    ^bb0(%a: tensor<1x512xf32>, %k: !few, %at: index, %pos: tensor<1xi32>):
      %1 = heddle.attention %a, %k[%at] at %pos {heads = 8 : i64, scale = 0.5 : f64} : tensor<1x512xf32>, !few, tensor<1xi32>
      heddle.yield %1 : tensor<1x512xf32>
    }
    return
  }
}
