// Models of other tools in a registry: CNCF ModelPack (and its older org.cnai names), Docker Model Runner,
// KitOps. What they have in common: layers that are a file each, or a tar of some files.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "packager/bundle_format.h"

namespace mrun {

enum class LayerPacking { raw, tar, tar_gzip, tar_zstd };

struct ForeignLayer {
  BlobClaim blob;
  LayerPacking packing = LayerPacking::raw;
  std::optional<SafePath> path; // of a raw one
  unsigned mode = 0644;         // of a raw one
};

struct ForeignArtifact {
  std::string kind; // for messages: "a ModelPack artifact"
  BlobClaim config;
  std::vector<ForeignLayer> layers;
};

// What its config says of the model; empty where it says nothing.
struct ForeignFacts {
  std::string name, description, license, format, architecture, parameters, quantization;
};

// Whether a manifest is one of mrun's own bundles: then decode_bundle() reads it.
bool is_bundle_manifest(std::string_view text);

// Errors: bundle_invalid (no such artifact, a layer of a type that is not known, the structure is wrong),
// path_refused.
Result<ForeignArtifact> decode_foreign(std::string_view text);

// Error bundle_invalid: the config is no JSON object.
Result<ForeignFacts> decode_foreign_config(std::string_view text);

} // namespace mrun
