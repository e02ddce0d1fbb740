// The torch engine on a GPU: what the corpus gives on the CPU it gives there, within what other kernels
// change. Skips with its reason where there is no GPU (77 is a skip for ctest).
#define DOCTEST_CONFIG_IMPLEMENT
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <doctest/doctest.h>

#include "common/text.h"
#include "tests/torch/corpus_case.h"

namespace mrun::test {
namespace {

namespace fs = std::filesystem;

const std::string k_module = MRUN_TEST_ENGINES_DIR "/torch.so";
constexpr std::int32_t k_cuda = 2;
// cuDNN's convolutions and LSTMs use TF32, as they do in Python by default.
constexpr double k_tolerance = 1e-2;
constexpr int k_skipped = 77;

// $MRUN_TEST_COMMITTED_DIR, for a machine where the sources lie elsewhere.
fs::path committed() {
  const char* given = std::getenv("MRUN_TEST_COMMITTED_DIR");
  return given != nullptr ? given : MRUN_TEST_COMMITTED_DIR;
}

std::string engine_module() {
  const char* given = std::getenv("MRUN_TEST_ENGINES_DIR");
  return given != nullptr ? std::string(given) + "/torch.so" : k_module;
}

void load_on_gpu(LoadedModule& module, const std::string& path, int concurrency = 1) {
  module.device_type = k_cuda;
  module.device_id = 0;
  REQUIRE_MESSAGE(module.load_file(path, 1, concurrency) == MRUN_OK, module.host().message
                                                                         << "\n"
                                                                         << module.host().details);
}

void run_and_compare(LoadedModule& module, const CorpusCase& one) {
  module.host().clear();
  std::vector<GivenInput> inputs = one.inputs();
  REQUIRE_MESSAGE(module.start(inputs) == MRUN_OK, module.host().message << "\n" << module.host().details);
  check_outputs_nearly(one, module.host().outputs, k_tolerance);
}

GivenTensor widened(const GivenTensor& bf16) {
  GivenTensor wide;
  set_dtype("f32", wide);
  wide.shape = bf16.shape;
  for (std::size_t i = 0; i + 1 < bf16.bytes.size(); i += 2)
    wide.bytes.append(2, '\0').append(bf16.bytes, i, 2); // the upper half of an f32, little-endian
  return wide;
}

TEST_CASE("exported programs of every version of PyTorch give on the GPU what Python gave on the CPU") {
  LoadedModule module(engine_module());
  std::size_t worked = 0;
  for (const auto& version : fs::directory_iterator(committed()))
    for (const std::string& name : case_names(version.path())) {
      const std::string where = version.path().filename().string() + "/" + name;
      CAPTURE(where);
      const CorpusCase one(version.path() / name);
      load_on_gpu(module, one.model());
      run_and_compare(module, one);
      run_and_compare(module, one); // a prediction leaves nothing behind
      ++worked;
    }
  CHECK(worked >= 80);
}

TEST_CASE("bf16 runs on the GPU") {
  LoadedModule module(engine_module());
  module.spec = R"({"manifest": {"options": {"dtype": "bf16"}}})";
  const CorpusCase one(committed() / "2.11.0/unet");
  load_on_gpu(module, one.model());
  std::vector<GivenInput> inputs = one.inputs();
  REQUIRE_MESSAGE(module.start(inputs) == MRUN_OK, module.host().message);
  std::map<std::string, GivenTensor> outputs = module.host().outputs;
  std::size_t halved = 0;
  for (auto& [name, tensor] : outputs)
    if (dtype_text(tensor) == "bf16") {
      tensor = widened(tensor);
      ++halved;
    }
  CHECK(halved > 0); // it did run in bf16
  check_outputs_nearly(one, outputs, 5e-2);
}

TEST_CASE("predictions at the same time have streams of their own and give the same") {
  LoadedModule module(engine_module());
  const CorpusCase one(committed() / "2.11.0/unet");
  load_on_gpu(module, one.model(), 4);
  std::vector<std::thread> threads;
  std::atomic<int> failed = 0;
  for (std::uint64_t id = 1; id <= 4; ++id)
    threads.emplace_back([&, id] {
      for (int round = 0; round < 20; ++round) {
        std::vector<GivenInput> inputs = one.inputs();
        if (module.start(inputs, id + 4 * static_cast<std::uint64_t>(round)) != MRUN_OK) ++failed;
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  CHECK(failed == 0);
  std::map<std::string, GivenTensor> first;
  std::size_t compared = 0;
  for (const auto& [name, tensor] : module.host().outputs) { // "7:out.0" is the seventh's
    const std::size_t colon = name.find(':');
    first[colon == std::string::npos ? name : name.substr(colon + 1)] = tensor;
    check_outputs_nearly(one, first, k_tolerance);
    ++compared;
  }
  CHECK(compared == 80);
}

TEST_CASE("a GPU that is not there is refused with their number") {
  LoadedModule module(engine_module());
  module.device_type = k_cuda;
  module.device_id = 99;
  CHECK(module.load_file(CorpusCase(committed() / "2.11.0/mlp").model()) == MRUN_UNSUPPORTED);
  CHECK(module.host().message.find("cuda:99") != std::string::npos);
}

TEST_CASE("without a GPU a CUDA device is refused, and the CPU still works") {
  LoadedModule module(engine_module());
  module.device_type = k_cuda;
  const CorpusCase one(committed() / "2.11.0/mlp");
  CHECK(module.load_file(one.model()) == MRUN_UNSUPPORTED);
  CHECK_MESSAGE(module.host().message.find("no GPU") != std::string::npos, module.host().message);
  module.device_type = 1;
  REQUIRE_MESSAGE(module.load_file(one.model()) == MRUN_OK, module.host().message);
  run_and_compare(module, one);
}

bool has_gpu() {
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator("/dev", failed)) {
    const std::string name = entry.path().filename().string();
    if (name.size() > 6 && name.starts_with("nvidia") && name[6] >= '0' && name[6] <= '9') return true;
  }
  return false;
}

} // namespace
} // namespace mrun::test

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  const bool has_gpu = mrun::test::has_gpu();
  context.addFilter(has_gpu ? "test-case-exclude" : "test-case", "without a GPU*");
  const int outcome = context.run();
  if (has_gpu || outcome != 0) return outcome;
  std::printf("skipped: there is no gpu (no /dev/nvidia0)\n");
  return mrun::test::k_skipped;
}
