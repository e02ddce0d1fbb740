// TorchScript (.pt): a legacy format of PyTorch that many users still hold files of. One file, so that it can
// go.
#include <algorithm>
#include <cstring>

#include <caffe2/serialize/read_adapter_interface.h>
#include <fmt/format.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/codegen/fuser/interface.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/runtime/profiling_graph_executor_impl.h>
#include <torch/csrc/jit/serialization/import.h>

#include "common/limits.h"
#include "common/text.h"
#include "runtime/engines/torch/argument_checks.h"
#include "runtime/engines/torch/device.h"
#include "runtime/engines/torch/model.h"
#include "runtime/engines/torch/script_check.h"
#include "runtime/engines/torch/script_device.h"
#include "runtime/engines/torch/script_inputs.h"
#include "runtime/engines/torch/script_state.h"
#include "runtime/engines/torch/tensors.h"

namespace mrun::torch_engine {
namespace {

// The file as LibTorch's reader wants it. What the reader copies is asked for in pieces, so that a cut file
// is not joined, and so copied once more, for a long read.
class DoorReader : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit DoorReader(const mrun_file& file) : m_file(file) {}
  std::size_t size() const override { return m_file.size; }
  std::size_t read(std::uint64_t position, void* buffer, std::size_t length,
                   const char* what) const override {
    TORCH_CHECK(position <= m_file.size && length <= m_file.size - position,
                "a read beyond the file's end: ", what);
    for (std::size_t done = 0; done < length;) {
      const std::uint64_t at = position + done;
      const std::size_t piece = std::min<std::size_t>(length - done, k_piece_bytes - at % k_piece_bytes);
      const Result<std::string_view> bytes = span_of(m_file, at, piece);
      TORCH_CHECK(bytes, bytes.error().message);
      std::memcpy(static_cast<char*>(buffer) + done, bytes->data(), piece);
      done += piece;
    }
    return length;
  }

 private:
  static constexpr std::size_t k_piece_bytes = 64 * k_kib;

  const mrun_file& m_file;
};

std::string first_line(std::string_view text) {
  text = trim(text); // parse errors begin with an empty line
  return std::string(text.substr(0, text.find('\n')));
}

// The innermost line of a TorchScript error; its head is a preamble about the interpreter. What the model
// raised itself stands in the last line, as `builtins.ValueError: …`.
std::string script_message(const std::string& text) {
  const std::size_t mark = text.rfind("RuntimeError: ");
  if (mark != std::string::npos) return first_line(std::string_view(text).substr(mark + 14));
  const std::string_view whole = trim(text);
  const std::string_view last = trim(whole.substr(whole.rfind('\n') + 1));
  return last.starts_with("builtins.") ? std::string(last.substr(9)) : first_line(text);
}

Error script_error(const c10::Error& error) {
  Error result = error_of(error);
  result.message = script_message(error.what_without_backtrace());
  // The interpreter wraps what an operator threw, so the kind stands in the text alone.
  const auto says = [&](std::string_view words) { return result.message.find(words) != std::string::npos; };
  if (says("out of memory")) result.code = ErrorCode::out_of_memory;
  return result;
}

class TorchScriptModel : public Model {
 public:
  TorchScriptModel(torch::jit::Module module, c10::Device device)
      : m_module(std::move(module)),
        m_device(device),
        m_has_state(has_state(m_module)) {}
  Result<void> run(const mrun_host& host, const mrun_request& request) const override;

 private:
  torch::jit::Module m_module;
  c10::Device m_device;
  bool m_has_state; // a run may write into the module: each has one of its own
};

Result<void> TorchScriptModel::run(const mrun_host& host, const mrun_request& request) const {
  const c10::InferenceMode inference;
  const ArgumentChecks::Scope checked;
  if (host.cancelled(&host, request.id) != 0)
    return fail(ErrorCode::cancelled, "the prediction was canceled");
  const StreamScope stream(m_device);
  c10::IValue result;
  try {
    const torch::jit::Method forward = m_module.get_method("forward");
    MRUN_ASSIGN(std::vector<c10::IValue> inputs,
                bind_script_inputs(request, forward.function().getSchema(), m_device));
    const torch::jit::Module module = m_has_state ? with_own_state(m_module) : m_module;
    result = module.get_method("forward")(std::move(inputs));
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "there is not enough memory for this input");
  } catch (const c10::Error& error) {
    return tl::unexpected(script_error(error));
  } catch (const std::exception& error) {
    return fail(ErrorCode::prediction_failed, script_message(error.what()));
  }
  return emit_value(host, request.id, "", result);
}

} // namespace

Result<std::unique_ptr<Model>> load_torchscript(const mrun_host& host, const Archive& archive,
                                                const LoadOptions& options) {
  host.phase(&host, text_of("build"));
  const ArgumentChecks::Scope checked; // freezing runs what depends on constants alone
  try {
    // The profiling executor makes the first calls of each shape slow and keeps memory; only both switches
    // together are sound (pytorch issue 46380).
    torch::jit::getExecutorMode() = false;
    torch::jit::getProfilingMode() = false;
    torch::jit::overrideCanFuseOnGPU(false); // the fuser of that executor compiles code as it runs
    MRUN_TRY(check_script_code(std::make_shared<DoorReader>(archive.file())));
    const c10::Device device = device_of(options);
    torch::jit::Module module = torch::jit::load(std::make_shared<DoorReader>(archive.file()), device);
    MRUN_TRY(check_script(module, options.own_operators));
    set_script_device(module, device);
    module.eval();
    if (!module.find_method("forward"))
      return fail(ErrorCode::engine_unsupported, "the TorchScript module has no `forward`");
    MRUN_TRY(check_script_inputs(module.get_method("forward").function().getSchema()));
    if (module.hasattr("training")) { // files that are frozen already lack it
      torch::jit::Module frozen = torch::jit::freeze(module);
      if (!writes_constants(frozen)) module = std::move(frozen);
    } else {
      MRUN_TRY(keep_written_constants(module));
    }
    return std::unique_ptr<Model>(std::make_unique<TorchScriptModel>(std::move(module), device));
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    const bool missing_operator = message.find("Unknown builtin op") != std::string::npos ||
                                  message.find("unknown operator") != std::string::npos;
    return fail(missing_operator ? ErrorCode::engine_unsupported : ErrorCode::load_failed,
                "TorchScript: " + first_line(message));
  } catch (const std::exception& error) {
    return fail(ErrorCode::load_failed, "TorchScript: " + first_line(error.what()));
  }
}

} // namespace mrun::torch_engine
