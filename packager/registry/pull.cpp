#include "packager/registry/pull.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include "common/text.h"
#include "packager/store_writer.h"

namespace mrun {
namespace {

constexpr std::uint64_t k_disk_reserve_bytes = 16 * k_mib; // for the index, and for whoever else writes

Result<void> check_disk(const Store& store, std::uint64_t needed) {
  struct statvfs disk {};
  if (::fstatvfs(store.blobs_dir_fd(), &disk) < 0) return {};
  const std::uint64_t free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  if (needed + k_disk_reserve_bytes <= free) return {};
  return fail(ErrorCode::disk_full,
              fmt::format("the model needs {} more, {} are free on the disk of the store",
                          format_bytes(needed), format_bytes(free)),
              "mrun rm models that you no longer need, then mrun gc");
}

// A tag that means something of another origin stays, unless told otherwise.
Result<void> check_tag(const PullRequest& request, const PullPlan& plan) {
  if (!plan.previous || request.force || plan.previous_origin == origin_of(request.remote)) return {};
  return fail(
      ErrorCode::tag_elsewhere,
      fmt::format("{}:{} is {} here, {}", plan.local.model(), plan.local.tag_or_default(),
                  plan.previous->short_hex(),
                  plan.previous_origin.empty() ? "packed on this machine" : "from " + plan.previous_origin));
}

// Fetches one blob into the store; what an earlier pull left of it is gone on with.
Result<void> fetch_blob(Store::Writer& writer, const BlobClaim& claim, RegistryConnection& connection,
                        ByteCount& done) {
  for (int attempt = 0;; ++attempt) {
    MRUN_ASSIGN(Store::Writer::Incoming incoming, writer.resume_blob(claim.digest, claim.size));
    BlobDownload download{.digest = claim.digest,
                          .size_bytes = claim.size,
                          .offset = incoming.size(),
                          .sink = [&](std::string_view bytes) -> Result<void> {
                            MRUN_TRY(incoming.write(bytes));
                            done.store(incoming.size(), std::memory_order_relaxed);
                            return {};
                          },
                          .restart = [&] { return incoming.restart(); }};
    MRUN_TRY(connection.get_blob(download));
    Result<AddedBlob> added = incoming.finish(claim.digest);
    if (added) return {};
    if (added.error().code != ErrorCode::store_corrupt) return tl::unexpected(std::move(added).error());
    // A part of it may have been damaged, here by a power cut or on the way: once more from the start.
    if (attempt == 0) continue;
    return fail(ErrorCode::digest_mismatch, fmt::format("what {} sends as blob {} has other content",
                                                        connection.host(), claim.digest.text()));
  }
}

// The small blobs say what the bundle is: they come first, and are checked before the large ones move.
Result<void> fetch_description(Registry& registry, Store::Writer& writer, const Store& store,
                               const PullPlan& plan) {
  RegistryConnection connection(registry);
  const auto fetch = [&](const BlobClaim& claim, std::size_t limit) -> Result<std::string> {
    if (store.has_blob(claim.digest, claim.size))
      if (auto text = store.read_blob(claim.digest, limit)) return text;
    MRUN_ASSIGN(std::string text, connection.read_blob(claim.digest, claim.size));
    MRUN_TRY(writer.add_bytes(text));
    return text;
  };
  MRUN_TRY(describe_bundle(plan.manifest.digest, plan.layout, fetch));
  return {};
}

} // namespace

Result<BundleLayout> layout_of(const RemoteManifest& manifest) {
  if (manifest.media_type == k_index_media_type ||
      manifest.media_type == "application/vnd.docker.distribution.manifest.list.v2+json")
    return fail(ErrorCode::bundle_invalid, "the reference names an image index, not a model");
  if (!manifest.media_type.empty() && manifest.media_type != k_manifest_media_type)
    return fail(ErrorCode::bundle_invalid,
                fmt::format("the reference names a {}, not a model", printable(manifest.media_type, 100)));
  return decode_bundle(manifest.bytes);
}

Reference local_reference(const Reference& remote) {
  Reference local;
  const std::size_t slash = remote.owner.rfind('/');
  local.owner = slash == std::string::npos ? remote.owner : remote.owner.substr(slash + 1);
  if (local.owner.empty()) local.owner = "local";
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

Result<PullPlan> plan_pull(Registry& registry, const PullRequest& request, const Store& store) {
  RegistryConnection connection(registry);
  PullPlan plan;
  const std::string asked =
      request.remote.digest ? request.remote.digest->text() : request.remote.tag_or_default();
  MRUN_ASSIGN(plan.manifest, connection.get_manifest(asked));
  MRUN_ASSIGN(plan.layout, layout_of(plan.manifest));
  plan.local = local_reference(request.remote);
  for (const BlobClaim& blob : blobs_of(plan.layout)) {
    if (store.has_blob(blob.digest, blob.size)) continue;
    plan.fetch_bytes += blob.size; // each is at most 2^53, and there are at most 100,000: no overflow
    ++plan.fetch_blobs;
  }
  for (const BlobClaim& layer : plan.layout.layers)
    plan.size_bytes += layer.size;
  MRUN_ASSIGN(const std::vector<TagEntry> entries, store.list());
  for (const TagEntry& entry : entries)
    if (entry.model == plan.local.model() && entry.tag == plan.local.tag_or_default() &&
        entry.digest != plan.manifest.digest) {
      plan.previous = entry.digest;
      plan.previous_origin = entry.origin;
    }
  return plan;
}

Result<PullPlan> pull(Registry& registry, const PullRequest& request, Store& store) {
  MRUN_ASSIGN(PullPlan plan, plan_pull(registry, request, store));
  MRUN_TRY(check_tag(request, plan));
  MRUN_TRY(check_disk(store, plan.fetch_bytes));
  MRUN_ASSIGN(const std::unique_ptr<Store::Writer> writer, store.begin_write());
  MRUN_TRY(fetch_description(registry, *writer, store, plan));
  std::vector<TransferTask> tasks;
  for (const BlobClaim& blob : blobs_of(plan.layout)) {
    if (store.has_blob(blob.digest, blob.size)) continue;
    tasks.push_back({blob.size, [&writer, blob](RegistryConnection& connection, ByteCount& done) {
                       return fetch_blob(*writer, blob, connection, done);
                     }});
  }
  MRUN_TRY(run_transfers(registry, std::move(tasks), request.transfer));
  MRUN_TRY(writer->add_bytes(plan.manifest.bytes));
  MRUN_ASSIGN(const Bundle bundle, store.load(plan.manifest.digest));
  if (request.remote.digest && request.remote.tag.empty())
    MRUN_TRY(writer->keep(plan.local.model(), plan.manifest.digest, facts_of(bundle), k_lease_lifetime));
  else
    MRUN_TRY(writer->tag(plan.local, plan.manifest.digest, facts_of(bundle), origin_of(request.remote)));
  return plan;
}

} // namespace mrun
