#include "packager/remote_name.h"

#include <algorithm>

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

Result<std::optional<Digest>> pulled_version(const Store& store, const Reference& remote) {
  MRUN_ASSIGN(const std::vector<TagEntry> entries, store.list());
  if (remote.digest) {
    for (const TagEntry& entry : entries) // of another tool's model, which became a bundle here
      if (entry.source == remote.digest->text() && entry.origin == origin_of(remote))
        return std::optional<Digest>(entry.digest);
    // An interrupted pull leaves the manifest without its layers.
    return store.load(*remote.digest) ? remote.digest : std::nullopt;
  }
  if (!remote.digest_prefix.empty())
    return fail(ErrorCode::reference_invalid, remote.text() + " has an abbreviated digest",
                "with a host, write the whole one: 64 digits");
  const Reference local = local_reference(remote);
  for (const TagEntry& entry : entries)
    if (entry.model == local.model() && entry.tag == local.tag_or_default() &&
        entry.origin == origin_of(remote))
      return std::optional<Digest>(entry.digest);
  return std::optional<Digest>();
}

} // namespace mrun
