#include "packager/interop/foreign_artifact.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "common/text.h"
#include "packager/interop/model_card.h"
#include "packager/oci_manifest.h"

namespace mrun {
namespace {

constexpr std::string_view k_what = "the OCI manifest";
constexpr std::string_view k_old_filepath =
    "org.cnai.model.filepath"; // before the specification moved to CNCF
constexpr std::string_view k_old_metadata = "org.cnai.model.file.metadata+json";

// Which tool's artifact a config type means.
struct Kind {
  std::string_view config_prefix, words;
};
constexpr std::array<Kind, 4> k_kinds = {
    {{"application/vnd.cncf.model.config.", "a ModelPack artifact"},
     {"application/vnd.cnai.model.config.", "a ModelPack artifact (of before CNCF)"},
     {"application/vnd.docker.ai.model.config.", "a Docker Model Runner artifact"},
     {"application/vnd.kitops.modelkit.config.", "a KitOps ModelKit"}}};

// Layer types that name no class and packing by ModelPack's grammar. `file`: what a layer without a path is
// called (Docker Model Runner's names); with several of the kind, the number goes before the dot.
struct KnownType {
  std::string_view media_type;
  LayerPacking packing;
  std::string_view file;
};
constexpr std::array<KnownType, 15> k_types = {
    {{"application/vnd.docker.ai.gguf.v3", LayerPacking::raw, "model.gguf"},
     {"application/vnd.docker.ai.gguf.v3.lora", LayerPacking::raw, "adapter.gguf"},
     {"application/vnd.docker.ai.mmproj", LayerPacking::raw, "model.mmproj"},
     {"application/vnd.docker.ai.safetensors", LayerPacking::raw, "model.safetensors"},
     {"application/vnd.docker.ai.dduf", LayerPacking::raw, "model.dduf"},
     {"application/vnd.docker.ai.license", LayerPacking::raw, "LICENSE"},
     {"application/vnd.docker.ai.chat.template.jinja", LayerPacking::raw, "chat_template.jinja"},
     {"application/vnd.docker.ai.model.file", LayerPacking::raw, ""},
     {"application/vnd.docker.ai.dir.tar", LayerPacking::tar, ""},
     {"application/vnd.docker.ai.vllm.config.tar", LayerPacking::tar, ""},
     {"application/vnd.cncf.model.weight.v1.gguf", LayerPacking::raw, "model.gguf"},
     {"application/vnd.cncf.model.weight.v1.safetensors", LayerPacking::raw, "model.safetensors"},
     {"application/vnd.oci.image.layer.v1.tar", LayerPacking::tar, ""},
     {"application/vnd.oci.image.layer.v1.tar+gzip", LayerPacking::tar_gzip, ""},
     {"application/vnd.oci.image.layer.v1.tar+zstd", LayerPacking::tar_zstd, ""}}};

constexpr std::array<std::pair<std::string_view, LayerPacking>, 4> k_packings = {
    {{".raw", LayerPacking::raw},
     {".tar", LayerPacking::tar},
     {".tar+gzip", LayerPacking::tar_gzip},
     {".tar+zstd", LayerPacking::tar_zstd}}};
constexpr std::array<std::string_view, 5> k_classes = {"weight", "weight.config", "doc", "code", "dataset"};
constexpr std::array<std::string_view, 5> k_kit_classes = {"model", "modelpart", "dataset", "code", "docs"};

tl::unexpected<Error> invalid(std::string message, std::string hint = {}) {
  return fail(ErrorCode::bundle_invalid, std::move(message), std::move(hint));
}

// <prefix><class>.v1<packing>
template<std::size_t N>
std::optional<KnownType> by_grammar(std::string_view media_type, std::string_view prefix,
                                    const std::array<std::string_view, N>& classes) {
  if (!media_type.starts_with(prefix)) return std::nullopt;
  media_type.remove_prefix(prefix.size());
  const std::size_t version = media_type.find(".v1.");
  if (version == std::string_view::npos) return std::nullopt;
  const std::string_view class_name = media_type.substr(0, version);
  if (std::find(classes.begin(), classes.end(), class_name) == classes.end()) return std::nullopt;
  for (const auto& [suffix, packing] : k_packings)
    if (media_type.substr(version + 3) == suffix) return KnownType{{}, packing, {}};
  return std::nullopt;
}

std::optional<KnownType> find_type(std::string_view media_type) {
  for (const KnownType& type : k_types)
    if (type.media_type == media_type) return type;
  for (const std::string_view prefix : {"application/vnd.cncf.model.", "application/vnd.cnai.model."})
    if (auto type = by_grammar(media_type, prefix, k_classes)) return type;
  return by_grammar(media_type, "application/vnd.kitops.modelkit.", k_kit_classes);
}

// "model.gguf" of several → "model-00001-of-00002.gguf", as llama.cpp and Hugging Face name parts; "LICENSE"
// → "LICENSE-2".
std::string numbered(std::string_view file, std::size_t number, std::size_t count) {
  const std::size_t dot = std::min(file.find('.'), file.size());
  if (count == 1 || (number == 1 && dot == file.size())) return std::string(file);
  if (dot == file.size()) return fmt::format("{}-{}", file, number);
  return fmt::format("{}-{:05}-of-{:05}{}", file.substr(0, dot), number, count, file.substr(dot));
}

class ForeignReader {
 public:
  Result<ForeignArtifact> read(const Json& root) {
    MRUN_TRY(read_kind(root));
    MRUN_ASSIGN(m_artifact.config, decode_claim(root["config"], "the config"));
    const Json& layers = root["layers"];
    Claims claims;
    MRUN_TRY(claims.add(m_artifact.config));
    for (std::size_t i = 0; i < layers.size(); ++i) {
      MRUN_TRY(read_layer(layers[i], fmt::format("layer {}", i)));
      MRUN_TRY(claims.add(m_artifact.layers.back().blob));
    }
    for (const auto& [file, places] : m_unnamed)
      for (std::size_t i = 0; i < places.size(); ++i) {
        MRUN_ASSIGN(m_artifact.layers[places[i]].path, SafePath::parse(numbered(file, i + 1, places.size())));
      }
    if (m_artifact.layers.empty()) return invalid("the artifact has no layers");
    return std::move(m_artifact);
  }

