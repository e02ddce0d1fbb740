#include "runtime/engines/torch/aoti_model.h"

#include <cstdlib>

#include <fmt/format.h>
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

class AotiModel : public Model {
 public:
  AotiModel(UnpackedFolder folder, std::unique_ptr<Runner> runner, std::vector<std::string> inputs,
            std::vector<std::string> outputs, c10::Device device)
      : m_folder(std::move(folder)),
        m_runner(std::move(runner)),
        m_inputs(std::move(inputs)),
        m_outputs(std::move(outputs)),
        m_device(device) {}
  Result<void> run(const mrun_host& host, const mrun_request& request) const override;

 private:
  Result<std::vector<at::Tensor>> bind(const mrun_request& request) const;

  UnpackedFolder m_folder; // the code maps its constants from a file in it
  std::unique_ptr<Runner> m_runner;
  std::vector<std::string> m_inputs;  // paths: "0", "scale"
  std::vector<std::string> m_outputs; // paths: "logits"
  c10::Device m_device;
};

Result<std::vector<at::Tensor>> AotiModel::bind(const mrun_request& request) const {
  std::vector<at::Tensor> tensors;
  for (std::size_t i = 0; i < m_inputs.size(); ++i) {
    const mrun_value* value = find_input(request, "in." + m_inputs[i]);
    if (value == nullptr) value = find_input(request, fmt::format("in.{}", i));
    if (value == nullptr)
      return fail(ErrorCode::input_missing,
                  fmt::format("the program's input `in.{}` was not given", m_inputs[i]),
                  fmt::format("a pre step of mrun.yaml writes it: `to: in.{}`", m_inputs[i]));
    if (value->kind != MRUN_VALUE_TENSOR)
      return fail(ErrorCode::input_type, fmt::format("`in.{}` is not a tensor", m_inputs[i]));
    MRUN_ASSIGN(at::Tensor tensor, tensor_of(*value->tensor, m_inputs[i]));
    // Aligned as the code expects, and its own: it may write into its inputs.
    tensors.push_back(m_device.is_cpu() ? tensor.clone() : to_device(std::move(tensor), m_device));
  }
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

Result<std::unique_ptr<Model>> open_package(UnpackedFolder folder, const AotiPackage& package,
                                            int concurrency, c10::Device device) {
  // The generated code checks the shapes of what it is given only when this is set as it is opened; without,
  // an input of another shape is read beyond its end. Loading is the only thing that runs.
  ::setenv("AOTI_RUNTIME_CHECK_INPUTS", "1", 1); // NOLINT(concurrency-mt-unsafe)
  std::unique_ptr<Runner> runner;
  std::vector<std::string> specs;
  try {
    runner = make_runner(folder, package, concurrency, device);
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
