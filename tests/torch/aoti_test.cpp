// AOTInductor packages: unpacked once, opened after consent, and giving what Python gives. The package is
// made by tests/torch/make_aoti.py.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/json.h"
#include "tests/torch/fake_host.h"

namespace mrun::test {
namespace {

namespace fs = std::filesystem;

const std::string k_module = MRUN_TEST_ENGINES_DIR "/torch.so";
const fs::path k_package = fs::path(MRUN_TEST_AOTI_DIR) / "package";
constexpr const char* k_consent = R"({"native_code": true, "manifest": {"options": {"native_code": true}}})";

std::string contents(const fs::path& path) {
  auto bytes = read_file(path, std::size_t{1} << 30, ErrorCode::io, ErrorCode::io);
  REQUIRE_MESSAGE(bytes, path.string());
  return std::move(*bytes);
}

GivenTensor tensor_of(const Json& entry) {
  GivenTensor tensor;
  set_dtype(entry["dtype"].get<std::string>(), tensor);
  tensor.shape = entry["shape"].get<std::vector<std::int64_t>>();
  tensor.bytes = contents(k_package / entry["file"].get<std::string>());
  return tensor;
}

double difference(const std::string& a, const std::string& b) {
  double largest = a.size() == b.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i + sizeof(float) <= std::min(a.size(), b.size()); i += sizeof(float)) {
    float x = 0, y = 0;
    std::memcpy(&x, a.data() + i, sizeof x);
    std::memcpy(&y, b.data() + i, sizeof y);
    largest = std::max(largest, std::abs(static_cast<double>(x) - static_cast<double>(y)));
  }
  return largest;
}

// A cache folder of its own.
class Cache {
 public:
  Cache() {
    std::string name = (fs::temp_directory_path() / "mrun-aoti-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    m_path = name;
    m_fd = UniqueFd(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;
  ~Cache() {
    std::error_code ignored;
    fs::remove_all(m_path, ignored);
  }
  const fs::path& path() const { return m_path; }
  int fd() const { return m_fd.get(); }

 private:
  fs::path m_path;
  UniqueFd m_fd;
};

fs::path library_in(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".so") return entry.path();
  return {};
}

std::vector<GivenInput> inputs_of(const Json& description) {
  std::vector<GivenInput> inputs;
  for (const Json& entry : description["inputs"]) {
    GivenInput input;
    input.name = entry["name"];
    input.tensor = tensor_of(entry);
    inputs.push_back(std::move(input));
  }
  return inputs;
}

void check_answer(LoadedModule& module, const Json& description) {
  std::vector<GivenInput> inputs = inputs_of(description);
  module.host().clear();
  REQUIRE_MESSAGE(module.start(inputs) == MRUN_OK, module.host().message);
  CHECK(module.host().outputs.size() == description["outputs"].size());
  for (const Json& entry : description["outputs"]) {
    const GivenTensor wanted = tensor_of(entry);
    const GivenTensor& got = module.host().outputs.at(entry["name"].get<std::string>());
    CHECK(got.shape == wanted.shape);
    CHECK(difference(got.bytes, wanted.bytes) <= description["tolerance"].get<double>());
  }
}

TEST_CASE("a package gives what Python gives, and is unpacked once") {
  const auto description = parse_json(contents(k_package / "case.json"), ErrorCode::io, "case.json");
  REQUIRE(description);
  const Cache cache;
  LoadedModule module(k_module);
  module.host().cache_dir = cache.fd();
  CHECK(module.load_file(k_package / "model.pt2") == MRUN_UNSUPPORTED); // without consent
  CHECK(fs::is_empty(cache.path()));

  module.spec = k_consent;
  REQUIRE_MESSAGE(module.load_file(k_package / "model.pt2") == MRUN_OK, module.host().message);
  check_answer(module, *description);
  const fs::path library = library_in(cache.path() / "aoti");
  REQUIRE(!library.empty());
  const auto first_time = fs::last_write_time(library);
  module.unload();
  REQUIRE(module.load_file(k_package / "model.pt2") == MRUN_OK);
  check_answer(module, *description);
  CHECK(fs::last_write_time(library) == first_time);
  module.unload();

  // What somebody changed is not opened.
  fs::permissions(library, fs::perms::owner_all);
  std::ofstream(library, std::ios::app) << "more";
  REQUIRE_MESSAGE(module.load_file(k_package / "model.pt2") == MRUN_OK, module.host().message);
  check_answer(module, *description);
  CHECK(fs::last_write_time(library_in(cache.path() / "aoti")) != first_time);
  for (const auto& entry : fs::directory_iterator(cache.path()))
    CHECK(entry.path().filename() == "aoti"); // nothing half-made stays
}

TEST_CASE("inputs that a package was not compiled for are refused by its own checks") {
  const auto description = parse_json(contents(k_package / "case.json"), ErrorCode::io, "case.json");
  REQUIRE(description);
  const Cache cache;
  LoadedModule module(k_module);
  module.host().cache_dir = cache.fd();
  module.spec = k_consent;
  REQUIRE_MESSAGE(module.load_file(k_package / "model.pt2", 1, 2) == MRUN_OK, module.host().message);
  std::vector<GivenInput> inputs = inputs_of(*description);
  inputs[0].tensor.shape = {7, 5};
  CHECK(module.start(inputs) == MRUN_FAILED);
  CHECK(module.host().outputs.empty());
  inputs.pop_back();
  CHECK(module.start(inputs) == MRUN_INVALID_INPUT);
  CHECK_MESSAGE(module.host().message.find("`in.scale` was not given") != std::string::npos,
                module.host().message);
  check_answer(module, *description);
}

} // namespace
} // namespace mrun::test
