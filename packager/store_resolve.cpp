// From a reference to the version that it means here.
#include "packager/store.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <sys/stat.h>

#include "common/text.h"
#include "packager/bundle_format.h"
#include "packager/store_files.h"

namespace mrun {
namespace {

// The tag, version or model that the user may have meant.
std::string near_hint(const StoreIndex& index, const Reference& reference) {
  std::set<std::string> models;
  std::vector<std::string> tags;
  const IndexEntry* untagged = nullptr; // the youngest one
  for (const IndexEntry& entry : index.entries) {
    if (!entry.model.empty()) models.insert(entry.model);
    if (entry.model == reference.model() && !entry.tag.empty()) tags.push_back(entry.tag);
    if (entry.model == reference.model() && entry.tag.empty() &&
        (untagged == nullptr || entry.created_ns > untagged->created_ns))
      untagged = &entry;
  }
  if (!tags.empty()) {
    const std::string near = nearest(reference.tag_or_default(), tags);
    return fmt::format("{} has the tag `{}`", reference.model(), near.empty() ? tags.front() : near);
  }
  if (untagged != nullptr)
    return fmt::format("it has no tag: name its digest, {}@sha256:{}", reference.model(),
                       untagged->digest.short_hex());
  const std::vector<std::string> names(models.begin(), models.end());
  if (const std::string near = nearest(reference.model(), names); !near.empty())
    return fmt::format("the nearest is `{}`", near);
  for (const std::string& name : names) // the right name under another owner
    if (name.size() > reference.name.size() && name.ends_with("/" + reference.name))
      return fmt::format("the nearest is `{}`", name);
  return {};
}

} // namespace

// Versions whose digest begins so: those that the index or a lease names, else any manifest among the blobs
// (a tag may have moved on; its old version stays until gc).
Result<std::vector<Digest>> Store::Impl::versions_with_prefix(const Store& store, std::string_view prefix) {
  std::set<Digest> found;
  MRUN_ASSIGN(const std::shared_ptr<const StoreIndex> index, read_index());
  for (const IndexEntry& entry : index->entries)
    if (!entry.subject && entry.digest.hex().starts_with(prefix)) found.insert(entry.digest);
  MRUN_ASSIGN(const auto leases, read_leases());
  for (const auto& [digest, end_ns] : leases)
    if (digest.hex().starts_with(prefix)) found.insert(digest);
  if (found.empty()) {
    MRUN_ASSIGN(const std::vector<std::string> names, file_system.list(blobs.get()));
    for (const std::string& name : names) {
      const Result<Digest> digest =
          name.starts_with(prefix) ? Digest::parse_hex(name) : tl::unexpected<Error>(Error{});
      const Result<std::string> text =
          digest ? store.read_blob(*digest, k_max_oci_manifest_bytes) : tl::unexpected<Error>(Error{});
      if (text && decode_bundle(*text)) found.insert(*digest);
    }
  }
  return std::vector<Digest>(found.begin(), found.end());
}

Result<Digest> Store::resolve(const Reference& reference) const {
  if (reference.digest) {
    const Result<UniqueFd> manifest = open_blob(*reference.digest);
    if (!manifest) return tl::unexpected<Error>(manifest.error());
    return *reference.digest;
  }
  if (!reference.digest_prefix.empty()) {
    MRUN_ASSIGN(const std::vector<Digest> found,
                m_impl->versions_with_prefix(*this, reference.digest_prefix));
    if (found.size() == 1) return found[0];
    if (!found.empty())
      return fail(ErrorCode::digest_ambiguous,
                  fmt::format("{} versions begin with {}: {}, {}…", found.size(), reference.digest_prefix,
                              found[0].short_hex(), found[1].short_hex()));
    // eight digits may as well be a name
    if (!reference.has_name()) {
      MRUN_ASSIGN(const std::shared_ptr<const StoreIndex> index, m_impl->read_index());
      if (const IndexEntry* entry = index->find_tag("local/" + reference.digest_prefix, "latest"))
        return entry->digest;
    }
    return fail(ErrorCode::model_not_found, fmt::format("there is no version {}", reference.digest_prefix));
  }
  MRUN_ASSIGN(const std::shared_ptr<const StoreIndex> index, m_impl->read_index());
  const IndexEntry* entry = index->find_tag(reference.model(), reference.tag_or_default());
  if (entry == nullptr)
    return fail(ErrorCode::model_not_found,
                fmt::format("there is no model {}:{}", reference.model(), reference.tag_or_default()),
                near_hint(*index, reference));
  return entry->digest;
}

} // namespace mrun
