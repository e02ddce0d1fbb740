// What stands between a process and an NVIDIA GPU: device nodes, the driver's library, and what that says.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cli/doctor/checks.h"

namespace mrun::cli {

// What the driver's library says of itself and of this machine.
struct CudaDriver {
  std::string load_error = {}; // why libcuda.so.1 can't be loaded; "" when it is
  int cuda_version = 0;        // 13000 is CUDA 13.0: the newest that it knows
  int init_result = 0;         // CUresult of cuInit; 0 is success
  int device_count = 0;        // that CUDA sees
};

struct GpuNode {
  std::string path;
  int open_error = 0; // errno of opening it to read and write
  std::string group = {};
};

struct GpuFacts {
  std::vector<GpuNode> nodes; // nvidiactl, nvidia-uvm, nvidia0, …
  CudaDriver driver;
};

// Where gather_gpu_facts looks; tests look elsewhere.
struct GpuPlaces {
  std::filesystem::path devices = "/dev";
  std::function<int(const std::filesystem::path&)> open_error; // errno, 0 when it opens; null: open(2)
  std::function<CudaDriver()> driver;                          // null: libcuda.so.1
};
// Opens what a CUDA program opens; the driver is asked only when every node could be opened. May take as long
// as the driver takes to wake a GPU.
GpuFacts gather_gpu_facts(const GpuPlaces& places);

// Completes `check`, of a machine that has a GPU and a LibTorch with CUDA of `torch_version` ("2.9.0+cu130"),
// with the first reason that keeps it from being used.
void judge_gpu(const GpuFacts& facts, const std::string& torch_version, Check& check);

} // namespace mrun::cli
