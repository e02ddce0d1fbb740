// A bundle as others read it: a ModelPack artifact of whole files (modctl, Docker Model Runner), with a
// digest of its own. What it says besides a bundle is learned from the headers of its weights; the same
// bundle gives the same bytes on any machine.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "packager/bundle_format.h"

namespace mrun {

struct ExportLayer {
  BlobClaim claim;
  BundleFile file; // whose content it is
};

struct ModelPackExport {
  std::string manifest;
  Digest digest; // of it
  std::string config;
  BlobClaim config_claim;
  std::vector<ExportLayer> layers;
};

struct ExportOptions {
  std::filesystem::path notes; // a file that keeps the digests of cut files; "": they are hashed each time
  // Cut files have to be read once for their digest: bytes of all of them.
  std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)> on_progress;
};

// Constant memory at any size. Errors: store_corrupt, io, manifest_limit.
Result<ModelPackExport> export_modelpack(const Store& store, const Bundle& bundle,
                                         const ExportOptions& options = {});

} // namespace mrun
