// The architectures that people export, at a small size (make_zoo.py): each gives what Python gave, to the
// last bit.
#include <filesystem>

#include <doctest/doctest.h>

#include "tests/torch/corpus_case.h"

namespace mrun::test {
namespace {

namespace fs = std::filesystem;

const std::string k_module = MRUN_TEST_ENGINES_DIR "/torch.so";
const fs::path k_zoo = MRUN_TEST_ZOO_DIR;

TEST_CASE("every network of the zoo gives what Python gave") {
  LoadedModule module(k_module);
  const std::vector<std::string> names = case_names(k_zoo);
  const Json zoo = json_of(k_zoo / "zoo.json");
  CHECK_MESSAGE(zoo["failed"].empty(), zoo["failed"].dump()); // by Python, before the engine saw it
  CHECK(names.size() == zoo["made"].size());
  CHECK(names.size() >= 58);
  for (const std::string& name : names) {
    CAPTURE(name);
    const CorpusCase one(k_zoo / name);
    module.host().clear();
    CHECK_MESSAGE(module.load_file(one.model()) == MRUN_OK, module.host().message << "\n"
                                                                                  << module.host().details);
    if (!module.host().message.empty()) continue;
    for (int twice = 0; twice < 2; ++twice) {
      module.host().clear();
      std::vector<GivenInput> inputs = one.inputs();
      CHECK_MESSAGE(module.start(inputs) == MRUN_OK, module.host().message << "\n" << module.host().details);
      check_outputs(one, module.host().outputs);
    }
    module.unload();
  }
}

} // namespace
} // namespace mrun::test
