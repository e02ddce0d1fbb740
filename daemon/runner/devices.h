// Where a model may run on this machine.
#pragma once

#include <string>

#include "common/error.h"
#include "daemon/runner/runner.h"

namespace mrun {

// The NVIDIA GPUs that the driver shows: files `nvidia<N>` of `devices` (/dev). Says nothing of whether they
// work: the worker that opens one does. No CUDA in the daemon.
int count_gpus(const std::filesystem::path& devices);

// The device that a request means here: "cpu" or "cuda:N". `asked`: auto, cpu, cuda (the first), cuda:N; auto
// is a GPU when the machine has one, LibTorch can use it and the manifest's `requires.devices` allows it.
// Errors: device_unavailable with what is missing.
Result<std::string> resolve_device(const RunnerConfig& config, const std::string& asked,
                                   const Manifest& manifest);

// Why `auto` is the CPU for a model that could use a GPU, in words for its user; "" where nobody would
// wonder: the model names no GPU, and the machine has none.
std::string why_not_gpu(const RunnerConfig& config, const Manifest& manifest);

} // namespace mrun