 private:
  Result<void> read_kind(const Json& root) {
    MRUN_ASSIGN(const std::string type, need_string(root["config"], "mediaType", ErrorCode::bundle_invalid,
                                                    "the config's descriptor"));
    for (const Kind& kind : k_kinds)
      if (type.starts_with(kind.config_prefix)) m_artifact.kind = kind.words;
    MRUN_ASSIGN(const std::optional<std::string> artifact_type,
                json_string(root, "artifactType", ErrorCode::bundle_invalid, k_what));
    if (m_artifact.kind.empty() && artifact_type == k_artifact_type) m_artifact.kind = k_kinds[0].words;
    if (!m_artifact.kind.empty()) return {};
    return invalid(fmt::format("it is no model: its config is of type {}", printable(type, 100)),
                   "mrun takes its own bundles, and models of ModelPack, Docker Model Runner and KitOps");
  }

  Result<void> read_layer(const Json& value, const std::string& what) {
    ForeignLayer layer;
    MRUN_ASSIGN(layer.blob, decode_claim(value, what));
    MRUN_ASSIGN(const std::string media_type,
                need_string(value, "mediaType", ErrorCode::bundle_invalid, what));
    const std::optional<KnownType> type = find_type(media_type);
    if (!type)
      return invalid(
          fmt::format("{} is of type {}, which this mrun does not read", what, printable(media_type, 100)));
    layer.packing = type->packing;
    if (layer.packing == LayerPacking::raw) MRUN_TRY(read_raw(value, what, *type, layer));
    m_artifact.layers.push_back(std::move(layer));
    return {};
  }

  Result<void> read_raw(const Json& value, const std::string& what, const KnownType& type,
                        ForeignLayer& layer) {
    MRUN_ASSIGN(const std::optional<std::string> path, path_of(value, what));
    if (path) {
      MRUN_ASSIGN(layer.path, SafePath::parse(*path));
    } else if (!type.file.empty()) {
      m_unnamed[type.file].push_back(m_artifact.layers.size());
    } else {
      return invalid(fmt::format("{} has no file path", what));
    }
    for (const std::string_view key : {k_metadata_annotation, k_old_metadata}) {
      MRUN_ASSIGN(const unsigned mode, decode_file_mode(value, key, what));
      layer.mode |= mode;
    }
    return {};
  }

  static Result<std::optional<std::string>> path_of(const Json& value, const std::string& what) {
    for (const std::string_view key :
         {k_filepath_annotation, k_old_filepath, std::string_view("org.opencontainers.image.title")}) {
      MRUN_ASSIGN(std::optional<std::string> path, oci_annotation(value, key, what));
      if (path) return path;
    }
    return std::optional<std::string>();
  }

  ForeignArtifact m_artifact;
  std::map<std::string_view, std::vector<std::size_t>>
      m_unnamed; // layers that get a name from their type, by that name
};

// A text member of `object`, or of the object `inside` of it.
std::string text_at(const Json& object, const char* inside, const char* key) {
  const auto outer = object.find(inside);
  if (outer == object.end() || !outer->is_object()) return {};
  const auto found = outer->find(key);
  return found != outer->end() && found->is_string() ? printable(found->get<std::string>(), 300) : "";
}

std::string first_text(const Json& object, const char* inside, const char* key) {
  const auto outer = object.find(inside);
  if (outer == object.end() || !outer->is_object()) return {};
  const auto found = outer->find(key);
  const bool list = found != outer->end() && found->is_array() && !found->empty() && (*found)[0].is_string();
  return list ? (*found)[0].get<std::string>() : "";
}

} // namespace

bool is_bundle_manifest(std::string_view text) {
  const Result<Json> root = parse_oci_manifest(text);
  if (!root) return false;
  const Result<std::optional<std::string>> format = oci_annotation(*root, k_format_annotation, k_what);
  return format && *format;
}

Result<ForeignArtifact> decode_foreign(std::string_view text) {
  MRUN_ASSIGN(const Json root, parse_oci_manifest(text));
  return ForeignReader().read(root);
}

Result<ForeignFacts> decode_foreign_config(std::string_view text) {
  MRUN_ASSIGN(const Json config,
              parse_json(text, ErrorCode::bundle_invalid, "the config", {k_max_oci_manifest_bytes, 32}));
  if (!config.is_object()) return invalid("the config is not an object");
  ForeignFacts facts;
  facts.name = text_at(config, "descriptor", "name");
  facts.description = text_at(config, "descriptor", "description");
  facts.license = spdx_license(first_text(config, "descriptor", "licenses"));
  facts.format = text_at(config, "config", "format");
  facts.architecture = text_at(config, "config", "architecture");
  facts.parameters = text_at(config, "config", "paramSize");
  if (facts.parameters.empty()) facts.parameters = text_at(config, "config", "parameters");
  facts.quantization = text_at(config, "config", "quantization");
  if (facts.name.empty()) facts.name = text_at(config, "package", "name"); // a Kitfile
  if (facts.description.empty()) facts.description = text_at(config, "package", "description");
  if (facts.license.empty()) facts.license = spdx_license(text_at(config, "package", "license"));
  return facts;
}

} // namespace mrun
