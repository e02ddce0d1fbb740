#include "runtime/engines/torch/aoti_model.h"

#include <cstdlib>

#include <ATen/DynamicLibrary.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/inductor/aoti_runner/model_container_runner.h>

#include "common/text.h"
#include "runtime/engines/torch/aoti_package.h"
#include "runtime/engines/torch/device.h"
#include "runtime/engines/torch/native_code.h"
#include "runtime/engines/torch/pytree.h"
#include "runtime/engines/torch/tensors.h"
#include "runtime/unpacked.h"

namespace mrun::torch_engine {
namespace {

using Runner = torch::inductor::AOTIModelContainerRunner;

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

// What the runner knows of the code and has no function for.
class RunnerInside : private Runner {
 public:
  // How many tensors the code takes: a number, text or None among forward's arguments became a part of it.
  static std::size_t input_count(const Runner& runner) {
    using Count = decltype(&AOTInductorModelContainerGetNumInputs);
    const auto count = reinterpret_cast<Count>(
        (runner.*&RunnerInside::model_so_)->sym("AOTInductorModelContainerGetNumInputs"));
    std::size_t result = 0;
    TORCH_CHECK(count(runner.*&RunnerInside::container_handle_, &result) == AOTI_RUNTIME_SUCCESS,
                "it does not say how many inputs it takes");
    return result;
  }
};

class AotiModel : public Model {
 public:
  AotiModel(UnpackedFolder folder, std::unique_ptr<Runner> runner, std::vector<std::string> inputs,
            std::vector<std::string> outputs, c10::Device device)
      : m_folder(std::move(folder)),
        m_runner(std::move(runner)),
        m_input_count(RunnerInside::input_count(*m_runner)),
        m_inputs(std::move(inputs)),
        m_outputs(std::move(outputs)),
        m_device(device) {}
  Result<void> run(const mrun_host& host, const mrun_request& request) const override;

 private:
  Result<std::vector<at::Tensor>> bind(const mrun_request& request) const;
  tl::unexpected<Error> wrong_count(std::size_t given, const std::vector<std::string>& missing) const;

