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

#include "common/json.h"
#include "common/limits.h"
#include "common/text.h"
#include "runtime/engines/torch/device.h"
#include "runtime/engines/torch/model.h"
#include "runtime/engines/torch/script_check.h"
#include "runtime/engines/torch/script_device.h"
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

Result<c10::IValue> json_value(const mrun_value& value, const std::string& name, const c10::TypePtr& type) {
  MRUN_ASSIGN(const Json json, parse_json(view_of(value.text), ErrorCode::input_type, name));
  if (json.is_null()) return c10::IValue();
  if (json.is_boolean()) return c10::IValue(json.get<bool>());
  if (json.is_string()) return c10::IValue(json.get<std::string>());
  if (json.is_number_integer() && type->kind() != c10::TypeKind::FloatType)
    return c10::IValue(json.get<std::int64_t>());
  if (json.is_number()) return c10::IValue(json.get<double>());
  return fail(ErrorCode::input_type,
              fmt::format("input `{}` must be one value, not a list or an object", name));
}

class TorchScriptModel : public Model {
 public:
  TorchScriptModel(torch::jit::Module module, c10::Device device)
      : m_module(std::move(module)),
        m_device(device) {}
  Result<void> run(const mrun_host& host, const mrun_request& request) const override;

 private:
  Result<std::vector<c10::IValue>> bind(const mrun_request& request) const;

  torch::jit::Module m_module;
  c10::Device m_device;
};

Result<std::vector<c10::IValue>> TorchScriptModel::bind(const mrun_request& request) const {
  const torch::jit::Method method = m_module.get_method("forward");
  const auto& arguments = method.function().getSchema().arguments();
  std::vector<c10::IValue> values;
  for (std::size_t i = 1; i < arguments.size(); ++i) { // 0 is self
    const std::string& name = arguments[i].name();
    const mrun_value* value = find_input(request, "in." + name);
    if (value == nullptr) value = find_input(request, fmt::format("in.{}", i - 1));
    if (value == nullptr && arguments[i].type()->kind() != c10::TypeKind::TensorType)
      value = find_input(request, name);
    if (value == nullptr && arguments[i].default_value()) {
      values.push_back(*arguments[i].default_value());
    } else if (value == nullptr) {
      return fail(ErrorCode::input_missing, fmt::format("the program's input `in.{}` was not given", name),
                  fmt::format("a pre step of mrun.yaml writes it: `to: in.{}`", name));
    } else if (value->kind == MRUN_VALUE_TENSOR) {
      MRUN_ASSIGN(at::Tensor tensor, tensor_of(*value->tensor, name));
      // A script may write into its inputs.
      values.emplace_back(m_device.is_cpu() ? tensor.clone() : to_device(std::move(tensor), m_device));
    } else if (value->kind == MRUN_VALUE_JSON) {
      MRUN_ASSIGN(c10::IValue parsed, json_value(*value, name, arguments[i].type()));
      values.push_back(std::move(parsed));
    } else {
      return fail(ErrorCode::input_type, fmt::format("`in.{}` is neither a tensor nor JSON", name));
    }
  }
  return values;
}

Result<void> TorchScriptModel::run(const mrun_host& host, const mrun_request& request) const {
  const c10::InferenceMode inference;
  if (host.cancelled(&host, request.id) != 0)
    return fail(ErrorCode::cancelled, "the prediction was canceled");
  const StreamScope stream(m_device);
  MRUN_ASSIGN(std::vector<c10::IValue> inputs, bind(request));
  c10::IValue result;
  try {
    result = m_module.get_method("forward")(std::move(inputs));
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
    if (module.hasattr("training")) module = torch::jit::freeze(module); // already frozen ones lack it
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
