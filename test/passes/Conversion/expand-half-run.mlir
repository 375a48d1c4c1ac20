// Every f16: what the integer operations make of it has the bits of the processor's own
// conversion; a NaN stays one.
// RUN: heddle-opt %s --pass-pipeline='builtin.module(heddle-expand-math,convert-scf-to-cf,convert-vector-to-llvm,convert-arith-to-llvm,convert-index-to-llvm,convert-cf-to-llvm,convert-func-to-llvm,reconcile-unrealized-casts)' | mlir-runner -O2 -e main -entry-point-result=i32 | FileCheck %s

// CHECK: {{^}}0{{$}}

func.func private @expanded(%h: vector<4xf16>) -> vector<4xf32> attributes {heddle.level = "x86-64-v2"} {
  %0 = arith.extf %h : vector<4xf16> to vector<4xf32>
  return %0 : vector<4xf32>
}

// Differences.
func.func @main() -> i32 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %end = arith.constant 65536 : index
  %none = arith.constant 0 : i32
  %one = arith.constant 1 : i32
  %count = scf.for %i = %c0 to %end step %c1 iter_args(%n = %none) -> i32 {
    %bits = arith.index_cast %i : index to i16
    %h = arith.bitcast %bits : i16 to f16
    %hs = vector.broadcast %h : f16 to vector<4xf16>
    %ours = func.call @expanded(%hs) : (vector<4xf16>) -> vector<4xf32>
    %a = vector.extract %ours[3] : f32 from vector<4xf32>
    %b = arith.extf %h : f16 to f32
    %ai = arith.bitcast %a : f32 to i32
    %bi = arith.bitcast %b : f32 to i32
    %same = arith.cmpi eq, %ai, %bi : i32
    %aNaN = arith.cmpf uno, %a, %a : f32
    %bNaN = arith.cmpf uno, %b, %b : f32
    %nan = arith.andi %aNaN, %bNaN : i1
    %good = arith.ori %same, %nan : i1
    %m = arith.addi %n, %one : i32
    %next = arith.select %good, %n, %m : i32
    scf.yield %next : i32
  }
  return %count : i32
}
