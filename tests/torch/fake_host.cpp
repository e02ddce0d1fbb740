#include "tests/torch/fake_host.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include <dlfcn.h>
#include <doctest/doctest.h>
#include <fcntl.h>

namespace mrun::test {
namespace {

std::string text(mrun_text view) {
  return {view.data, view.size};
}
FakeHost& self(const mrun_host* host) {
  return *static_cast<FakeHost*>(host->impl);
}
std::mutex& output_lock() {
  static std::mutex lock;
  return lock;
}

std::int64_t element_count(const mrun_tensor& tensor) {
  std::int64_t count = 1;
  for (std::int32_t i = 0; i < tensor.ndim; ++i)
    count *= tensor.shape[i];
  return count;
}

mrun_status emit(const mrun_host* host, std::uint64_t request, const mrun_value* value) {
  FakeHost& fake = self(host);
  if (fake.refuse_output) return MRUN_FAILED;
  REQUIRE(value->kind == MRUN_VALUE_TENSOR);
  REQUIRE(value->tensor->strides == nullptr);
  GivenTensor tensor;
  tensor.code = value->tensor->dtype_code;
  tensor.bits = value->tensor->dtype_bits;
  tensor.shape.assign(value->tensor->shape, value->tensor->shape + value->tensor->ndim);
  const auto* data = static_cast<const char*>(value->tensor->data) + value->tensor->byte_offset;
  tensor.bytes.assign(data, static_cast<std::size_t>(element_count(*value->tensor)) * tensor.bits / 8);
  const std::scoped_lock lock(output_lock());
  const std::string prefix = request == 1 ? "" : std::to_string(request) + ":";
  REQUIRE(fake.outputs.emplace(prefix + text(value->name), std::move(tensor)).second);
  return MRUN_OK;
}

mrun_status span(const mrun_file* file, std::uint64_t offset, std::uint64_t length, const void** data) {
  const auto& view = *static_cast<const std::string_view*>(file->impl);
  if (offset > view.size() || length > view.size() - offset) return MRUN_FAILED;
  *data = view.data() + offset;
  return MRUN_OK;
}

mrun_status open_bytes(const mrun_file* file, int* fd) {
  auto copy = sealed_memfd("file", *static_cast<const std::string*>(file->impl));
  if (!copy) return MRUN_FAILED;
  *fd = copy->release();
  return MRUN_OK;
}

struct DtypeRow {
  std::string_view name;
  std::uint8_t code;
  std::uint8_t bits;
};

constexpr std::array<DtypeRow, 15> k_dtypes = {{{"f32", 2, 32},
                                                {"u16", 1, 16},
                                                {"u32", 1, 32},
                                                {"u64", 1, 64},
                                                {"c64", 5, 64},
                                                {"c128", 5, 128},
                                                {"f64", 2, 64},
                                                {"f16", 2, 16},
                                                {"bf16", 4, 16},
                                                {"i8", 0, 8},
                                                {"i16", 0, 16},
                                                {"i32", 0, 32},
                                                {"i64", 0, 64},
                                                {"u8", 1, 8},
                                                {"bool", 6, 8}}};

} // namespace

void GivenInput::place() {
  constexpr std::size_t k_alignment = 64;
  storage.assign(tensor.bytes.size() + k_alignment + misalign, '\0');
  const std::size_t past = reinterpret_cast<std::uintptr_t>(storage.data()) % k_alignment;
  offset = (past == 0 ? 0 : k_alignment - past) + misalign;
  tensor.bytes.copy(storage.data() + offset, tensor.bytes.size());
}

FakeHost::FakeHost() {
  m_host.struct_size = sizeof m_host;
  m_host.abi_major = MRUN_ABI_MAJOR;
  m_host.abi_minor = MRUN_ABI_MINOR;
  m_host.impl = this;
  m_host.log = [](const mrun_host*, std::uint64_t, std::int32_t, mrun_text) {};
  m_host.emit = emit;
  m_host.metric = [](const mrun_host*, std::uint64_t, mrun_text, double) -> mrun_status { return MRUN_OK; };
  m_host.cancelled = [](const mrun_host* host, std::uint64_t) -> std::int32_t {
    std::atomic<int>& left = self(host).cancel_after;
    if (left < 0) return 0;
    return left == 0 ? 1 : (--left, 0);
  };
  m_host.fail = [](const mrun_host* host, std::uint64_t, mrun_text said, mrun_text more) {
    const std::scoped_lock lock(output_lock());
    self(host).message = text(said);
    self(host).details = text(more);
  };
  m_host.phase = [](const mrun_host* host, mrun_text name) { self(host).phases.push_back(text(name)); };
  m_host.allocate = [](const mrun_host*, std::size_t size, std::size_t alignment) {
    return std::aligned_alloc(alignment, size);
  };
  m_host.release = [](const mrun_host*, void* pointer) { std::free(pointer); }; // NOLINT
  m_host.cache_dir = [](const mrun_host* host) { return self(host).cache_dir; };
}

void FakeHost::clear() {
  outputs.clear();
  phases.clear();
  message.clear();
  details.clear();
  cancel_after = -1;
  refuse_output = false;
}

LoadedModule::LoadedModule(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  REQUIRE_MESSAGE(library != nullptr, dlerror());
  const auto entry =
      reinterpret_cast<const mrun_predictor* (*)(const mrun_host*)>(dlsym(library, "mrun_predictor_v1"));
  const bool exported = entry != nullptr;
  REQUIRE(exported);
  m_predictor = entry(&m_host.host());
  REQUIRE(m_predictor != nullptr);
}

mrun_status LoadedModule::load_view(std::string_view bytes, int threads, int concurrency) {
  unload();
  m_view = bytes;
  static constexpr std::string_view k_name = "model.pt2";
  return load_file({sizeof(mrun_file), {k_name.data(), k_name.size()}, bytes.size(), &m_view, span, nullptr},
                   threads, concurrency);
}

mrun_status LoadedModule::load_file(const mrun_file& file, int threads, int concurrency) {
  unload();
  m_files = {file};
  for (auto& [name, bytes] : more_files)
    m_files.push_back(
        {sizeof(mrun_file), {name.data(), name.size()}, bytes.size(), &bytes, nullptr, open_bytes});
  mrun_model description{};
  description.struct_size = sizeof description;
  description.spec_json = {spec.data(), spec.size()};
  description.main_file = file.name;
  description.files = m_files.data();
  description.file_count = m_files.size();
  description.device_type = device_type;
  description.device_id = device_id;
  description.threads = threads;
  description.concurrency = concurrency;
  return m_predictor->load(&m_host.host(), &description, &m_model);
}

mrun_status LoadedModule::load_file(const std::string& path, int threads, int concurrency) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE_MESSAGE(file, path);
  const auto size = file_size(file.get(), path);
  REQUIRE(size);
  auto mapped = Mapping::map(file.get(), 0, *size);
  REQUIRE(mapped);
  unload();
  m_mapping = std::move(*mapped);
  return load_view(m_mapping.text(), threads, concurrency);
}

