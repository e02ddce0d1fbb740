// Models without an mrun.yaml: whatever their files say of themselves, what is derived of it is a valid
// manifest.
#include "packager/interop/derived_manifest.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::string_view> texts = fuzz::texts_of(fuzz::text_of(data, size), 4);
  const bool is_gguf = texts[3].starts_with("GGUF");
  const std::vector<std::pair<std::string, std::string_view>> files = {
      {"README.md", texts[0]},
      {"config.json", texts[1]},
      {is_gguf ? "model.gguf" : "model.safetensors", texts[3]},
      {"tokenizer_config.json", texts[2]}};
  ModelSource source;
  std::vector<SafePath> paths;
  for (const auto& [name, bytes] : files) {
    paths.push_back(SafePath::parse(name).value());
    source.files.push_back({paths.back(), bytes.size(), fuzz::file_of(bytes)});
  }
  const auto facts = learn_facts(source);
  MRUN_CHECK(facts.has_value());
  const auto manifest = derive_manifest("acme/model", *facts, paths);
  MRUN_CHECK(manifest.has_value() || manifest.error().code == ErrorCode::model_unsupported);
  return 0;
}
