// `mrun pull`: a bundle comes from a registry into the store.
#pragma once

#include <optional>
#include <string>

#include "packager/bundle_format.h"
#include "packager/interop/foreign_artifact.h"
#include "packager/registry/signatures.h"
#include "packager/registry/transfers.h"
#include "packager/remote_name.h"
#include "packager/store.h"

namespace mrun {

struct PullRequest {
  Reference remote;   // with a host
  bool force = false; // move a tag of another origin, trust nothing that is here but what is hashed again
  SignatureDemand signature = {};
  TransferOptions transfer = {};
};

struct PullPlan {
  RemoteManifest manifest;
  BundleLayout layout;                    // of a bundle
  std::optional<ForeignArtifact> foreign; // a model of another tool: mrun makes a bundle of it
  std::optional<Digest> version;          // here; of a foreign model known once it was pulled
  Reference local;                        // owner/name:tag that it gets here; without a tag: see has_tag
  bool has_tag = true;                    // no: it was asked for by digest, and is kept under that
  bool has_host_tag = false;              // a tag here has the host in its name, and moves as well
  std::uint64_t size_bytes = 0;           // of the bundle's files
  std::uint64_t fetch_bytes = 0;          // what is not here
  std::uint64_t fetched_bytes = 0;        // what came, after pull(): more, when something had to come twice
  std::uint64_t needed_bytes = 0;         // on the disk of the store
  std::size_t fetch_blobs = 0;
  std::optional<Digest> previous; // what the tag means here now, if it is something else
  SignatureFinding signature;

  // What it is called here: owner/name:tag, or owner/name@sha256:….
  std::string name() const;
};

// What a pull would do: the manifest is read, its signature and itself are checked, nothing is written.
// `store`: nullptr for none yet. Errors: registry_*, signature_*, bundle_invalid, tag_elsewhere, …
Result<PullPlan> plan_pull(Registry& registry, const PullRequest& request, const Store* store);

// Fetches what is not here, hashing as it comes: each piece is verified and durable before the next step, and
// the tag is set last. Interrupted at any moment, the next call fetches only what is missing. Gives what it
// did. Errors: those of plan_pull, tag_elsewhere, disk_full, digest_mismatch, interrupted_by_user.
Result<PullPlan> pull(Registry& registry, PullRequest request, Store& store);

// Error bundle_invalid: the manifest of a registry is of another type than bundles and other models have (an
// image index).
Result<void> check_type(const RemoteManifest& manifest);

} // namespace mrun
