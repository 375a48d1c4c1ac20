// RUN: not heddle-opt %s --heddle-emit-probes 2>&1 | FileCheck %s
// CHECK: error: @probe.f32 is there before the probe
module attributes {heddle.target = "aarch64"} {
  func.func @probe.f32() {
    return
  }
}
