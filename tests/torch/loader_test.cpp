// The loader of the torch engine, and what a zygote does with it: warm once, fork, load and run in the child.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/torch/fake_host.h"

namespace mrun::test {
namespace {

namespace fs = std::filesystem;

const std::string k_module = MRUN_TEST_ENGINES_DIR "/torch.so";
const fs::path k_corpus = MRUN_TEST_CORPUS_DIR;

// MRUN_TORCH_DIR set to something else for one test.
class TorchDir {
 public:
  explicit TorchDir(const char* value) : m_before(std::getenv("MRUN_TORCH_DIR")) {
    if (value == nullptr)
      unsetenv("MRUN_TORCH_DIR");
    else
      setenv("MRUN_TORCH_DIR", value, 1);
  }
  TorchDir(const TorchDir&) = delete;
  TorchDir& operator=(const TorchDir&) = delete;
  ~TorchDir() { setenv("MRUN_TORCH_DIR", m_before.c_str(), 1); }

 private:
  std::string m_before;
};

std::size_t thread_count() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/task"))
    ++count;
  return count;
}

bool is_mapped(const std::string& library) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.ends_with("/" + library)) return true;
  return false;
}

TEST_CASE(
    "opening the module opens no LibTorch; a missing or other LibTorch is an error that says what to do") {
  LoadedModule module(k_module);
  CHECK(!is_mapped("libtorch_cpu.so"));
  const std::string version(module.predictor().version.data, module.predictor().version.size);
  CHECK_MESSAGE(version.find("(torch 2.") != std::string::npos, version);
  const auto fails = [&](const char* torch, mrun_status status, const std::string& words) {
    const TorchDir scope(torch);
    CHECK(module.load_bytes("x") == status);
    CHECK_MESSAGE(module.host().message.find(words) != std::string::npos, module.host().message);
    CHECK_MESSAGE(module.host().details.find("MRUN_TORCH_DIR") != std::string::npos, module.host().details);
  };
  fails(nullptr, MRUN_MISSING, "LibTorch was not found");
  fails("relative/torch", MRUN_MISSING, "LibTorch was not found");
  const fs::path folder = fs::temp_directory_path() / ("mrun-torch-" + std::to_string(getpid()));
  fs::create_directories(folder);
  fails(folder.c_str(), MRUN_MISSING, "LibTorch can't be opened");
  std::ofstream(folder / "version.py") << "from typing import Optional\n__version__ = '1.13.0+cpu'\n";
  fails(folder.c_str(), MRUN_MISMATCH, "has 1.13.0+cpu");
  fs::remove_all(folder);
}

TEST_CASE("a warmed process has one thread and no CUDA, and its children run models") {
  LoadedModule module(k_module);
  REQUIRE_MESSAGE(module.warm() == MRUN_OK, module.host().message);
  CHECK(thread_count() == 1);
  CHECK(is_mapped("libtorch_cpu.so"));
  CHECK(!is_mapped("libtorch_cuda.so"));
  for (const std::string name : {"image-classifier", "text-embedding"}) {
    const pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) { // two threads, so that the child starts a team of its own
      const bool loaded = module.load_file(k_corpus / name / "model.pt2", 2) == MRUN_OK;
      std::vector<GivenInput> none;
      _exit(loaded && module.start(none) == MRUN_INVALID_INPUT ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
  }
}

} // namespace
} // namespace mrun::test
