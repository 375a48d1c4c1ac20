// RUN: heddle-opt %s --heddle-set-router | FileCheck %s
// RUN: not heddle-opt %s --heddle-set-router='name=nonsense' 2>&1 | FileCheck %s --check-prefix=NONE

// Nothing without a name; a name that nobody has is refused.
// CHECK: heddle.route
// NONE: error: unsupported: router = nonsense, there is none
func.func @f(%z: tensor<?x8xf32>) -> tensor<?x2xf32> {
  %ids, %w = heddle.route %z {router = #heddle.router<k = 2>} : tensor<?x8xf32>
  return %w : tensor<?x2xf32>
}