  UnpackedFolder m_folder; // the code maps its constants from a file in it
  std::unique_ptr<Runner> m_runner;
  std::size_t m_input_count;
  std::vector<std::string> m_inputs;  // paths: "0", "scale"; more than m_input_count when some take no tensor
  std::vector<std::string> m_outputs; // paths: "logits"
  c10::Device m_device;
};

tl::unexpected<Error> AotiModel::wrong_count(std::size_t given,
                                             const std::vector<std::string>& missing) const {
  if (given > m_input_count)
    return fail(
        ErrorCode::input_type,
        fmt::format("the package takes {} tensors and was given {}: arguments that were numbers, text "
                    "or None when it was compiled are a part of it",
                    m_input_count, given));
  if (m_input_count == m_inputs.size())
    return fail(ErrorCode::input_missing, fmt::format("the program's input `{}` was not given", missing[0]),
                fmt::format("a pre step of mrun.yaml writes it: `to: {}`", missing[0]));
  return fail(
      ErrorCode::input_missing,
      fmt::format("the package takes {} tensors and was given {}; not given: `{}`", m_input_count, given,
                  fmt::join(missing, "`, `")),
      "a pre step of mrun.yaml writes those that are tensors: `to: in.NAME`; the others became a part "
      "of the package");
}

Result<std::vector<at::Tensor>> AotiModel::bind(const mrun_request& request) const {
  std::vector<at::Tensor> tensors;
  std::vector<std::string> missing;
  for (std::size_t i = 0; i < m_inputs.size(); ++i) {
    const std::string name = "in." + m_inputs[i];
    const mrun_value* value = find_input(request, name);
    if (value == nullptr) value = find_input(request, fmt::format("in.{}", i));
    if (value == nullptr) {
      missing.push_back(name);
      continue;
    }
    if (value->kind != MRUN_VALUE_TENSOR)
      return fail(ErrorCode::input_type, fmt::format("`{}` is not a tensor", name));
    MRUN_ASSIGN(at::Tensor tensor, tensor_of(*value->tensor, m_inputs[i]));
    // Aligned as the code expects, and its own: it may write into its inputs.
    tensors.push_back(m_device.is_cpu() ? tensor.clone() : to_device(std::move(tensor), m_device));
  }
  if (tensors.size() != m_input_count) return wrong_count(tensors.size(), missing);
  return tensors;
}

Result<void> AotiModel::run(const mrun_host& host, const mrun_request& request) const {
  const c10::InferenceMode inference;
  if (host.cancelled(&host, request.id) != 0)
    return fail(ErrorCode::cancelled, "the prediction was canceled");
  const StreamScope stream(m_device); // the runner works on the thread's stream
  MRUN_ASSIGN(std::vector<at::Tensor> inputs, bind(request));
  std::vector<at::Tensor> results;
  try {
    results = m_runner->boxed_run(std::move(inputs));
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "there is not enough memory for this input");
  } catch (const c10::Error& error) {
    return tl::unexpected(error_of(error));
  } catch (const std::exception& error) {
    return fail(ErrorCode::prediction_failed, first_line(error.what()));
  }
  if (results.size() != m_outputs.size())
    return fail(ErrorCode::prediction_failed,
                fmt::format("the package gave {} results, not the {} of its signature", results.size(),
                            m_outputs.size()));
  for (std::size_t i = 0; i < results.size(); ++i)
    if (results[i].defined()) // None doesn't come out
      MRUN_TRY(emit_value(host, request.id, m_outputs[i], results[i]));
  return {};
}

Result<std::vector<UnpackedFile>> files_of(const Archive& archive, const AotiPackage& package) {
  std::vector<UnpackedFile> files;
  for (const AotiFile& file : package.files) {
    MRUN_ASSIGN(const std::string_view bytes, archive.stored_bytes(file.member->name));
    files.push_back({file.name, bytes});
  }
  return files;
}

// The runner of the device's kind: LibTorch's own parts register them, libtorch_cuda.so the one for CUDA.
std::unique_ptr<Runner> make_runner(const UnpackedFolder& folder, const AotiPackage& package, int concurrency,
                                    c10::Device device) {
  const auto& makers = torch::inductor::getAOTIModelRunnerRegistry();
  const auto maker = makers.find(package.device);
  TORCH_CHECK(maker != makers.end(), "LibTorch has no runner for ", package.device);
  return maker->second(folder.path() + "/" + package.library,
                       static_cast<std::size_t>(std::max(concurrency, 1)), device.str(), folder.path(),
                       /*run_single_threaded=*/false);
}

template<class AnyRunner>
void read_weights(AnyRunner& runner, const std::string& path) {
  if constexpr (requires { runner.update_constant_buffer_from_blob(path); }) // torch 2.11 may lack it
    runner.update_constant_buffer_from_blob(path);
  else
    TORCH_CHECK(false, "this LibTorch reads no weights from a file of their own");
}

// Code without weights would read them from nowhere.
bool has_its_weights(const Runner& runner) {
  return runner.getConstantNamesToOriginalFQNs().empty() || !runner.extract_constants_map(false).empty();
}

Result<std::unique_ptr<Model>> open_package(UnpackedFolder folder, const AotiPackage& package,
                                            int concurrency, c10::Device device) {
  // The generated code checks the shapes of what it is given only when this is set as it is opened; without,
  // an input of another shape is read beyond its end. Loading is the only thing that runs.
  ::setenv("AOTI_RUNTIME_CHECK_INPUTS", "1", 1); // NOLINT(concurrency-mt-unsafe)
  std::unique_ptr<Runner> runner;
  std::vector<std::string> specs;
  try {
    runner = make_runner(folder, package, concurrency, device);
    if (!package.weights_blob.empty()) read_weights(*runner, folder.path() + "/" + package.weights_blob);
    if (!has_its_weights(*runner)) return refuse_without_weights();
    specs = runner->get_call_spec();
  } catch (const c10::Error& error) {
    return fail(ErrorCode::engine_unsupported,
                "the package can't be opened: " + first_line(error.what_without_backtrace()),
                "it was perhaps compiled by another torch than " MRUN_TORCH_BUILT_WITH
                ": compile it with that one");
  } catch (const std::exception& error) {
    return fail(ErrorCode::engine_unsupported,
                std::string("the package can't be opened: ") + first_line(error.what()));
  }
  if (specs.size() != 2)
    return fail(ErrorCode::load_failed, "the package does not say what it takes and gives");
  MRUN_ASSIGN(std::vector<std::string> inputs, input_paths(specs[0], {}, {}));
  MRUN_ASSIGN(std::vector<std::string> outputs, leaf_paths(specs[1], {}));
  return std::unique_ptr<Model>(std::make_unique<AotiModel>(std::move(folder), std::move(runner),
                                                            std::move(inputs), std::move(outputs), device));
}

// Code for another device can't run: it has kernels of that one alone.
Result<void> check_device(const AotiPackage& package, c10::Device device) {
  const std::string made_for =
      printable(package.device, 40) +
      (package.compute_capability.empty()
           ? ""
           : fmt::format(" (compute capability {})", printable(package.compute_capability, 40)));
  if (package.device != (device.is_cpu() ? "cpu" : "cuda"))
    return fail(
        ErrorCode::engine_unsupported,
        fmt::format("the package was compiled for {}, and the model runs on {}", made_for, device.str()),
        fmt::format("compile it for {}, or use --device {}", device.is_cpu() ? "the cpu" : "cuda",
                    printable(package.device, 40)));
  if (device.is_cpu()) return {};
  MRUN_ASSIGN(const std::string here, compute_capability(device));
  if (package.compute_capability == here) return {};
  return fail(ErrorCode::engine_unsupported,
              fmt::format("the package was compiled for {}, and {} has compute capability {}", made_for,
                          device.str(), here),
              "compile it again on a machine with such a GPU");
}

} // namespace

Result<std::unique_ptr<Model>> load_aoti(const mrun_host& host, const Archive& archive,
                                         const mrun_model& description) {
  MRUN_ASSIGN(const AotiPackage package, read_aoti_package(archive));
  MRUN_TRY(check_machine(package));
  MRUN_ASSIGN(const c10::Device device, open_device(description));
  MRUN_TRY(check_device(package, device));
  const int cache_fd = host.cache_dir(&host);
  if (cache_fd < 0)
    return fail(ErrorCode::load_failed, "there is no cache folder to unpack the package into");
  host.phase(&host, text_of("copy"));
  MRUN_ASSIGN(const std::vector<UnpackedFile> files, files_of(archive, package));
  MRUN_ASSIGN(UnpackedFolder folder, UnpackedFolder::open(cache_fd, "aoti", files));
  host.phase(&host, text_of("build"));
  if (device.is_cpu()) MRUN_TRY(open_libtorch_stand_in());
  return open_package(std::move(folder), package, description.concurrency, device);
}

} // namespace mrun::torch_engine
