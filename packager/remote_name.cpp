#include "packager/remote_name.h"

#include <algorithm>

#include <fmt/format.h>

namespace mrun {

Reference local_reference(const Reference& remote) {
  Reference local;
  const std::size_t slash = remote.owner.rfind('/');
  local.owner = slash == std::string::npos ? remote.owner : remote.owner.substr(slash + 1);
  if (local.owner.empty() || local.owner == "localhost") local.owner = "local";
  std::ranges::replace(local.owner, '.', '-');
  local.name = remote.name;
  local.tag = remote.tag;
  return local;
}

std::string repository_of(const Reference& remote) {
  return remote.owner.empty() ? remote.name : remote.owner + "/" + remote.name;
}

std::string origin_of(const Reference& remote) {
  return remote.host + "/" + repository_of(remote);
}

bool is_named_by(const TagEntry& entry, const Reference& reference) {
  if (entry.model == reference.model()) return true;
  return !reference.host.empty() && entry.model == local_reference(reference).model() &&
         entry.origin == origin_of(reference);
}

const TagEntry* find_tag(const std::vector<TagEntry>& entries, const Reference& reference) {
  const TagEntry* pulled = nullptr;
  for (const TagEntry& entry : entries) {
    if (entry.tag != reference.tag_or_default() || !is_named_by(entry, reference)) continue;
    if (entry.model == reference.model()) return &entry;
    pulled = &entry;
  }
  return pulled;
}

Result<std::optional<Digest>> pulled_version(const Store& store, const Reference& remote) {
  MRUN_ASSIGN(const std::vector<TagEntry> entries, store.list());
  if (remote.digest) {
    for (const TagEntry& entry : entries) {
      // of another tool's model, which became a bundle here
      const bool is_source = entry.source == remote.digest->text() && entry.origin == origin_of(remote);
      if (is_source || entry.digest == *remote.digest) return std::optional<Digest>(entry.digest);
    }
    // Without a name; and an interrupted pull leaves the manifest without its layers.
    return store.load(*remote.digest) ? remote.digest : std::nullopt;
  }
  if (!remote.digest_prefix.empty())
    return fail(ErrorCode::reference_invalid, remote.text() + " has an abbreviated digest",
                "with a host, write the whole one: 64 digits");
  const TagEntry* tag = find_tag(entries, remote);
  return tag != nullptr ? std::optional<Digest>(tag->digest) : std::nullopt;
}

Result<Digest> find_version(const Store& store, const Reference& reference) {
  if (!reference.host.empty()) {
    MRUN_ASSIGN(const std::optional<Digest> here, pulled_version(store, reference));
    if (here) return *here;
    return fail(ErrorCode::model_not_found, fmt::format("{} is not here", reference.text()),
                fmt::format("mrun pull {0}, or mrun inspect {0}", reference.text()));
  }
  Result<Digest> version = store.resolve(reference);
  if (version || !reference.digest) return version;
  MRUN_ASSIGN(const std::vector<TagEntry> entries, store.list());
  for (const TagEntry& entry : entries)
    if (entry.source == reference.digest->text()) return entry.digest;
  return version;
}

} // namespace mrun
