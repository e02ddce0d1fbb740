// `mrun pull`: a bundle comes from a registry into the store.
#pragma once

#include <optional>
#include <string>

#include "packager/bundle_format.h"
#include "packager/registry/transfers.h"
#include "packager/store.h"

namespace mrun {

struct PullRequest {
  Reference remote;   // with a host
  bool force = false; // move a tag of another origin
  TransferOptions transfer;
};

struct PullPlan {
  RemoteManifest manifest;
  BundleLayout layout;
  Reference local;               // owner/name:tag that it gets here
  std::uint64_t size_bytes = 0;  // of the bundle's files
  std::uint64_t fetch_bytes = 0; // what is not here
  std::size_t fetch_blobs = 0;
  std::optional<Digest> previous; // what the tag means here now, if it is something else
  std::string previous_origin;
};

// What a pull would do: the manifest is read and checked, nothing is written. Errors: registry_*,
// bundle_invalid, …
Result<PullPlan> plan_pull(Registry& registry, const PullRequest& request, const Store& store);

// Fetches what is not here, hashing as it comes: each piece is verified and durable before the next step, and
// the tag is set last. Interrupted at any moment, the next call fetches only what is missing. Gives what it
// did. Errors: those of plan_pull, tag_elsewhere, disk_full, digest_mismatch, interrupted_by_user.
Result<PullPlan> pull(Registry& registry, const PullRequest& request, Store& store);

// What a manifest of a registry names, if it is a bundle's. Error bundle_invalid: an image index, another
// artifact.
Result<BundleLayout> layout_of(const RemoteManifest& manifest);

// The name that a remote reference gets here: without host, its last two parts.
Reference local_reference(const Reference& remote);
// host/repository, as the index keeps it.
std::string origin_of(const Reference& remote);
// The repository's path of a reference: owner/name.
std::string repository_of(const Reference& remote);

} // namespace mrun
