// A host for one predictor module, in the test's own process: records what the module says and gives.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/fd.h"
#include "runtime/mrun_predictor.h"

namespace mrun::test {

struct GivenTensor {
  std::uint8_t code = 0;
  std::uint8_t bits = 0;
  std::vector<std::int64_t> shape;
  std::string bytes; // row-major
};

// One input of a prediction; owns what the mrun_value views.
struct GivenInput {
  std::string name;
  std::string json; // a JSON input when not empty
  GivenTensor tensor;
  std::string storage;      // the tensor's bytes, from `offset`
  std::size_t misalign = 0; // how far behind a multiple of 64: with 0 they are used in place
  std::size_t offset = 0;

  void place(); // puts the bytes into the storage
  bool is_unchanged() const {
    return std::string_view(storage).substr(offset, tensor.bytes.size()) == tensor.bytes;
  }
};

class FakeHost {
 public:
  FakeHost();
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  const mrun_host& host() const { return m_host; }
  // What happened since the last clear().
  std::map<std::string, GivenTensor> outputs;
  std::vector<std::string> phases;
  std::string message;
  std::string details;
  std::atomic<int> cancel_after = -1; // this many more questions are answered with no; -1: always no
  bool refuse_output = false;
  int cache_dir = -1; // a descriptor of the test's

  void clear();

 private:
  mrun_host m_host{};
};

// A model in a loaded module.
class LoadedModule {
 public:
  // Opens the module at `path` (torch.so) once; it stays open.
  explicit LoadedModule(const std::string& path);
  ~LoadedModule() { unload(); }
  LoadedModule(const LoadedModule&) = delete;
  LoadedModule& operator=(const LoadedModule&) = delete;

  // The model spec of the next load; what the daemon would say.
  std::string spec = "{}";
  // Where the next load runs: DLPack's numbers, as mrun_model has them.
  std::int32_t device_type = 1;
  std::int32_t device_id = 0;
  // Files of the bundle beside the model: path in the bundle, bytes. Kept until the next load.
  std::map<std::string, std::string> more_files;

  mrun_status warm() { return m_predictor->warm(&m_host.host()); }
  mrun_status load_file(const std::string& path, int threads = 1, int concurrency = 1);
  mrun_status load_bytes(std::string bytes);
  // From a file door; `file` lives until unload.
  mrun_status load_file(const mrun_file& file, int threads = 1, int concurrency = 1);
  mrun_status start(std::vector<GivenInput>& inputs, std::uint64_t id = 1) {
    return start_on(m_host, inputs, id);
  }
  mrun_status start_batch(std::vector<std::vector<GivenInput>>& batch);
  void unload();
  FakeHost& host() { return m_host; }
  const mrun_predictor& predictor() const { return *m_predictor; }

 private:
  mrun_status start_on(FakeHost& host, std::vector<GivenInput>& inputs, std::uint64_t id);
  mrun_status load_view(std::string_view bytes, int threads, int concurrency);

  FakeHost m_host;
  const mrun_predictor* m_predictor = nullptr;
  void* m_model = nullptr;
  std::string m_bytes;
  Mapping m_mapping;
  std::string_view m_view;
  std::vector<mrun_file> m_files; // the model first
};

// DLPack code and bits of "f32", …
void set_dtype(std::string_view name, GivenTensor& tensor);
std::string dtype_text(const GivenTensor& tensor);

} // namespace mrun::test
