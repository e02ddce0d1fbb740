#include "packager/registry/pull.h"

#include <chrono>
#include <set>

#include <fmt/format.h>

#include "common/text.h"
#include "packager/arrival.h"
#include "packager/pull_notes.h"
#include "packager/registry/blob_fetch.h"
#include "packager/registry/pull_foreign.h"
#include "packager/signing/kept_signatures.h"
#include "packager/store_writer.h"

namespace mrun {
namespace {

constexpr std::chrono::minutes k_note_interval{1};

// What the tags mean now that are to mean this version. One that means something of another origin stays,
// unless told otherwise.
Result<void> check_tags(const PullRequest& request, const std::vector<TagEntry>& entries, PullPlan& plan) {
  const Reference& hosted = request.remote; // `mrun tag acme/x ghcr.io/acme/x` makes such a one
  for (const TagEntry& entry : entries) {
    const bool is_hosted = entry.model == hosted.model();
    if (entry.tag != plan.local.tag_or_default() || (!is_hosted && entry.model != plan.local.model()))
      continue;
    if (is_hosted) plan.has_host_tag = true;
    if (entry.digest == plan.version || entry.source == plan.manifest.digest.text()) continue;
    if (!request.force && entry.origin != origin_of(request.remote))
      return fail_tag_elsewhere(is_hosted ? hosted : plan.local, entry.digest, entry.origin);
    if (!is_hosted) plan.previous = entry.digest;
  }
  return {};
}

// In place of what may be there: it is absent or damaged.
Result<void> put(Store::Writer& writer, const std::string& text, const Digest& digest) {
  MRUN_ASSIGN(Store::Writer::Incoming incoming, writer.begin_blob());
  MRUN_TRY(incoming.write(text));
  MRUN_TRY(incoming.finish(digest));
  return {};
}

// The small blobs say what the bundle is: they come first, and are checked before the large ones move.
Result<void> fetch_description(Registry& registry, Store::Writer& writer, const Store& store,
                               const PullPlan& plan) {
  RegistryConnection connection(registry);
  const auto fetch = [&](const BlobClaim& claim, std::size_t limit) -> Result<std::string> {
    if (store.has_blob(claim.digest, claim.size))
      if (auto text = store.read_blob(claim.digest, limit)) return text;
    MRUN_ASSIGN(std::string text, connection.read_blob(claim.digest, claim.size));
    MRUN_TRY(put(writer, text, claim.digest));
    return text;
  };
  MRUN_TRY(describe_bundle(plan.manifest.digest, plan.layout, fetch));
  return {};
}

Result<void> pull_bundle(Registry& registry, const PullRequest& request, const PullPlan& plan, Store& store,
                         Store::Writer& writer) {
  MRUN_TRY(fetch_description(registry, writer, store, plan));
  std::vector<TransferTask> tasks;
  for (const BlobClaim& blob : blobs_of(plan.layout))
    if (!store.has_blob(blob.digest, blob.size))
      add_fetch_tasks(writer, blob, tasks);
    else if (request.force)
      add_check_task(writer, store, blob, tasks);
  MRUN_TRY(run_transfers(registry, std::move(tasks), request.transfer));
  if (!store.read_blob(plan.manifest.digest, k_max_oci_manifest_bytes))
    MRUN_TRY(put(writer, plan.manifest.bytes, plan.manifest.digest));
  return {};
}

// What gc leaves while the pull is under way, and for a day should it be interrupted.
Result<void> note_what_comes(const PullPlan& plan, Store::Writer& writer) {
  if (!plan.foreign) return note_pull(writer, plan.manifest.digest, blobs_of(plan.layout));
  std::vector<BlobClaim> blobs;
  for (const ForeignLayer& layer : plan.foreign->layers)
    blobs.push_back(layer.blob);
  return note_pull(writer, plan.manifest.digest, blobs);
}

// Progress that also keeps the note young: a pull may take more than a day.
std::function<void(const TransferProgress&)>
refreshing(const Digest& manifest, Store::Writer& writer,
           std::function<void(const TransferProgress&)> on_progress) {
  return [&writer, manifest, on_progress = std::move(on_progress),
          next = std::chrono::steady_clock::now()](const TransferProgress& progress) mutable {
    if (std::chrono::steady_clock::now() >= next) {
      refresh_note(writer, manifest);
      next = std::chrono::steady_clock::now() + k_note_interval;
    }
    if (on_progress) on_progress(progress);
  };
}

void drop_notes(const PullPlan& plan, Store::Writer& writer) {
  drop_note(writer, plan.manifest.digest);
  if (!plan.foreign) return;
  for (const ForeignLayer& layer : plan.foreign->layers) {
    if (layer.packing == LayerPacking::raw) continue;
    drop_note(writer, layer.blob.digest);
    writer.drop_partial(
        layer.blob.digest); // an earlier pull may have ended between its note and its archive's end
  }
}

// The version that an earlier pull made of this very manifest under this name, when the store holds it whole.
std::optional<Digest> find_made(const Store& store, const std::vector<TagEntry>& entries,
                                const PullPlan& plan) {
  for (const TagEntry& entry : entries)
    if (entry.source == plan.manifest.digest.text() && entry.model == plan.local.model() &&
        store.load(entry.digest))
      return entry.digest;
  return std::nullopt;
}

// Their sum is at most 2^53.
void count_bundle(const Store* store, PullPlan& plan) {
  for (const BlobClaim& blob : blobs_of(plan.layout)) {
    if (store != nullptr && store->has_blob(blob.digest, blob.size)) continue;
    plan.fetch_bytes +=
        blob.size - (store != nullptr ? store->partial_bytes(blob.digest, blob.size) : std::uint64_t{0});
    ++plan.fetch_blobs;
  }
  plan.needed_bytes = plan.fetch_bytes;
  for (const BlobClaim& layer : plan.layout.layers)
    plan.size_bytes += layer.size;
}

// Two files with one content come once.
void count_foreign(const Store* store, bool force, PullPlan& plan) {
  std::set<std::pair<Digest, LayerPacking>> seen;
  const auto partial_of = [&](const BlobClaim& blob) {
    return store != nullptr ? store->partial_bytes(blob.digest, blob.size) : std::uint64_t{0};
  };
  for (const ForeignLayer& layer : plan.foreign->layers) {
    plan.size_bytes += layer.blob.size;
    const bool raw = layer.packing == LayerPacking::raw;
    if (plan.version || !seen.emplace(layer.blob.digest, layer.packing).second) continue;
    if (store != nullptr && (raw ? store->has_blob(layer.blob.digest, layer.blob.size)
                                 : !force && find_unpacked(*store, layer.blob.digest)))
      continue;
    const std::uint64_t left = layer.blob.size - partial_of(layer.blob);
    plan.fetch_bytes += left;
    plan.needed_bytes += raw ? left : left + layer.blob.size; // an archive, and what is in it
    ++plan.fetch_blobs;
  }
  if (plan.version) return;
  plan.fetch_bytes += plan.foreign->config.size; // read, not kept
  ++plan.fetch_blobs;
}

} // namespace

Result<void> check_type(const RemoteManifest& manifest) {
  if (manifest.media_type == k_index_media_type ||
      manifest.media_type == "application/vnd.docker.distribution.manifest.list.v2+json")
    return fail(ErrorCode::bundle_invalid, "the reference names an image index, not a model");
  if (!manifest.media_type.empty() && manifest.media_type != k_manifest_media_type)
    return fail(ErrorCode::bundle_invalid,
                fmt::format("the reference names a {}, not a model", printable(manifest.media_type, 100)));
  return {};
}

Result<PullPlan> plan_pull(Registry& registry, const PullRequest& request, const Store* store) {
  RegistryConnection connection(registry);
  PullPlan plan;
  const std::string asked =
      request.remote.digest ? request.remote.digest->text() : request.remote.tag_or_default();
  MRUN_ASSIGN(plan.manifest, connection.get_manifest(asked));
  MRUN_TRY(check_type(plan.manifest));
  MRUN_ASSIGN(plan.signature, find_signature(connection, plan.manifest.digest, request.signature));
  plan.local = local_reference(request.remote);
  plan.has_tag = !request.remote.digest || !request.remote.tag.empty();
  std::vector<TagEntry> entries;
  if (store != nullptr) {
    MRUN_ASSIGN(entries, store->list());
  }
  if (is_bundle_manifest(plan.manifest.bytes)) {
    MRUN_ASSIGN(plan.layout, decode_bundle(plan.manifest.bytes));
    plan.version = plan.manifest.digest;
    count_bundle(store, plan);
  } else {
    MRUN_ASSIGN(plan.foreign, decode_foreign(plan.manifest.bytes));
    if (!request.force && store != nullptr) plan.version = find_made(*store, entries, plan);
    count_foreign(store, request.force, plan);
  }
  if (plan.has_tag) MRUN_TRY(check_tags(request, entries, plan));
  return plan;
}

std::string PullPlan::name() const {
  if (has_tag) return fmt::format("{}:{}", local.model(), local.tag_or_default());
  return fmt::format("{}@{}", local.model(), version ? version->text() : manifest.digest.text());
}

Result<PullPlan> pull(Registry& registry, PullRequest request, Store& store) {
  MRUN_ASSIGN(PullPlan plan, plan_pull(registry, request, &store));
  MRUN_TRY(check_disk(store, plan.needed_bytes));
  MRUN_ASSIGN(const std::unique_ptr<Store::Writer> writer, store.begin_write());
  if (plan.fetch_blobs > 0) {
    MRUN_TRY(note_what_comes(plan, *writer));
    request.transfer.on_progress =
        refreshing(plan.manifest.digest, *writer, std::move(request.transfer.on_progress));
  }
  const std::uint64_t before = registry.traffic().received_bytes;
  if (!plan.foreign) MRUN_TRY(pull_bundle(registry, request, plan, store, *writer));
  if (!plan.version) {
    MRUN_ASSIGN(plan.version, pull_foreign(registry, request, plan, store, *writer));
  }
  plan.fetched_bytes = registry.traffic().received_bytes - before;
  MRUN_ASSIGN(const Bundle bundle, store.load(*plan.version));
  // Beside the version, so that it can be checked again without the registry. One of an artifact that another
  // tool made is of that artifact, not of the version that was made of it here.
  if (plan.signature.signature && !plan.foreign)
    MRUN_TRY(keep_signature(*writer, *plan.signature.signature, *plan.version));
  const Provenance from{origin_of(request.remote), plan.foreign ? plan.manifest.digest.text() : ""};
  Reference name = plan.local;
  if (plan.has_tag) name.tag = plan.local.tag_or_default();
  std::vector<Store::Writer::Naming> names = {{name, *plan.version, facts_of(bundle), from}};
  if (plan.has_host_tag) {
    name.host = request.remote.host;
    name.owner = request.remote.owner;
    names.push_back({name, *plan.version, facts_of(bundle), from});
  }
  MRUN_TRY(writer->name_all(names));
  drop_notes(plan, *writer);
  return plan;
}

} // namespace mrun
