// Bundles of strangers: OCI manifest, recipe, config and mrun.yaml.
#include <algorithm>
#include <set>

#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

bool same_files(const std::vector<BundleFile>& a, const std::vector<BundleFile>& b) {
  return std::ranges::equal(a, b, [](const BundleFile& one, const BundleFile& other) {
    return one.path == other.path && one.mode == other.mode && one.size == other.size &&
           std::ranges::equal(one.segments, other.segments, [](const Segment& x, const Segment& y) {
             return x.blob == y.blob && x.offset == y.offset && x.length == y.length;
           });
  });
}

std::vector<BundleFile> files_of(const BundleLayout& layout, bool whole) {
  std::vector<BundleFile> files;
  std::ranges::copy_if(layout.files, std::back_inserter(files),
                       [&](const BundleFile& file) { return is_whole(file) == whole; });
  return files;
}

// The whole files of a manifest are the same after they were written again.
void check_whole_files(const BundleLayout& layout) {
  const auto again = decode_bundle(encode_bundle({layout.files, {}, std::nullopt}, layout.config));
  MRUN_CHECK(again.has_value() && same_files(again->files, layout.files));
}

void check_cut_files(const BundleLayout& layout) {
  BundleLayout again{layout.config, layout.layers, {}, layout.recipe};
  const std::vector<BundleFile> cut = files_of(layout, false);
  MRUN_CHECK(decode_recipe(encode_recipe({.files = cut, .pieces = {}, .recipe = {}}), again).has_value() &&
             same_files(again.files, cut));
}

void check_blobs(const BundleLayout& layout) {
  std::set<Digest> seen;
  for (const BlobClaim& blob : blobs_of(layout))
    MRUN_CHECK(seen.insert(blob.digest).second);
}

void check_description(const BundleLayout& layout, const std::vector<std::string_view>& texts) {
  const ReadBlob read = [&](const BlobClaim& claim, std::size_t limit) -> Result<std::string> {
    const bool is_recipe = layout.recipe && layout.recipe->digest == claim.digest;
    const std::string_view text = is_recipe                              ? texts[1]
                                  : claim.digest == layout.config.digest ? texts[2]
                                                                         : texts[3];
    return std::string(text.substr(0, limit));
  };
  const auto bundle = describe_bundle(Digest(), layout, read);
  if (!bundle) {
    fuzz::check_error(bundle.error());
    return;
  }
  MRUN_CHECK(bundle->find(k_bundle_manifest_name) != nullptr);
  for (const BundleFile& file : bundle->files)
    fuzz::check_file(file, layout.layers);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::string_view> texts = fuzz::texts_of(fuzz::text_of(data, size), 4);
  Result<BundleLayout> layout = decode_bundle(texts[0]);
  if (!layout) {
    fuzz::check_error(layout.error());
    return 0;
  }
  for (const BundleFile& file : layout->files)
    fuzz::check_file(file, layout->layers);
  check_whole_files(*layout);
  check_blobs(*layout);
  check_description(*layout, texts);
  if (const auto recipe = decode_recipe(texts[1], *layout); !recipe) {
    fuzz::check_error(recipe.error());
    return 0;
  }
  for (const BundleFile& file : layout->files)
    fuzz::check_file(file, layout->layers);
  check_cut_files(*layout);
  if (const auto checked = check_files(layout->files); !checked) fuzz::check_error(checked.error());
  return 0;
}
