// A loaded model of any kind of file that the engine reads.
#pragma once

#include <memory>
#include <span>

#include "common/error.h"
#include "runtime/engines/torch/allowed.h"
#include "runtime/engines/torch/archive.h"
#include "runtime/mrun_predictor.h"

namespace mrun::torch_engine {

// run may be called from several threads at once, each with its own values; no prediction sees another.
class Model {
 public:
  virtual ~Model() = default;
  // Runs one prediction and emits its outputs. Errors: input_missing, input_type, input_range (the message
  // names the graph's input), prediction_failed, cancelled, out_of_memory, output_limit.
  virtual Result<void> run(const mrun_host& host, const mrun_request& request) const = 0;
};

enum class FileKind { exported_program, torchscript, aot_inductor, pickled_tensors, old_export, unknown };

// What an archive holds, by its members' names.
FileKind kind_of(std::span<const ZipMember> members);
// Why a kind that is no model can't be loaded, and what to do. Error engine_unsupported, always.
tl::unexpected<Error> refuse_kind(FileKind kind);
// A weight that is no plain tensor. Error engine_unsupported, always.
tl::unexpected<Error> refuse_pickled(std::string_view weight);

// How the model is to run, beside what its file says.
struct LoadOptions {
  std::int32_t device_type = 1; // of mrun_model: DLPack's CPU or CUDA, opened before (device.h)
  std::int32_t device_id = 0;
  OperatorNames own_operators; // registered by the bundle's own libraries: allowed, whatever they do
  bool bf16 = false;           // matrix products and convolutions in bf16, as torch.autocast does it
};

// Both announce the phase build. `archive` and `options` are needed during the call only.
Result<std::unique_ptr<Model>> load_exported_program(const mrun_host& host, const Archive& archive,
                                                     const LoadOptions& options);
Result<std::unique_ptr<Model>> load_torchscript(const mrun_host& host, const Archive& archive,
                                                const LoadOptions& options);

} // namespace mrun::torch_engine
