// Manifests and configs of other tools' artifacts.
#include "packager/interop/foreign_artifact.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

void check_artifact(const ForeignArtifact& artifact) {
  fuzz::check_shown(artifact.kind);
  MRUN_CHECK(!artifact.layers.empty());
  for (const ForeignLayer& layer : artifact.layers) {
    MRUN_CHECK(layer.path.has_value() == (layer.packing == LayerPacking::raw));
    MRUN_CHECK(layer.mode == 0644 || layer.mode == 0755);
    if (layer.path) fuzz::check_path(*layer.path);
  }
}

void check_facts(const ForeignFacts& facts) {
  for (const std::string* text : {&facts.name, &facts.description, &facts.license, &facts.format,
                                  &facts.architecture, &facts.parameters, &facts.quantization})
    fuzz::check_shown(*text);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::string_view> texts = fuzz::texts_of(fuzz::text_of(data, size), 2);
  if (is_bundle_manifest(texts[0])) return 0;
  if (const auto artifact = decode_foreign(texts[0]))
    check_artifact(*artifact);
  else
    fuzz::check_error(artifact.error());
  if (const auto facts = decode_foreign_config(texts[1]))
    check_facts(*facts);
  else
    fuzz::check_error(facts.error());
  return 0;
}
