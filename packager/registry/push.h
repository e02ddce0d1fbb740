// `mrun push`: a bundle of the store goes to a registry.
#pragma once

#include <filesystem>

#include "packager/interop/modelpack_export.h"
#include "packager/registry/transfers.h"
#include "packager/store.h"

namespace mrun {

struct PushRequest {
  Digest version;
  const ModelPackExport* exported = nullptr; // goes there instead of the bundle
  Reference remote;                          // with a host; its tag is set there
  bool dry_run = false;                      // asks what is there, sends nothing
  std::filesystem::path notes;               // of earlier pushes (push_notes.h); "" for none
  TransferOptions transfer;
};

struct PushResult {
  Digest digest;          // of the manifest that went there
  bool was_there = false; // the tag meant this version already: one request, nothing sent
  std::uint64_t manifest_bytes = 0;
  std::uint64_t size_bytes = 0;    // of all blobs
  std::uint64_t sent_bytes = 0;    // that the registry lacked
  std::uint64_t mounted_bytes = 0; // that it had in another repository (dry run: is believed to have)
};

// Asks for the tag first: what its present version names is known to be there. What is known to be in another
// repository of the registry, and not in this one, is mounted. Other blobs are asked for, many at once, and
// sent when they are absent; the manifest goes last, so that nobody ever sees half a bundle. A registry that
// has lost a known blob, and says so, gets it in a second round.
// `registry`: made with `push`. Errors: registry_*, remote_not_found, store_corrupt, interrupted_by_user.
Result<PushResult> push(Registry& registry, const PushRequest& request, const Store& store);

} // namespace mrun
