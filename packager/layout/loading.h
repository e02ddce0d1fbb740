// What `mrun load` does with the entries of a layout, wherever they come from: blobs go into the store as
// they arrive, and what the index names is checked and named at the end. Internal to the layout library.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "packager/layout/layout_load.h"
#include "packager/store_writer.h"

namespace mrun {

// The next bytes of a file; empty at its end.
using NextBytes = std::function<Result<std::string_view>()>;

// A manifest that the index names.
struct IndexedManifest {
  Digest digest;
  std::string name; // as written; "" when it has none
};

tl::unexpected<Error> load_invalid(std::string message, std::string hint = {}); // bundle_invalid
tl::unexpected<Error> load_stopped();

// One load; one thread. Store, writer and request outlive it.
class Loading {
 public:
  Loading(Store& store, Store::Writer& writer, const LoadRequest& request);

  // Gives one entry of an archive or of a folder; what is no part of a layout is passed over.
  Result<void> take_entry(std::string_view name, std::uint64_t size, const NextBytes& next);
  const std::vector<IndexedManifest>& index() const { return *m_index; } // when it was taken
  // When all blobs are in the store: what the index names is checked, then all of it gets its names.
  Result<LoadResult> finish();

 private:
  // What is needed of a bundle, once for all names that it has.
  struct Known {
    VersionFacts facts;
    Manifest manifest;
  };

  Result<void> take_blob(const Digest& digest, std::uint64_t size, const NextBytes& next);
  Result<void> check_entry(const IndexedManifest& entry);
  Result<void> add_version(const IndexedManifest& entry, const Known& known);
  Result<void> take_signature(const std::string& manifest);
  Result<void> check_names();
  Result<void> name_versions();

  Store& m_store;
  Store::Writer& m_writer;
  const LoadRequest& m_request;
  bool m_has_layout = false;
  std::optional<std::vector<IndexedManifest>> m_index;
  std::map<Digest, Known> m_known;
  std::set<std::string> m_named;
  std::vector<std::string> m_signatures; // their manifests
  LoadResult m_result;
};

} // namespace mrun
