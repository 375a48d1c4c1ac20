// RUN: heddle-opt %s -split-input-file --heddle-place-experts | FileCheck %s

// What most tokens went to comes first, equals as they were.
// CHECK: heddle.resident_map = {a = array<i64: 1, 3, 0, 2>, b = array<i64: 0, 1>}
module attributes {heddle.expert_uses = {a = array<i64: 3, 0, 7, 3>, b = array<i64: 0, 0>}} {}

// -----

// Nothing without a profile.
// CHECK-NOT: heddle.resident_map
module {}
