// Which bundle a prediction's `version` means. Bundles are read once and kept by digest.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "common/error.h"
#include "daemon/service/background.h"
#include "daemon/service/service.h"
#include "packager/store.h"

namespace mrun {

using BundlePtr = std::shared_ptr<const Bundle>; // shared by the cache, queued predictions and loaded workers

class Resolver {
 public:
  Resolver(Store& store, Background& background) : m_store(store), m_background(background) {}

  // owner/name[:tag|:64hex|@sha256:…] or 8 to 64 hex. `done` runs at once when it is a name (whose
  // index is read again only after a change) of a bundle that is known already, else after a look into the
  // store in the background. Errors: reference_invalid, model_not_found, digest_ambiguous,
  // store_corrupt.
  void resolve(const std::string& version, Callback<BundlePtr> done);

 private:
  bool find_recent(const Digest& digest); // moves it to the front of m_recent
  void load(Result<Digest> digest, Callback<BundlePtr> done);
  void remember(const BundlePtr& bundle);

  Store& m_store;
  Background& m_background;
  std::list<BundlePtr> m_recent; // most recently used first, at most k_kept_bundles
};

} // namespace mrun
