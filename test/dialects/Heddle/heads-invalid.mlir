// RUN: heddle-opt %s --split-input-file --verify-diagnostics

func.func @width(%x: tensor<?x95xf32>, %w: tensor<4x32x24xf32, #heddle.enc<f32>>) {
  // expected-error @below {{(C1) x has width 95, weight 24 of 4 heads}}
  %y = heddle.linear %x, %w : tensor<?x95xf32>, tensor<4x32x24xf32, #heddle.enc<f32>>
  return
}

// -----

func.func @heads(%x: tensor<?x96xf32>) {
  // expected-error @below {{(C1) heads = 5 does not divide 96}}
  %y = heddle.slice_heads %x {first = 0 : i64, heads = 5 : i64, size = 4 : i64} : tensor<?x96xf32>
  return
}

// -----

func.func @slice(%x: tensor<?x96xf32>) {
  // expected-error @below {{(C2) first = 20 and size = 5, limit the head size 24}}
  %y = heddle.slice_heads %x {first = 20 : i64, heads = 4 : i64, size = 5 : i64} : tensor<?x96xf32>
  return
}

// -----

func.func @concat(%a: tensor<?x64xf32>, %b: tensor<?x30xf32>) {
  // expected-error @below {{(C1) heads = 4 does not divide 30}}
  %y = heddle.concat_heads %a, %b {heads = 4 : i64} : tensor<?x64xf32>, tensor<?x30xf32>
  return
}
