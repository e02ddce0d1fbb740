#include "packager/registry/pull_foreign.h"

#include <mutex>
#include <set>

#include <fmt/format.h>

#include "common/text.h"
#include "packager/archive/archive_reader.h"
#include "packager/arrival.h"
#include "packager/bundle_add.h"
#include "packager/interop/derived_manifest.h"
#include "packager/pull_notes.h"
#include "packager/registry/blob_fetch.h"
#include "packager/registry/retry.h"

namespace mrun {
namespace {

ArchiveCompression compression_of(LayerPacking packing) {
  switch (packing) {
  case LayerPacking::tar_gzip:
    return ArchiveCompression::gzip;
  case LayerPacking::tar_zstd:
    return ArchiveCompression::zstd;
  default:
    return ArchiveCompression::none;
  }
}

class ForeignPull {
 public:
  ForeignPull(Registry& registry, const PullRequest& request, const PullPlan& plan, Store& store,
              Store::Writer& writer)
      : m_registry(registry),
        m_request(request),
        m_plan(plan),
        m_store(store),
        m_writer(writer) {}

  Result<Digest> run() {
    MRUN_TRY(list_raw_files());
    MRUN_ASSIGN(const ForeignFacts said, fetch_config());
    MRUN_TRY(fetch_layers());
    MRUN_ASSIGN(const Manifest manifest, find_manifest(said));
    std::uint64_t new_bytes = 0;
    return add_bundle(m_writer, manifest, {std::move(m_files), {}, {}}, new_bytes);
  }

 private:
  // Raw layers are files as they are. Names that can't stand together are refused before anything moves.
  Result<void> list_raw_files() {
    for (const ForeignLayer& layer : m_plan.foreign->layers)
      if (layer.packing == LayerPacking::raw)
        m_files.push_back(
            {*layer.path, layer.mode, layer.blob.size, {{layer.blob.digest, 0, layer.blob.size}}});
    return check_paths(m_files);
  }

  Result<ForeignFacts> fetch_config() {
    RegistryConnection connection(m_registry);
    const BlobClaim& config = m_plan.foreign->config;
    MRUN_ASSIGN(const std::string text, connection.read_blob(config.digest, config.size));
    return decode_foreign_config(text);
  }

  Result<void> fetch_layers() {
    std::vector<TransferTask> tasks;
    std::set<std::pair<Digest, LayerPacking>> seen; // two files with one content come once
    for (const ForeignLayer& layer : m_plan.foreign->layers) {
      if (!seen.emplace(layer.blob.digest, layer.packing).second) continue;
      if (layer.packing == LayerPacking::raw) {
        add_raw(layer.blob, tasks);
        continue;
      }
      if (take_unpacked(layer.blob.digest)) continue;
      tasks.push_back({layer.blob.size, [this, &layer](RegistryConnection& connection, ByteCount& done) {
                         return fetch_and_use(m_writer, m_store, layer.blob, connection, done, [&](int fd) {
                           return unpack(fd, layer, connection.interrupt_fd());
                         });
                       }});
    }
    return run_transfers(m_registry, std::move(tasks), m_request.transfer);
  }

  void add_raw(const BlobClaim& blob, std::vector<TransferTask>& tasks) {
    if (!m_store.has_blob(blob.digest, blob.size))
      add_fetch_tasks(m_writer, blob, tasks);
    else if (m_request.force)
      add_check_task(m_writer, m_store, blob, tasks);
  }

  // What an interrupted pull has unpacked already.
  bool take_unpacked(const Digest& archive) {
    const auto files = m_request.force ? std::nullopt : find_unpacked(m_store, archive);
    if (files) m_files.insert(m_files.end(), files->begin(), files->end());
    return files.has_value();
  }

  Result<void> unpack(int fd, const ForeignLayer& layer, int interrupt_fd) {
    MRUN_ASSIGN(const std::vector<BundleFile> files, read_archive(fd, layer, interrupt_fd));
    MRUN_TRY(note_unpacked(m_writer, layer.blob.digest, files));
    const std::scoped_lock lock(m_mutex);
    m_files.insert(m_files.end(), files.begin(), files.end());
    if (m_files.size() <= k_max_bundle_files) return {};
    return fail(ErrorCode::bundle_invalid,
                fmt::format("the artifact has more than {} files", k_max_bundle_files));
  }

  Result<std::vector<BundleFile>> read_archive(int fd, const ForeignLayer& layer, int interrupt_fd) {
    std::vector<BundleFile> files;
    MRUN_ASSIGN(ArchiveReader reader, ArchiveReader::open(archive_source(fd), compression_of(layer.packing)));
    while (true) {
      MRUN_ASSIGN(const std::optional<ArchiveEntry> entry, reader.next());
      if (!entry) return files;
      MRUN_TRY(check_disk(m_store, entry->size_bytes));
      MRUN_ASSIGN(Store::Writer::Incoming incoming, m_writer.begin_blob());
      while (true) {
        MRUN_TRY(check_interrupt(interrupt_fd));
        MRUN_ASSIGN(const std::string_view bytes, reader.read());
        if (bytes.empty()) break;
        MRUN_TRY(incoming.write(bytes));
      }
      MRUN_ASSIGN(const AddedBlob added, incoming.finish({}));
      files.push_back({entry->path, entry->mode, added.size, {{added.digest, 0, added.size}}});
    }
  }

  // The artifact's own mrun.yaml, or one that is derived and added.
  Result<Manifest> find_manifest(const ForeignFacts& said) {
    MRUN_TRY(check_paths(m_files));
    const ModelSource source = source_of(m_store, m_files);
    MRUN_ASSIGN(const std::string written, source.read_small(k_bundle_manifest_name, k_max_manifest_bytes));
    if (!written.empty()) return parse_manifest(written, k_bundle_manifest_name);
    MRUN_ASSIGN(ModelFacts facts,
                learn_facts(source, [this] { return check_interrupt(m_registry.config().interrupt_fd); }));
    complete(facts, said);
    std::vector<SafePath> paths;
    for (const BundleFile& file : m_files)
      paths.push_back(file.path);
    MRUN_ASSIGN(const std::string text, derive_manifest(m_plan.local.model(), facts, paths));
    MRUN_ASSIGN(const AddedBlob added, m_writer.add_bytes(text));
    MRUN_ASSIGN(SafePath path, SafePath::parse(k_bundle_manifest_name));
    m_files.push_back({std::move(path), 0644, added.size, {{added.digest, 0, added.size}}});
    return parse_manifest(text, k_bundle_manifest_name);
  }

  // What the files don't say, the artifact's config may.
  static void complete(ModelFacts& facts, const ForeignFacts& said) {
    if (facts.name.empty()) facts.name = said.name;
    if (facts.description.empty()) facts.description = said.description;
    if (facts.license.empty()) facts.license = said.license;
    if (facts.architecture.empty()) facts.architecture = lower_ascii(said.architecture);
  }

  Registry& m_registry;
  const PullRequest& m_request;
  const PullPlan& m_plan;
  Store& m_store;
  Store::Writer& m_writer;
  std::mutex m_mutex;
  std::vector<BundleFile> m_files; // under m_mutex while layers come
};

} // namespace

Result<Digest> pull_foreign(Registry& registry, const PullRequest& request, const PullPlan& plan,
                            Store& store, Store::Writer& writer) {
  return ForeignPull(registry, request, plan, store, writer).run();
}

} // namespace mrun
