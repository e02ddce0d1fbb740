// An exported program that is ready to run: code, mapped weights and what its inputs must look like.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/engines/torch/compile.h"
#include "runtime/engines/torch/exported_archive.h"
#include "runtime/engines/torch/inspect/size_expression.h"
#include "runtime/engines/torch/model.h"
#include "runtime/engines/torch/shared_memory.h"

namespace mrun::torch_engine {

// One input that a prediction gives.
struct UserInput {
  std::string name;          // "in.input_ids": its pytree path
  std::string plain_name;    // "input_ids": a JSON number of that name serves too
  std::string position_name; // "in.0"
  std::string flat_name;     // "opts_p" of "opts.p": what a manifest can call it
  ValueId value = k_no_value;
  ArgumentKind kind = ArgumentKind::tensor; // or sym_int, sym_float, sym_bool
  TensorMeta meta;
  std::vector<std::optional<SizeExpression>>
      expressions; // by axis: of sizes that are neither number nor symbol
};

// An argument that export made a part of the program: giving it is allowed, another value is not.
struct ConstantInput {
  std::string name;       // "in.flag"
  std::string plain_name; // "flag"
  GuardNumber value;
};

struct UserOutput {
  std::size_t index = 0; // of the graph's outputs
  std::string path;
};

// What of the model's memory a prediction takes a copy of, since it writes there.
struct CopyPlan {
  bool folded = true; // with what was folded at load; false: from the weights, running every instruction
  bool copies_inputs = false;
  std::vector<std::vector<ValueId>>
      copied; // groups of values that share their memory, and still do as copies
};

class ExportedModel : public Model {
 public:
  static Result<std::unique_ptr<Model>> load(const mrun_host& host, const Archive& archive,
                                             const LoadOptions& options);
  Result<void> run(const mrun_host& host, const mrun_request& request) const override;

 private:
  explicit ExportedModel(c10::Device device) : m_device(device) {}
  Result<void> map_weights(const Archive& archive, const ProgramPlace& place, const Program& program);
  Result<void> set_signature(Program& program);
  // `inputs` gets the memory of inputs that are not copied.
  Result<std::vector<c10::IValue>> bind(const mrun_request& request, const CopyPlan& plan,
                                        SharedMemory& inputs) const;
  const std::vector<c10::IValue>& initial(const CopyPlan& plan) const;
  void set_plan();
  void add_copied(CopyPlan& plan, const void* memory) const;
  std::shared_ptr<const CopyPlan> plan() const;
  // After a run by `used` was about to write into `conflict`. False: that is copied already.
  bool learn(const CopyPlan& used, const void* conflict) const;
  Result<void> check_constants(const mrun_request& request) const;
  Result<void> check_guards(const std::vector<c10::IValue>& slots) const;
  std::optional<GuardNumber> guard_number(const std::vector<c10::IValue>& slots, const std::string& path,
                                          std::optional<std::int64_t> axis) const;

  c10::Device m_device;
  std::unique_ptr<CompiledGraph> m_graph;
  bool m_bf16 = false;                // matrix products and convolutions in bf16
  std::vector<c10::IValue> m_initial; // slots with weights and constants in place
  std::vector<c10::IValue> m_weights; // the same before folding; empty when the graph writes nowhere
  SharedMemory m_shared;              // of both
  mutable std::mutex m_plan_mutex;
  mutable std::shared_ptr<const CopyPlan> m_plan; // replaced as a whole: predictions that run keep theirs
  std::vector<UserInput> m_inputs;
  std::vector<UserOutput> m_outputs;
  std::vector<ConstantInput> m_constants;
  std::vector<Guard> m_guards;
  std::unordered_map<std::string, Range> m_ranges;
};

} // namespace mrun::torch_engine
