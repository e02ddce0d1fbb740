// A recipe puts files together from pieces: they may be repeated, within reason.
#include <doctest/doctest.h>

#include "packager/bundle_format.h"
#include "packager/sha256.h"

using namespace mrun;

namespace {

// One file that is the same piece so many times.
Result<void> decode_repeated(std::uint64_t piece_bytes, std::uint64_t times,
                             std::uint64_t other_layer_bytes = 0) {
  BundleLayout layout;
  layout.layers = {{Sha256::of("piece"), piece_bytes}, {Sha256::of("piece"), piece_bytes}};
  if (other_layer_bytes > 0) layout.layers.push_back({Sha256::of("other"), other_layer_bytes});
  Json segments = Json::array();
  for (std::uint64_t i = 0; i < times; ++i)
    segments.push_back({{"blob", Sha256::of("piece").text()}, {"offset", 0}, {"length", piece_bytes}});
  const Json file = {{"path", "w.bin"}, {"mode", 420}, {"size", times * piece_bytes}, {"segments", segments}};
  const Json recipe = {{"schema", "mrun.recipe/v1"}, {"files", Json::array({file})}};
  return decode_recipe(canonical_json(recipe), layout);
}

} // namespace

TEST_CASE("a small bundle can't stand for files of terabytes") {
  CHECK(decode_repeated(64 * k_mib, 200)); // a file of zeros
  const Result<void> bomb = decode_repeated(64 * k_mib, 201);
  REQUIRE_FALSE(bomb);
  CHECK(bomb.error().code == ErrorCode::bundle_invalid);
  CHECK(bomb.error().message.find("200 times") != std::string::npos);
  CHECK(decode_repeated(64 * k_mib, 201, 64 * k_mib)); // there are others
  CHECK_FALSE(decode_repeated(1, 100'000));
  // Claims that would overflow a sum.
  CHECK(decode_repeated(std::uint64_t{1} << 53, 1, std::uint64_t{1} << 53));
}
