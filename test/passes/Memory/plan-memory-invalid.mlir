// RUN: heddle-opt %s --heddle-plan-memory -split-input-file -verify-diagnostics

// expected-error @below {{@decode needs heddle.max_tokens, a positive integer}}
func.func @decode(%tokens: tensor<1xi32>) -> tensor<1x16xf32> {
  %w = heddle.param "w" : tensor<1x16xf32>
  return %w : tensor<1x16xf32>
}

// -----

// expected-error @below {{@decode needs heddle.max_tokens, a positive integer}}
func.func @decode(%x: tensor<1x16xf32>) -> tensor<1x16xf32> attributes {heddle.max_tokens = "1"} {
  return %x : tensor<1x16xf32>
}

// -----

// expected-error @below {{@batch needs a body of one block that returns logits}}
func.func private @batch() attributes {heddle.max_tokens = 1 : i64}

// -----

// expected-error @below {{@batch needs a body of one block that returns logits}}
func.func @batch() attributes {heddle.max_tokens = 1 : i64} {
  return
}

// -----

// expected-error @below {{unsupported: a step with argument 'index'}}
func.func @batch(%i: index, %x: tensor<1x16xf32>) -> tensor<1x16xf32> attributes {heddle.max_tokens = 1 : i64} {
  return %x : tensor<1x16xf32>
}

// -----

func.func private @embed(index, index, memref<1xi32>, memref<1x8xf32>)
// expected-error @below {{unsupported: a layer kind that is not one block without heddle.layers}}
func.func private @kind(tensor<1x8xf32>, index) -> tensor<1x8xf32>
func.func @decode(%tokens: tensor<1xi32>) -> tensor<1x8xf32> attributes {heddle.max_tokens = 1 : i64} {
  %x = heddle.launch @embed(%tokens) items affine_map<(d0) -> (d0)> aligned [true] -> [true]
    : (tensor<1xi32>) -> tensor<1x8xf32>
  %y = heddle.layers (%x) shared () kinds [@kind] order [0] rows [[]] : (tensor<1x8xf32>), () -> (tensor<1x8xf32>)
  %z = heddle.launch @embed(%tokens) items affine_map<(d0) -> (d0)> aligned [true] -> [true]
    : (tensor<1xi32>) -> tensor<1x8xf32>
  return %z : tensor<1x8xf32>
}
