// Real networks beside Python: the same PyTorch, one thread, no fusion.
#include <cstdlib>
#include <filesystem>
#include <map>

#include <doctest/doctest.h>

#include "tests/torch/corpus_case.h"

namespace mrun::test {
namespace {

namespace fs = std::filesystem;

const std::string k_module = MRUN_TEST_ENGINES_DIR "/torch.so";
const fs::path k_networks = MRUN_TEST_NETWORKS_DIR;
const fs::path k_corpus = MRUN_TEST_CORPUS_DIR; // MiniLM and MobileNetV2, by the templates' own scripts

// Beside 0, equal to the last bit. How far a network may be from Python, and why.
const std::map<std::string, double> k_tolerances = {};

void check_network(LoadedModule& module, const CorpusCase& one, const std::string& name) {
  CAPTURE(name);
  REQUIRE_MESSAGE(module.load_file(one.model(), 1) == MRUN_OK, module.host().message
                                                                   << "\n"
                                                                   << module.host().details);
  const auto tolerance = k_tolerances.find(name);
  for (int round = 0; round < 2; ++round) { // a prediction leaves nothing behind
    module.host().clear();
    std::vector<GivenInput> inputs = one.inputs();
    REQUIRE_MESSAGE(module.start(inputs) == MRUN_OK, module.host().message << "\n" << module.host().details);
    check_outputs(one, module.host().outputs, tolerance == k_tolerances.end() ? 0 : tolerance->second);
  }
}

} // namespace

TEST_CASE("real networks give what Python gives") {
  LoadedModule module(k_module);
  const std::vector<std::string> names = case_names(k_networks);
  CHECK(names == std::vector<std::string>{"craft", "gpt_block", "lstm_stack", "recogniser", "transformer",
                                          "unet_deep"});
  for (const std::string& name : names)
    check_network(module, CorpusCase(k_networks / name), name);
}

TEST_CASE("the templates' networks give what Python gives") {
  LoadedModule module(k_module);
  for (const std::string name : {"text-embedding", "image-classifier"}) {
    CorpusCase one(k_corpus / name);
    one.description["tolerance"] = 0.0;
    check_network(module, one, name);
  }
}

} // namespace mrun::test
