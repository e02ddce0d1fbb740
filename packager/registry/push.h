// `mrun push`: a bundle of the store goes to a registry.
#pragma once

#include "packager/interop/modelpack_export.h"
#include "packager/registry/transfers.h"
#include "packager/store.h"

namespace mrun {

struct PushRequest {
  Digest version;
  const ModelPackExport* exported = nullptr; // goes there instead of the bundle
  Reference remote;                          // with a host; its tag is set there
  bool dry_run = false;                      // asks what is there, sends nothing
  TransferOptions transfer;
};

struct PushResult {
  Digest digest;          // of the manifest that went there
  bool was_there = false; // the tag meant this version already: one request, nothing sent
  std::uint64_t manifest_bytes = 0;
  std::uint64_t size_bytes = 0; // of all blobs
  std::uint64_t sent_bytes = 0; // that the registry lacked
};

// Asks for the tag first: what its present version names is known to be there. Other blobs are asked for, and
// sent when they are absent; the manifest goes last, so that nobody ever sees half a bundle. `registry`: made
// with `push`. Errors: registry_*, remote_not_found, store_corrupt, interrupted_by_user.
Result<PushResult> push(Registry& registry, const PushRequest& request, const Store& store);

} // namespace mrun
