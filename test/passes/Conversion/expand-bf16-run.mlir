// Rounding to bf16 by integer operations: the upper half of an f32, or the next where the lower half
// is more than half of its range, or just that and the upper one odd. Every upper half, with lower
// ones around each border.
// RUN: heddle-opt %s --pass-pipeline='builtin.module(heddle-expand-math,convert-scf-to-cf,convert-vector-to-llvm,convert-math-to-llvm,convert-arith-to-llvm,convert-index-to-llvm,convert-cf-to-llvm,convert-func-to-llvm,reconcile-unrealized-casts)' | mlir-runner -O2 -e main -entry-point-result=i32 | FileCheck %s

// CHECK: {{^}}0{{$}}

func.func private @expanded(%x: vector<1xf32>) -> vector<1xbf16> attributes {heddle.level = "x86-64-v3"} {
  %0 = arith.truncf %x : vector<1xf32> to vector<1xbf16>
  return %0 : vector<1xbf16>
}

// Numbers that are rounded another way, and NaNs that do not stay so.
func.func @main() -> i32 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c5 = arith.constant 5 : index
  %end = arith.constant 65536 : index
  %none = arith.constant 0 : i32
  %one = arith.constant 1 : i32
  %i16 = arith.constant 16 : i32
  %lows = arith.constant dense<[0, 1, 32767, 32768, 65535]> : vector<5xi32>
  %count = scf.for %i = %c0 to %end step %c1 iter_args(%n = %none) -> i32 {
    %upper32 = arith.index_cast %i : index to i32
    %high = arith.shli %upper32, %i16 : i32
    %inner = scf.for %j = %c0 to %c5 step %c1 iter_args(%m = %n) -> i32 {
      %low = vector.extract %lows[%j] : i32 from vector<5xi32>
      %bits = arith.ori %high, %low : i32
      %x = arith.bitcast %bits : i32 to f32
      %xs = vector.broadcast %x : f32 to vector<1xf32>
      %rs = func.call @expanded(%xs) : (vector<1xf32>) -> vector<1xbf16>
      %r = vector.extract %rs[0] : bf16 from vector<1xbf16>
      %rbits = arith.bitcast %r : bf16 to i16
      %r32 = arith.extui %rbits : i16 to i32
      %c32768 = arith.constant 32768 : i32
      %above = arith.cmpi ugt, %low, %c32768 : i32
      %tie = arith.cmpi eq, %low, %c32768 : i32
      %bit = arith.andi %upper32, %one : i32
      %isOdd = arith.cmpi eq, %bit, %one : i32
      %tieUp = arith.andi %tie, %isOdd : i1
      %up = arith.ori %above, %tieUp : i1
      %next = arith.addi %upper32, %one : i32
      %expected = arith.select %up, %next, %upper32 : i32
      %same = arith.cmpi eq, %r32, %expected : i32
      %nan = arith.cmpf uno, %x, %x : f32
      %wide = arith.shli %r32, %i16 : i32
      %back = arith.bitcast %wide : i32 to f32
      %stays = arith.cmpf uno, %back, %back : f32
      %good = arith.select %nan, %stays, %same : i1
      %more = arith.addi %m, %one : i32
      %result = arith.select %good, %m, %more : i32
      scf.yield %result : i32
    }
    scf.yield %inner : i32
  }
  return %count : i32
}
