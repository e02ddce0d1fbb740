#include "packager/registry/pull.h"

#include <set>

#include <fmt/format.h>
#include <sys/statvfs.h>

#include "common/text.h"
#include "packager/bundle_format.h"
#include "packager/store_writer.h"

namespace mrun {
namespace {

constexpr std::uint64_t k_disk_reserve_bytes = 16 * k_mib; // for the index, and for whoever else writes

Result<BundleLayout> layout_of(const RemoteManifest& manifest) {
  if (manifest.media_type == k_index_media_type ||
      manifest.media_type == "application/vnd.docker.distribution.manifest.list.v2+json")
    return fail(ErrorCode::bundle_invalid, "the reference names an image index, not a model");
  if (!manifest.media_type.empty() && manifest.media_type != k_manifest_media_type)
    return fail(ErrorCode::bundle_invalid,
                fmt::format("the reference names a {}, not a model", printable(manifest.media_type, 100)));
  return decode_bundle(manifest.bytes);
}

// All blobs of a bundle, each once.
std::vector<BlobClaim> blobs_of(const BundleLayout& layout) {
  std::vector<BlobClaim> blobs;
  std::set<Digest> seen;
  const auto add = [&](const BlobClaim& claim) {
    if (seen.insert(claim.digest).second) blobs.push_back(claim);
  };
  add(layout.config);
  for (const BlobClaim& layer : layout.layers)
    add(layer);
  return blobs;
}

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
Result<void> fetch_description(const PullRequest& request, Store::Writer& writer, const Store& store,
                               BundleLayout layout) {
  MRUN_ASSIGN(const std::unique_ptr<Registry> registry, Registry::make(request.registry));
  RegistryConnection connection(*registry);
  const auto fetch = [&](const BlobClaim& claim, std::size_t limit,
                         std::string_view what) -> Result<std::string> {
    if (claim.size > limit)
      return fail(ErrorCode::bundle_invalid, fmt::format("{} claims {}, at most {} are allowed", what,
                                                         format_bytes(claim.size), format_bytes(limit)));
    if (store.has_blob(claim.digest, claim.size))
      if (auto text = store.read_blob(claim.digest, limit)) return text;
    MRUN_ASSIGN(std::string text, connection.read_blob(claim.digest, claim.size));
    MRUN_TRY(writer.add_bytes(text));
    return text;
  };
  MRUN_TRY(fetch(layout.config, k_max_oci_manifest_bytes, "the config"));
  if (layout.recipe) {
    MRUN_ASSIGN(const std::string recipe, fetch(*layout.recipe, k_max_recipe_bytes, "the recipe"));
    MRUN_TRY(decode_recipe(recipe, layout));
  }
  MRUN_TRY(check_files(layout.files));
  for (const BundleFile& file : layout.files) {
    if (file.path.text() != k_bundle_manifest_name || file.segments.size() != 1) continue;
    MRUN_ASSIGN(const std::string text,
                fetch({file.segments[0].blob, file.size}, k_max_manifest_bytes, "mrun.yaml"));
    MRUN_TRY(parse_manifest(text, "mrun.yaml"));
  }
  return {};
}

} // namespace

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

Result<PullPlan> plan_pull(const PullRequest& request, const Store& store) {
  MRUN_ASSIGN(const std::unique_ptr<Registry> registry, Registry::make(request.registry));
  RegistryConnection connection(*registry);
  PullPlan plan;
  const std::string asked =
      request.remote.digest ? request.remote.digest->text() : request.remote.tag_or_default();
  MRUN_ASSIGN(plan.manifest, connection.get_manifest(asked));
  if (request.expected && *request.expected != plan.manifest.digest)
    return fail(ErrorCode::digest_mismatch,
                fmt::format("{} is {} now, {} was expected", request.remote.text(),
                            plan.manifest.digest.text(), request.expected->text()));
  MRUN_ASSIGN(const BundleLayout layout, layout_of(plan.manifest));
  plan.local = local_reference(request.remote);
  for (const BlobClaim& blob : blobs_of(layout)) {
    if (store.has_blob(blob.digest, blob.size)) continue;
    plan.fetch_bytes += blob.size; // each is at most 2^53, and there are at most 100,000: no overflow
    ++plan.fetch_blobs;
  }
  for (const BlobClaim& layer : layout.layers)
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

Result<PullResult> pull(const PullRequest& request, Store& store) {
  PullResult result;
  MRUN_ASSIGN(result.plan, plan_pull(request, store));
  const PullPlan& plan = result.plan;
  MRUN_TRY(check_tag(request, plan));
  MRUN_TRY(check_disk(store, plan.fetch_bytes));
  MRUN_ASSIGN(const BundleLayout layout, layout_of(plan.manifest));
  MRUN_ASSIGN(const std::unique_ptr<Store::Writer> writer, store.begin_write());
  MRUN_TRY(fetch_description(request, *writer, store, layout));
  std::vector<TransferTask> tasks;
  for (const BlobClaim& blob : blobs_of(layout)) {
    if (store.has_blob(blob.digest, blob.size)) continue;
    tasks.push_back({blob.size, [&writer, blob](RegistryConnection& connection, ByteCount& done) {
                       return fetch_blob(*writer, blob, connection, done);
                     }});
  }
  MRUN_TRY(run_transfers(request.registry, std::move(tasks), request.transfer));
  result.fetched_bytes = plan.fetch_bytes;
  MRUN_TRY(writer->add_bytes(plan.manifest.bytes));
  MRUN_ASSIGN(const Bundle bundle, store.load(plan.manifest.digest));
  if (request.remote.digest && request.remote.tag.empty())
    MRUN_TRY(writer->keep(plan.local.model(), plan.manifest.digest, facts_of(bundle), k_lease_lifetime));
  else
    MRUN_TRY(writer->tag(plan.local, plan.manifest.digest, facts_of(bundle), origin_of(request.remote)));
  return result;
}

} // namespace mrun
