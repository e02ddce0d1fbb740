// What is done to a compiled graph once its weights are there, before it runs for the first time.
#pragma once

#include <vector>

#include "runtime/engines/torch/execute.h"

namespace mrun::torch_engine {

// Runs the instructions that depend on nothing but weights and constants once, keeps what they give in
// `initial`, and marks them as folded; in a graph that writes nowhere they are taken out. Not folded: what
// writes, draws random numbers, has sub-graphs, fails, or gives over 1 MiB of memory of its own (instances
// share the weights, and would not share that). `initial` has value_count entries with the weights in place.
void fold_constants(const mrun_host& host, CompiledGraph& graph, std::vector<c10::IValue>& initial);

// Weights in f32 that only matrix products and convolutions read become `type`, as torch.autocast would make
// them anew in each run.
void cast_weights(const CompiledGraph& graph, std::vector<c10::IValue>& initial, c10::ScalarType type);

} // namespace mrun::torch_engine
