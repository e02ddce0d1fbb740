// What a Writer ends with: names, leases and attachments for what it added.
#include "packager/store_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

namespace mrun {

Result<void> Store::Writer::put_entries(std::vector<IndexEntry> entries) {
  MRUN_TRY(m_store.file_system.sync(m_store.blobs.get())); // the blobs' names, before anything refers to them
  for (IndexEntry& entry : entries) {
    struct stat manifest {};
    if (::fstatat(m_store.blobs.get(), entry.digest.hex().c_str(), &manifest, AT_SYMLINK_NOFOLLOW) < 0)
      return fail(ErrorCode::model_not_found, fmt::format("there is no version {}", entry.digest.text()));
    entry.manifest_size = static_cast<std::uint64_t>(manifest.st_size);
    entry.created_ns = m_store.clock.wall_ns();
  }
  return m_store.change_index([&](StoreIndex& index) -> Result<bool> {
    for (const IndexEntry& entry : entries)
      index.put(entry);
    return true;
  });
}

Result<void> Store::Writer::tag(const Reference& reference, const Digest& manifest, const VersionFacts& facts,
                                const Provenance& from) {
  return put_entries({{reference.model(), reference.tag_or_default(), manifest, 0, facts.size_bytes, 0,
                       facts.engine, from.origin, from.source}});
}

Result<void> Store::Writer::attach(const Digest& manifest, const Digest& subject,
                                   const std::string& artifact_type) {
  const Result<std::shared_ptr<const StoreIndex>> index = m_store.read_index();
  if (index && (*index)->contains(manifest)) return {};
  IndexEntry entry;
  entry.digest = manifest;
  entry.subject = subject;
  entry.artifact_type = artifact_type;
  return put_entries({std::move(entry)});
}

Result<void> Store::Writer::keep(const std::string& model, const Digest& manifest, const VersionFacts& facts,
                                 std::chrono::seconds lifetime) {
  MRUN_TRY(m_store.write_leases({manifest}, lifetime));
  const Result<std::shared_ptr<const StoreIndex>> index = m_store.read_index();
  if (index && (*index)->contains(manifest)) // a tag shows it already
    return m_store.file_system.sync(m_store.blobs.get());
  return put_entries({{model, "", manifest, 0, facts.size_bytes, 0, facts.engine}});
}

Result<void> Store::Writer::name_all(const std::vector<Naming>& names) {
  MRUN_ASSIGN(const std::shared_ptr<const StoreIndex> index, m_store.read_index());
  std::vector<IndexEntry> entries;
  for (const Naming& name : names) {
    IndexEntry entry{name.reference.model(), name.reference.tag, name.manifest,   0, name.facts.size_bytes, 0,
                     name.facts.engine,      name.from.origin,   name.from.source};
    entry.is_kept = entry.tag.empty();
    if (entry.is_kept && index->find_kept(entry.model, entry.digest) != nullptr) continue; // since then
    entries.push_back(std::move(entry));
  }
  return put_entries(std::move(entries));
}

} // namespace mrun
