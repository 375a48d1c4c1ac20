//===- Passes.td - A pass that joins a phase ---------------*- tablegen -*-===//
#ifndef EXAMPLE_PASSES_TD
#define EXAMPLE_PASSES_TD

include "mlir/Pass/PassBase.td"

def FoldScale : Pass<"example-fold-scale", "::mlir::ModuleOp"> {
  let summary = "Folds a scale into the squared ReLU before it";
  let description = [{
    Before: `%1 = example.relu2 %0`, `%2 = example.scale %1 {factor = 0.5 : f32}`;
    after: `%1 = example.relu2 %0 {factor = 0.5 : f32}`. Both round the square and then its
    multiple, so no bit changes; hence a factor other than 1 is left alone.
  }];
  let options = [Option<"most", "most", "int64_t", "-1",
                        "Folds at most so many; -1: all">];
  let statistics = [Statistic<"folded", "folded", "Scales that were folded">];
}

#endif
