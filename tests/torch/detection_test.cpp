// The operators of torchvision that the engine brings: what torchvision takes on trust is refused, and a
// library of the bundle's own takes their place. That they give what torchvision gives is in the corpus
// (corpus_detection.py).
#include <cmath>
#include <cstring>

#include <doctest/doctest.h>

#include "tests/torch/corpus_case.h"
#include "tests/torch/fake_host.h"

namespace mrun::test {
namespace {

namespace fs = std::filesystem;

const std::string k_module = MRUN_TEST_ENGINES_DIR "/torch.so";
const fs::path k_corpus = MRUN_TEST_CORPUS_DIR;

// Number `index` of an f32 tensor.
void set(GivenInput& input, std::size_t index, float value) {
  std::memcpy(input.tensor.bytes.data() + index * sizeof value, &value, sizeof value);
}

TEST_CASE("regions that are of no picture, not finite or too large are refused, not read") {
  const CorpusCase one(k_corpus / "roi_align");
  LoadedModule module(k_module);
  REQUIRE(module.load_file(one.model()) == MRUN_OK);
  const auto refuses = [&](std::size_t index, float value, const std::string& words) {
    std::vector<GivenInput> inputs = one.inputs();
    REQUIRE(inputs[1].name == "in.rois");
    set(inputs[1], index, value);
    module.host().clear();
    CHECK(module.start(inputs) == MRUN_FAILED);
    CHECK_MESSAGE(module.host().message.find(words) != std::string::npos, module.host().message);
  };
  refuses(0, 2, "region 0 is of picture 2, the batch has 2");
  refuses(5, -1, "region 1 is of picture -1, the batch has 2");
  refuses(10, NAN, "region 2 is of picture nan");
  refuses(1, NAN, "region 0 has a coordinate nan");
  refuses(8, INFINITY, "region 1 has a coordinate inf");
  refuses(3, 1e8F, "is too large");
  std::vector<GivenInput> inputs = one.inputs();
  module.host().clear();
  CHECK(module.start(inputs) == MRUN_OK);
}

TEST_CASE("offsets of a deformable convolution that are not finite read nothing") {
  const CorpusCase one(k_corpus / "deform_conv2d");
  LoadedModule module(k_module);
  REQUIRE(module.load_file(one.model()) == MRUN_OK);
  for (const float value : {NAN, INFINITY, -INFINITY, 1e30F}) {
    std::vector<GivenInput> inputs = one.inputs();
    for (std::size_t i = 0; i < inputs[1].tensor.bytes.size() / sizeof value; ++i)
      set(inputs[1], i, value);
    module.host().clear();
    REQUIRE_MESSAGE(module.start(inputs) == MRUN_OK, module.host().message);
    float first = 1, bias = 2; // nothing but the bias is left, and all pixels of a channel are equal
    const std::string& bytes = module.host().outputs.at("out.0").bytes;
    std::memcpy(&first, bytes.data(), sizeof first);
    std::memcpy(&bias, bytes.data() + sizeof first, sizeof bias);
    CHECK(first == bias);
  }
}

// Last: what a library registers stays for as long as the process.
TEST_CASE("a library of the bundle's own that registers an operator of torchvision takes its place") {
  const CorpusCase one(k_corpus / "nms");
  LoadedModule module(k_module);
  std::vector<GivenInput> inputs = one.inputs();
  REQUIRE(module.load_file(one.model()) == MRUN_OK);
  REQUIRE(module.start(inputs) == MRUN_OK);
  check_outputs(one, module.host().outputs);
  module.unload();

  module.more_files["libown.so"] = contents(MRUN_TEST_OWN_NMS);
  module.spec = R"({"native_code": true, "manifest": {"options": {"operators": ["libown.so"]}}})";
  module.host().clear();
  REQUIRE_MESSAGE(module.load_file(one.model()) == MRUN_OK, module.host().message);
  REQUIRE_MESSAGE(module.start(inputs) == MRUN_OK, module.host().message);
  CHECK(module.host().outputs.at("out.0").shape == std::vector<std::int64_t>{300});
  module.spec = "{}"; // the others are the engine's still
  module.more_files.clear();
  const CorpusCase other(k_corpus / "roi_align");
  REQUIRE(module.load_file(other.model()) == MRUN_OK);
  std::vector<GivenInput> regions = other.inputs();
  module.host().clear();
  CHECK(module.start(regions) == MRUN_OK);
  check_outputs(other, module.host().outputs);
}

} // namespace
} // namespace mrun::test
