#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>

#include "daemon/runner/devices.h"

namespace mrun {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "mrun-devices-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  void touch(const std::string& name) const {
    fs::create_directories((path / name).parent_path());
    const std::ofstream file(path / name);
    REQUIRE(file.good());
  }
  fs::path path;
};

Manifest torch_model(std::vector<std::string> devices = {}) {
  Manifest manifest;
  manifest.name = "demo/net";
  manifest.engine = "torch";
  manifest.devices = std::move(devices);
  return manifest;
}

// Two GPUs, and a LibTorch with CUDA.
struct Machine {
  Folder torch;
  RunnerConfig config;
  Machine() {
    torch.touch("lib/libtorch_cuda.so");
    config.torch_dir = torch.path.string();
    config.gpu_count = 2;
  }
};

std::string refusal(const RunnerConfig& config, const std::string& asked, const Manifest& manifest) {
  const auto device = resolve_device(config, asked, manifest);
  if (device) return "allowed: " + *device;
  CHECK(device.error().code == ErrorCode::device_unavailable);
  return device.error().message;
}

} // namespace

TEST_CASE("the driver's files are counted, its other ones not") {
  const Folder devices;
  CHECK(count_gpus(devices.path / "none") == 0);
  for (const char* name : {"nvidia0", "nvidia7", "nvidiactl", "nvidia-uvm", "nvidia", "nvidia12x", "null"})
    devices.touch(name);
  CHECK(count_gpus(devices.path) == 2);
}

TEST_CASE("auto is a GPU where machine, LibTorch, engine and manifest agree") {
  const Machine machine;
  CHECK(resolve_device(machine.config, "auto", torch_model()) == "cuda:0");
  CHECK(resolve_device(machine.config, "auto", torch_model({"cpu", "cuda"})) == "cuda:0");
  CHECK(resolve_device(machine.config, "auto", torch_model({"cpu"})) == "cpu");
  Manifest echo = torch_model();
  echo.engine = "echo";
  CHECK(resolve_device(machine.config, "auto", echo) == "cpu");
  RunnerConfig without = machine.config;
  without.gpu_count = 0;
  CHECK(resolve_device(without, "auto", torch_model()) == "cpu");
  CHECK(refusal(without, "auto", torch_model({"cuda"})).find("no NVIDIA GPU") != std::string::npos);
  fs::remove(machine.torch.path / "lib/libtorch_cuda.so");
  CHECK(resolve_device(machine.config, "auto", torch_model()) == "cpu");
}

TEST_CASE("why auto is no GPU is said where model or machine know of one") {
  const Machine machine;
  CHECK(why_not_gpu(machine.config, torch_model()).empty()); // it is one
  RunnerConfig without = machine.config;
  without.gpu_count = 0;
  CHECK(why_not_gpu(without, torch_model()).empty());
  CHECK(why_not_gpu(without, torch_model({"cpu"})).empty());
  CHECK(why_not_gpu(without, torch_model({"cpu", "cuda"})).find("no NVIDIA GPU") != std::string::npos);
  Manifest echo = torch_model();
  echo.engine = "echo";
  CHECK(why_not_gpu(machine.config, echo).empty());
  fs::remove(machine.torch.path / "lib/libtorch_cuda.so");
  CHECK(why_not_gpu(machine.config, torch_model()).find("one for a CPU") != std::string::npos);
}

TEST_CASE("a device by name is taken or refused with what is missing") {
  const Machine machine;
  CHECK(resolve_device(machine.config, "cuda", torch_model()) == "cuda:0");
  CHECK(resolve_device(machine.config, "cuda:1", torch_model()) == "cuda:1");
  CHECK(resolve_device(machine.config, "cpu", torch_model()) == "cpu");
  CHECK(refusal(machine.config, "cuda:2", torch_model()) ==
        "there is no device cuda:2: this machine has 2 GPUs");
  CHECK(refusal(machine.config, "cuda", torch_model({"cpu"})) == "model 'demo/net' runs on cpu, not on cuda");
  CHECK(refusal(machine.config, "cpu", torch_model({"cuda"})) == "model 'demo/net' runs on cuda, not on cpu");
  for (const char* wrong : {"", "cuda:", "cuda:x", "cuda:-1", "cuda:0x", "cuda:99999999999", "cudaX", "CPU"})
    CHECK(refusal(machine.config, wrong, torch_model()).starts_with("there is no device '"));
  fs::remove(machine.torch.path / "lib/libtorch_cuda.so");
  CHECK(refusal(machine.config, "cuda", torch_model()).find("one for a CPU") != std::string::npos);
}

} // namespace mrun
