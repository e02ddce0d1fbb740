// impl/torch.so: the predictor behind torch.so's loader. Linked to LibTorch, opened only after it.
#include <filesystem>
#include <memory>
#include <new>

#include <fmt/format.h>
#include <torch/version.h>

#include "common/text.h"
#include "runtime/engines/torch/aoti_model.h"
#include "runtime/engines/torch/archive.h"
#include "runtime/engines/torch/argument_checks.h"
#include "runtime/engines/torch/detection/operators.h"
#include "runtime/engines/torch/device.h"
#include "runtime/engines/torch/model.h"
#include "runtime/engines/torch/native_code.h"
#include "runtime/engines/torch/quantized_decomposed.h"
#include "runtime/engines/torch/tensors.h"
#include "runtime/engines/torch/torch_headers.h"
#include "runtime/engines/torch/warm.h"
#include "runtime/mrun_predictor.h"

namespace mrun::torch_engine {
namespace {

struct LoadedModel {
  const mrun_host& host;
  DetectionOperators detection; // these outlive the model, which calls them
  QuantizedOperators quantized;
  ArgumentChecks checks;
  std::unique_ptr<Model> model;
};

mrun_status status_of(ErrorCode code) {
  switch (code) {
  case ErrorCode::engine_unsupported:
  case ErrorCode::device_unavailable:
    return MRUN_UNSUPPORTED;
  case ErrorCode::device_error:
    return MRUN_DEVICE_ERROR;
  case ErrorCode::input_missing:
  case ErrorCode::input_type:
  case ErrorCode::input_range:
    return MRUN_INVALID_INPUT;
  case ErrorCode::cancelled:
    return MRUN_CANCELLED;
  case ErrorCode::out_of_memory:
    return MRUN_OUT_OF_MEMORY;
  default:
    return MRUN_FAILED;
  }
}

mrun_status report(const mrun_host& host, std::uint64_t request, const Error& error) {
  std::string details;
  for (const std::string& note : error.notes)
    details += note + "\n";
  if (!error.hint.empty()) details += error.hint + "\n";
  host.fail(&host, request, text_of(error.message), text_of(details));
  return status_of(error.code);
}

const mrun_file* find_file(const mrun_model& description) {
  for (std::size_t i = 0; i < description.file_count; ++i)
    if (view_of(description.files[i].name) == view_of(description.main_file)) return &description.files[i];
  return nullptr;
}

// What the kind of the file does not go with.
Result<void> check_kind(FileKind kind, const RunOptions& options) {
  switch (kind) {
  case FileKind::exported_program:
    return {};
  case FileKind::torchscript:
    if (!options.bf16) return {};
    return fail(ErrorCode::engine_unsupported, "the option `dtype` is not for TorchScript",
                "export the model with torch.export");
  case FileKind::aot_inductor:
    if (!options.native_code) return refuse_native("the file is an AOTInductor package");
    if (!options.bf16) return {};
    return fail(ErrorCode::engine_unsupported, "the option `dtype` is not for AOTInductor packages",
                "compile the package in bf16");
  default:
    return refuse_kind(kind);
  }
}

Result<std::unique_ptr<Model>> load_kind(FileKind kind, const mrun_host& host, const Archive& archive,
                                         const mrun_model& description, const LoadOptions& options) {
  if (kind == FileKind::aot_inductor) return load_aoti(host, archive, description);
  return kind == FileKind::torchscript ? load_torchscript(host, archive, options)
                                       : load_exported_program(host, archive, options);
}

Result<std::unique_ptr<LoadedModel>> load_model(const mrun_host& host, const mrun_model& description) {
  at::set_num_threads(std::max(description.threads, 1));
  // Else an index of a sparse tensor is followed wherever it points.
  at::globalContext().setCheckSparseTensorInvariants(true);
  MRUN_TRY(open_device(description));
  host.phase(&host, text_of("map"));
  const mrun_file* file = find_file(description);
  if (file == nullptr)
    return fail(ErrorCode::load_failed,
                fmt::format("the bundle has no file `{}`", printable(view_of(description.main_file), 200)));
  MRUN_ASSIGN(const Archive archive, Archive::open(*file));
  MRUN_ASSIGN(const RunOptions options, read_run_options(view_of(description.spec_json)));
  const FileKind kind = kind_of(archive.directory().members());
  MRUN_TRY(check_kind(kind, options));
  LoadOptions load_options;
  load_options.device_type = description.device_type;
  load_options.device_id = description.device_id;
  load_options.bf16 = options.bf16;
  MRUN_ASSIGN(load_options.own_operators, open_operator_libraries(description, options));
  auto loaded =
      std::make_unique<LoadedModel>(LoadedModel{host, {}, {}, {}, {}}); // after what a bundle brings itself
  MRUN_ASSIGN(loaded->model, load_kind(kind, host, archive, description, load_options));
  return loaded;
}

// Nothing may leave the module by throwing.
template<class Body>
mrun_status at_edge(const mrun_host& host, std::uint64_t request, Body body) {
  try {
    const Result<void> done = body();
    return done ? MRUN_OK : report(host, request, done.error());
  } catch (const std::bad_alloc&) {
    return report(host, request, fail(ErrorCode::out_of_memory, "there is not enough memory").value());
  } catch (const c10::Error& error) {
    return report(host, request, error_of(error));
  } catch (const std::exception& error) {
    return report(host, request, fail(ErrorCode::prediction_failed, printable(error.what(), 400)).value());
  }
}

mrun_status warm(const mrun_host* host) {
  return at_edge(*host, 0, [&]() -> Result<void> {
    warm_up();
    std::size_t threads = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/task"))
      ++threads;
    if (threads != 1)
      return fail(ErrorCode::internal, fmt::format("LibTorch left {} threads after its warm-up", threads));
    return {};
  });
}

mrun_status load(const mrun_host* host, const mrun_model* description, void** model) {
  return at_edge(*host, 0, [&]() -> Result<void> {
    MRUN_ASSIGN(std::unique_ptr<LoadedModel> loaded, load_model(*host, *description));
    *model = loaded.release(); // unload takes it back
    return {};
  });
}

mrun_status start(void* model, const mrun_request* requests, std::size_t count) {
  const auto& loaded = *static_cast<const LoadedModel*>(model);
  for (std::size_t i = 0; i < count; ++i) {
    const mrun_status status =
        at_edge(loaded.host, requests[i].id, [&] { return loaded.model->run(loaded.host, requests[i]); });
    if (status != MRUN_OK) return status;
  }
  return MRUN_OK;
}

void unload(void* model) {
  const std::unique_ptr<LoadedModel> owned(static_cast<LoadedModel*>(model));
}

constexpr std::string_view k_name = "torch";
constexpr std::string_view k_version = MRUN_VERSION " (torch " TORCH_VERSION ")";

constexpr mrun_predictor k_predictor = {sizeof(mrun_predictor),
                                        MRUN_ABI_MAJOR,
                                        MRUN_ABI_MINOR,
                                        0,
                                        {k_name.data(), k_name.size()},
                                        {k_version.data(), k_version.size()},
                                        warm,
                                        load,
                                        start,
                                        nullptr,
                                        unload};

} // namespace
} // namespace mrun::torch_engine

extern "C" const mrun_predictor* mrun_predictor_v1(const mrun_host* host) {
  if (host == nullptr || host->abi_major != MRUN_ABI_MAJOR || host->struct_size < sizeof(mrun_host))
    return nullptr;
  return &mrun::torch_engine::k_predictor;
}
