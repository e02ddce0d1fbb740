// A store to play with, bundles made by hand, and the question whether a store is whole.
#pragma once

#include <doctest/doctest.h>

#include "packager/bundle_format.h"
#include "packager/pack.h"
#include "packager/sha256.h"
#include "packager/tests/support.h"

namespace mrun::testing {

// Puts bytes into blobs/sha256 as anybody could.
inline Digest put_blob(const Folder& folder, std::string_view bytes) {
  const Digest digest = Sha256::of(bytes);
  folder.write("store/blobs/sha256/" + digest.hex(), bytes);
  return digest;
}

inline Json descriptor(std::string_view media_type, const Digest& digest, std::uint64_t size) {
  return {{"mediaType", media_type}, {"digest", digest.text()}, {"size", size}};
}

inline Json file_layer(const Folder& folder, const std::string& path, std::string_view bytes) {
  Json layer = descriptor("application/vnd.cncf.model.weight.v1.raw", put_blob(folder, bytes), bytes.size());
  layer["annotations"] = {{"org.cncf.model.filepath", path}};
  return layer;
}

// An OCI manifest of these layers, as a JSON that a test may still spoil.
inline Json hand_made(const Folder& folder, Json layers) {
  const std::string config = R"({"config":{},"descriptor":{},"modelfs":{"diffIds":[],"type":"layers"}})";
  return {{"schemaVersion", 2},
          {"mediaType", k_manifest_media_type},
          {"artifactType", k_artifact_type},
          {"config", descriptor(k_config_media_type, put_blob(folder, config), config.size())},
          {"layers", std::move(layers)},
          {"annotations", {{"run.mrun.bundle.format", "1"}}}};
}

inline Reference reference(std::string_view text) {
  return Reference::parse(text).value();
}

inline void write_small_model(const Folder& folder) {
  folder.write("model/mrun.yaml", k_small_manifest);
  folder.write("model/model.bin", std::string(5000, 'w'));
  folder.write("model/a.txt", "a\n");
}

// Every tag loads, every blob is what its name says, gc's plan can be made. Returns the number of tags.
inline std::size_t check_whole(const std::filesystem::path& path) {
  const Result<Store> store = Store::open(path, true);
  REQUIRE(store);
  const std::vector<TagEntry> tags = store->list().value();
  for (const TagEntry& tag : tags) {
    const Result<Bundle> bundle = store->load(tag.digest);
    INFO((bundle ? std::string() : bundle.error().message));
    CHECK(bundle);
  }
  for (const auto& entry : std::filesystem::directory_iterator(path / "blobs/sha256"))
    CHECK(store->read_blob(Digest::parse_hex(entry.path().filename().string()).value(), 1U << 30));
  CHECK(store->plan_gc());
  return tags.size();
}

inline std::size_t count_files(const std::filesystem::path& path) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path))
    count += entry.exists() ? 1 : 0;
  return count;
}

} // namespace mrun::testing
