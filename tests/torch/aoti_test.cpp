// AOTInductor packages: unpacked once, opened after consent, and giving what Python gives. They are made by
// tests/torch/make_aoti.py.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/torch/corpus_case.h"
#include "tests/torch/fake_host.h"

namespace mrun::test {
namespace {

namespace fs = std::filesystem;

const std::string k_module = MRUN_TEST_ENGINES_DIR "/torch.so";
const fs::path k_packages = MRUN_TEST_AOTI_DIR;
constexpr const char* k_consent = R"({"native_code": true, "manifest": {"options": {"native_code": true}}})";

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

// torch.so with such a folder, told to open native code.
struct TrustedModule {
  Cache cache;
  LoadedModule module{k_module};

  TrustedModule() {
    module.host().cache_dir = cache.fd();
    module.spec = k_consent;
  }
};

fs::path library_in(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".so") return entry.path();
  return {};
}

void check_answer(LoadedModule& module, const CorpusCase& one) {
  std::vector<GivenInput> inputs = one.inputs();
  module.host().clear();
  REQUIRE_MESSAGE(module.start(inputs) == MRUN_OK, module.host().message);
  check_outputs(one, module.host().outputs);
}

TEST_CASE("every package gives what Python gives") {
  const std::vector<std::string> names = case_names(k_packages);
  CHECK(names == std::vector<std::string>{"arguments", "blob", "one", "package", "trees"});
  for (const std::string& name : names) {
    CAPTURE(name);
    const CorpusCase one(k_packages / name);
    TrustedModule trusted;
    LoadedModule& module = trusted.module;
    REQUIRE_MESSAGE(module.load_file(one.model()) == MRUN_OK, module.host().message);
    check_answer(module, one);
    check_answer(module, one);
  }
}

TEST_CASE("arguments that were no tensors when a package was compiled need not be given") {
  const CorpusCase one(k_packages / "arguments");
  TrustedModule trusted;
  LoadedModule& module = trusted.module;
  REQUIRE_MESSAGE(module.load_file(one.model()) == MRUN_OK, module.host().message);
  std::vector<GivenInput> inputs;
  for (GivenInput& input : one.inputs())
    if (input.json.empty()) inputs.push_back(std::move(input));
  REQUIRE(inputs.size() == 2);
  CHECK_MESSAGE(module.start(inputs) == MRUN_OK, module.host().message);
  check_outputs(one, module.host().outputs); // three of four: None doesn't come out

  const GivenInput extra = inputs.back();
  inputs.pop_back();
  CHECK(module.start(inputs) == MRUN_INVALID_INPUT);
  CHECK_MESSAGE(
      module.host().message ==
          "the package takes 2 tensors and was given 1; not given: `in.1`, `in.2`, `in.3`, `in.extra`",
      module.host().message);
  inputs.push_back(extra);
  inputs.push_back(extra);
  inputs.back().name = "in.2";
  CHECK(module.start(inputs) == MRUN_INVALID_INPUT);
  CHECK_MESSAGE(module.host().message.find("takes 2 tensors and was given 3") != std::string::npos,
                module.host().message);
}

TEST_CASE("a package without its weights is refused by name") {
  TrustedModule trusted;
  LoadedModule& module = trusted.module;
  CHECK(module.load_file(k_packages / "refused/without_weights.pt2") == MRUN_UNSUPPORTED);
  CHECK_MESSAGE(module.host().message.find("compiled without its weights") != std::string::npos,
                module.host().message);
  CHECK(module.load_file(k_packages / "refused/pickled_weights.pt2") == MRUN_UNSUPPORTED);
  CHECK_MESSAGE(module.host().message.find("as pickled tensors") != std::string::npos, module.host().message);
  CHECK(module.host().details.find("binary_blob") != std::string::npos);
}

TEST_CASE("a package is unpacked once, after consent") {
  const CorpusCase one(k_packages / "package");
  const Cache cache;
  LoadedModule module(k_module);
  module.host().cache_dir = cache.fd();
  CHECK(module.load_file(one.model()) == MRUN_UNSUPPORTED); // without consent
  CHECK(fs::is_empty(cache.path()));

  module.spec = k_consent;
  REQUIRE_MESSAGE(module.load_file(one.model()) == MRUN_OK, module.host().message);
  check_answer(module, one);
  const fs::path library = library_in(cache.path() / "aoti");
  REQUIRE(!library.empty());
  const auto first_time = fs::last_write_time(library);
  module.unload();
  REQUIRE(module.load_file(one.model()) == MRUN_OK);
  check_answer(module, one);
  CHECK(fs::last_write_time(library) == first_time);
  module.unload();

  // What somebody changed is not opened.
  fs::permissions(library, fs::perms::owner_all);
  std::ofstream(library, std::ios::app) << "more";
  REQUIRE_MESSAGE(module.load_file(one.model()) == MRUN_OK, module.host().message);
  check_answer(module, one);
  CHECK(fs::last_write_time(library_in(cache.path() / "aoti")) != first_time);
  for (const auto& entry : fs::directory_iterator(cache.path()))
    CHECK(entry.path().filename() == "aoti"); // nothing half-made stays
}

TEST_CASE("inputs that a package was not compiled for are refused by its own checks") {
  const CorpusCase one(k_packages / "package");
  TrustedModule trusted;
  LoadedModule& module = trusted.module;
  REQUIRE_MESSAGE(module.load_file(one.model(), 1, 2) == MRUN_OK, module.host().message);
  std::vector<GivenInput> inputs = one.inputs();
  inputs[0].tensor.shape = {7, 5};
  CHECK(module.start(inputs) == MRUN_FAILED);
  CHECK(module.host().outputs.empty());
  inputs.pop_back();
  CHECK(module.start(inputs) == MRUN_INVALID_INPUT);
  CHECK_MESSAGE(module.host().message.find("`in.scale` was not given") != std::string::npos,
                module.host().message);
  check_answer(module, one);
}

} // namespace
} // namespace mrun::test
