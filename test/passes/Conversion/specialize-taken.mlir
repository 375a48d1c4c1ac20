// RUN: heddle-opt %s --heddle-specialize -split-input-file -verify-diagnostics

// The names of the clones must be free.

func.func @forward(%tokens: tensor<?xi32>) -> tensor<?xi32> { return %tokens : tensor<?xi32> }
// expected-error @below {{@decode is there before @forward is specialized to it}}
func.func @decode(%tokens: tensor<?xi32>) -> tensor<?xi32> { return %tokens : tensor<?xi32> }

// -----

func.func @forward(%tokens: tensor<?xi32>) -> tensor<?xi32> { return %tokens : tensor<?xi32> }
// expected-error @below {{@batch is there before @forward is specialized to it}}
func.func private @batch()

// -----

func.func @forward(%tokens: tensor<?xi32>) -> tensor<?xi32> { return %tokens : tensor<?xi32> }
// expected-error @below {{@prefill is there before @forward is specialized to it}}
func.func private @prefill()

// -----

func.func private @block(%x: tensor<?x8xf32>, %slot: index) -> tensor<?x8xf32> { return %x : tensor<?x8xf32> }
// expected-error @below {{@block.batch is there before @block is specialized to it}}
func.func private @block.batch(%x: tensor<?x8xf32>, %slot: index) -> tensor<?x8xf32> { return %x : tensor<?x8xf32> }
func.func @forward(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = heddle.layers (%x) shared () kinds [@block] order [0] rows [[]] : (tensor<?x8xf32>), () -> (tensor<?x8xf32>)
  return %y : tensor<?x8xf32>
}

// -----

// Kinds are cloned once a step, however often they are named.
func.func private @block(%x: tensor<?x8xf32>, %slot: index) -> tensor<?x8xf32> { return %x : tensor<?x8xf32> }
func.func @forward(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = heddle.layers (%x) shared () kinds [@block, @block] order [0, 1] rows [[], []] : (tensor<?x8xf32>), () -> (tensor<?x8xf32>)
  %z = heddle.layers (%y) shared () kinds [@block] order [0] rows [[]] : (tensor<?x8xf32>), () -> (tensor<?x8xf32>)
  return %z : tensor<?x8xf32>
}
