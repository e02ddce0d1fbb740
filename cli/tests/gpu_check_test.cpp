// What `mrun doctor` says of GPUs that are there and can't be used.
#include <doctest/doctest.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <map>

#include "cli/doctor/gpu.h"

using namespace mrun;
using namespace mrun::cli;

namespace {

struct Folder {
  std::filesystem::path path;
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "mrun-gpu-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }
};

constexpr const char* k_torch = "2.9.0+cu130";

Check judged(const GpuFacts& facts, const std::string& torch_version = k_torch) {
  Check check{.id = "gpu", .says = "1 NVIDIA GPU"};
  judge_gpu(facts, torch_version, check);
  return check;
}

Check judged(const CudaDriver& driver, const std::string& torch_version = k_torch) {
  return judged(GpuFacts{{{"/dev/nvidiactl"}, {"/dev/nvidia0"}}, driver}, torch_version);
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a GPU that answers is fine") {
  const Check check = judged(CudaDriver{.cuda_version = 13010, .device_count = 1});
  CHECK(check.state == CheckState::ok);
  CHECK(check.says == "1 NVIDIA GPU; it answers for CUDA 13.1");
  CHECK(check.help.empty());
}

TEST_CASE("why a GPU can't be used, and the way out") {
  const struct {
    CudaDriver driver;
    const char* says;
    const char* help;
  } cases[] = {
      {{.load_error = "libcuda.so.1: cannot open shared object file"},
       "can't be loaded: libcuda.so.1",
       "libcuda1"},
      {{.cuda_version = 12080, .device_count = 1},
       "knows CUDA 12.8, LibTorch 2.9.0+cu130 needs 13.0",
       "CUDA 12"},
      {{.cuda_version = 13000, .init_result = 803}, "another version than its kernel module", "modprobe"},
      {{.cuda_version = 13000, .init_result = 804}, "compatibility library", "cuda-compat"},
      {{.cuda_version = 13000, .init_result = 999}, "error 999", "dmesg"},
      {{.cuda_version = 13000}, "CUDA sees none", "nvidia-smi"},
  };
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  for (const auto& one : cases) {
    const Check check = judged(one.driver);
    CAPTURE(check.says);
    CHECK(check.state == CheckState::failed);
    CHECK(check.says.starts_with("1 NVIDIA GPU, but "));
    CHECK(has(check.says, one.says));
    CHECK(has(check.help, one.help));
  }
  // A minor version more is served; what does not say its CUDA is not judged by it.
  CHECK(judged(CudaDriver{.cuda_version = 12000, .device_count = 1}, "2.5.1+cu128").state == CheckState::ok);
  CHECK(judged(CudaDriver{.cuda_version = 11040, .device_count = 1}, "2.5.1").state == CheckState::ok);
}

TEST_CASE("CUDA_VISIBLE_DEVICES that hides a GPU is named") {
  ::setenv("CUDA_VISIBLE_DEVICES", "", 1);
  CHECK(has(judged(CudaDriver{.cuda_version = 13000, .init_result = 100}).says,
            "CUDA_VISIBLE_DEVICES= hides it"));
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  CHECK(has(judged(CudaDriver{.cuda_version = 13000, .init_result = 100}).says, "error 100"));
}

TEST_CASE("nodes are opened, and the driver is asked only when they open") {
  const Folder devices;
  for (const char* name : {"nvidiactl", "nvidia-uvm", "nvidia0", "nvidia1", "nvidia-caps", "nvidiax"})
    std::ofstream(devices.path / name) << "";
  std::map<std::string, int> errors;
  int asked = 0;
  const GpuPlaces places{
      .devices = devices.path,
      .open_error = [&](const std::filesystem::path& path) { return errors[path.filename()]; },
      .driver =
          [&] {
            ++asked;
            return CudaDriver{.cuda_version = 13000, .device_count = 2};
          }};
  GpuFacts facts = gather_gpu_facts(places);
  CHECK(facts.nodes.size() == 4);
  CHECK(asked == 1);
  CHECK(judged(facts).state == CheckState::ok);

  errors["nvidia1"] = EACCES;
  facts = gather_gpu_facts(places);
  CHECK(asked == 1);
  CHECK(has(judged(facts).says, "nvidia1: Permission denied"));
  CHECK(has(judged(facts).help, "usermod -aG "));
  errors = {{"nvidia-uvm", ENOENT}};
  CHECK(has(judged(gather_gpu_facts(places)).says, "nvidia-uvm: No such file"));
  CHECK(has(judged(gather_gpu_facts(places)).help, "nvidia-modprobe"));
  errors = {{"nvidia0", EPERM}};
  CHECK(has(judged(gather_gpu_facts(places)).help, "--gpus all"));

  // Really opened, where no test is in between.
  CHECK(gather_gpu_facts({.devices = devices.path, .driver = places.driver}).nodes[3].open_error == 0);
  // A machine without the driver's library says so; one that has it loads it.
  const CudaDriver here = gather_gpu_facts({.devices = devices.path}).driver;
  CHECK((here.load_error.empty() ? here.cuda_version > 0 : has(here.load_error, "libcuda.so.1")));
  std::filesystem::remove(devices.path / "nvidiactl");
  CHECK(gather_gpu_facts({.devices = devices.path, .driver = places.driver}).nodes[0].open_error == ENOENT);
}
