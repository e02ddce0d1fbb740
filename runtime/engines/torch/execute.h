// Runs a compiled graph: one thread, slots of its own, shared code and weights.
#pragma once

#include <vector>

#include "runtime/engines/torch/compile.h"
#include "runtime/engines/torch/shared_memory.h"
#include "runtime/mrun_predictor.h"

namespace mrun::torch_engine {

// A call of an operator as it was made, for measurements.
struct RecordedCall {
  c10::OperatorHandle op;
  std::vector<c10::IValue> arguments;
};

struct RunContext {
  const mrun_host& host; // asked between instructions whether to stop
  std::uint64_t request = 0;
  std::vector<RecordedCall>* recorder = nullptr;
  c10::DeviceType device = c10::DeviceType::CPU; // where the graph runs, for its autocast regions
  bool skips_folded = true;                      // of the outermost graph; false: runs every instruction
  const SharedMemory* shared = nullptr; // of the model: an operator that would write there is not called
  const SharedMemory* inputs = nullptr; // of the request, the same
  const void* conflict = nullptr;       // set then: the memory_of what it would have written into
};

// `slots` has value_count entries with the inputs (and weights) in place; consumed. Gives the graph's outputs
// in order. Needs InferenceMode. Error prediction_failed names node, operator and Python line; cancelled;
// out_of_memory. An error with `context.conflict` set: nothing shared has changed, and a run with a copy of
// that memory may do better.
Result<std::vector<c10::IValue>> run_graph(const CompiledGraph& graph, std::vector<c10::IValue> slots,
                                           RunContext& context);

// One instruction alone, with the same slots. Errors as run_graph's, without the node's name.
Result<void> run_instruction_once(const Instruction& instruction, std::vector<c10::IValue>& slots,
                                  RunContext& context);

} // namespace mrun::torch_engine
