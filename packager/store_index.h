// index.json: the tags, as an OCI image index. Parsed whole, changed as a value, written whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "common/error.h"
#include "common/json.h"

namespace mrun {

struct IndexEntry {
  std::string model; // [host/]owner/name; "" when another tool wrote the entry without a name
  std::string tag;   // "" = untagged, kept by a lease or by is_kept
  Digest digest;
  std::uint64_t manifest_size = 0; // of the OCI manifest, as descriptors must say
  std::uint64_t size_bytes = 0;    // of all files
  std::int64_t created_ns = 0;
  std::string engine = {}; // of the bundle's manifest; "" in entries of older builds
  std::string origin = {}; // host/repository that it was pulled from; "" when packed here
  std::string source = {}; // digest of the other tool's manifest that it was made of; "" for a bundle
  Json foreign = nullptr;  // an entry that another tool wrote, kept as it is
  // Of a manifest that belongs to a version (a signature), in place of a name: it stays as long as that does.
  std::optional<Digest> subject = {};
  std::string artifact_type = {};
  bool is_kept = false; // of an untagged one: until it is removed by its digest
};

struct StoreIndex {
  std::vector<IndexEntry> entries; // sorted by model, tag, digest

  static Result<StoreIndex> parse(std::string_view text); // error store_corrupt
  std::string encode() const;

  IndexEntry* find_tag(std::string_view model, std::string_view tag);
  const IndexEntry* find_tag(std::string_view model, std::string_view tag) const;
  // The untagged one that is kept under this model.
  const IndexEntry* find_kept(std::string_view model, const Digest& digest) const;
  bool contains(const Digest& digest) const;
  // Replaces the entry of the same model and tag. Untagged: of the same model and digest, and whatever only a
  // lease keeps of this digest; once kept it stays so.
  void put(IndexEntry entry);
};

} // namespace mrun