mrun_status LoadedModule::load_bytes(std::string bytes) {
  unload();
  m_bytes = std::move(bytes);
  return load_view(m_bytes, 1, 1);
}

void LoadedModule::unload() {
  if (m_model != nullptr) m_predictor->unload(m_model);
  m_model = nullptr;
}

namespace {

// The ABI's views of a prediction's inputs; must not outlive them.
struct RequestView {
  std::vector<mrun_tensor> tensors;
  std::vector<mrun_value> values;
  mrun_request request{};

  RequestView(std::vector<GivenInput>& inputs, std::uint64_t id)
      : tensors(inputs.size()),
        values(inputs.size()) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      GivenInput& input = inputs[i];
      values[i].struct_size = sizeof(mrun_value);
      values[i].name = {input.name.data(), input.name.size()};
      values[i].kind = input.json.empty() ? MRUN_VALUE_TENSOR : MRUN_VALUE_JSON;
      values[i].text = {input.json.data(), input.json.size()};
      input.place();
      tensors[i] = {sizeof(mrun_tensor),
                    static_cast<std::int32_t>(input.tensor.shape.size()),
                    input.tensor.shape.data(),
                    nullptr,
                    input.storage.data(),
                    input.offset,
                    input.tensor.code,
                    input.tensor.bits,
                    1,
                    1,
                    0};
      values[i].tensor = &tensors[i];
    }
    request = {sizeof request, id, values.data(), values.size()};
  }
};

} // namespace

mrun_status LoadedModule::start_on(FakeHost&, std::vector<GivenInput>& inputs, std::uint64_t id) {
  const RequestView view(inputs, id);
  return m_predictor->start(m_model, &view.request, 1);
}

mrun_status LoadedModule::start_batch(std::vector<std::vector<GivenInput>>& batch) {
  std::vector<std::unique_ptr<RequestView>> views;
  std::vector<mrun_request> requests;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    views.push_back(std::make_unique<RequestView>(batch[i], i + 1));
    requests.push_back(views.back()->request);
  }
  return m_predictor->start(m_model, requests.data(), requests.size());
}

void set_dtype(std::string_view name, GivenTensor& tensor) {
  for (const DtypeRow& row : k_dtypes)
    if (row.name == name) {
      tensor.code = row.code;
      tensor.bits = row.bits;
      return;
    }
  FAIL("no such dtype: ", name);
}

std::string dtype_text(const GivenTensor& tensor) {
  for (const DtypeRow& row : k_dtypes)
    if (row.code == tensor.code && row.bits == tensor.bits) return std::string(row.name);
  return "?";
}

} // namespace mrun::test
