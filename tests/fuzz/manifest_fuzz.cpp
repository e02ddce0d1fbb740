// mrun.yaml: what is taken is a model that the schema, the API and an input check can work with.
#include "packager/glob.h"
#include "packager/schema.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

void check_manifest(const Manifest& manifest) {
  MRUN_CHECK(model_name_problem(manifest.name).empty());
  for (const std::string& glob : manifest.files)
    MRUN_CHECK(glob_problem(glob).empty());
  if (!manifest.model.empty()) {
    const auto model = SafePath::parse(manifest.model);
    MRUN_CHECK(model.has_value());
    fuzz::check_path(*model);
  }
  for (const Json& document : {manifest_json(manifest), openapi_schema(manifest)}) {
    const auto again = parse_json(canonical_json(document), ErrorCode::internal, "its JSON",
                                  {.max_depth = 4 * k_max_manifest_depth});
    MRUN_CHECK(again.has_value() && *again == document);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::string_view> texts = fuzz::texts_of(fuzz::text_of(data, size), 2);
  const auto manifest = parse_manifest(texts[0], "mrun.yaml");
  if (!manifest) {
    fuzz::check_error(manifest.error());
    return 0;
  }
  check_manifest(*manifest);
  const auto input = parse_json(texts[1], ErrorCode::body_invalid, "the input");
  if (!input) return 0;
  const auto checked = check_input(*manifest, *input);
  if (!checked)
    fuzz::check_error(checked.error());
  else
    MRUN_CHECK(check_input(*manifest, *checked) == *checked); // with its defaults it is as good
  return 0;
}
