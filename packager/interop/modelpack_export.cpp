#include "packager/interop/modelpack_export.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "common/text.h"
#include "packager/bundle_file_reader.h"
#include "packager/interop/model_facts.h"
#include "packager/interop/whole_digests.h"
#include "packager/sha256.h"

namespace mrun {
namespace {

constexpr std::string_view k_untested_annotation = "org.cncf.model.file.mediatype.untested";

// ModelPack's word for what a value is to a person.
std::string modality_of(const TypeSpec& type) {
  if (type.type == ValueType::string) return "text";
  if (type.type == ValueType::array && !type.items.empty()) return modality_of(type.items[0]);
  if (type.type != ValueType::file) return "other";
  for (const std::string_view family : {"image", "audio", "video", "text"})
    if (!type.accept.empty() && std::ranges::all_of(type.accept, [&](const std::string& media_type) {
          return media_type.starts_with(family);
        }))
      return std::string(family);
  return "other";
}

Json capabilities_of(const Manifest& manifest) {
  std::set<std::string> inputs;
  for (const InputSpec& input : manifest.inputs)
    if (input.type.type == ValueType::string || input.type.type == ValueType::file)
      inputs.insert(modality_of(input.type));
  const bool embeds = manifest.task.find("embedding") != std::string::npos;
  const std::string output = embeds ? "embedding" : modality_of(manifest.output);
  Json capabilities = {{"outputTypes", Json::array({output})}};
  if (!inputs.empty()) capabilities["inputTypes"] = inputs;
  return capabilities;
}

class Exporting {
 public:
  Exporting(const Store& store, const Bundle& bundle, const ExportOptions& options)
      : m_store(store),
        m_bundle(bundle),
        m_options(options),
        m_digests(options.notes) {}

  Result<ModelPackExport> run() {
    MRUN_TRY(make_whole());
    MRUN_ASSIGN(m_facts, learn_facts(source_of(m_store, m_bundle.files)));
    ModelPackExport out;
    out.config = config();
    out.config_claim = {Sha256::of(out.config), out.config.size()};
    out.manifest = manifest(out.config_claim);
    if (out.manifest.size() > k_max_oci_manifest_bytes)
      return fail(ErrorCode::manifest_limit,
                  fmt::format("the artifact's manifest has {}, at most {} are allowed",
                              format_bytes(out.manifest.size()), format_bytes(k_max_oci_manifest_bytes)));
    out.digest = Sha256::of(out.manifest);
    for (std::size_t i = 0; i < m_whole.files.size(); ++i)
      out.layers.push_back({{m_whole.files[i].segments[0].blob, m_whole.files[i].size}, m_bundle.files[i]});
    m_digests.save();
    return out;
  }

 private:
  // The files as if each were one blob.
  Result<void> make_whole() {
    std::uint64_t done = 0, total = 0;
    for (const BundleFile& file : m_bundle.files)
      total += is_whole(file) || m_digests.find(file) ? 0 : file.size;
    for (const BundleFile& file : m_bundle.files) {
      std::optional<Digest> digest = is_whole(file) ? file.segments[0].blob : m_digests.find(file);
      if (!digest) {
        MRUN_ASSIGN(digest, hash_bundle_file(m_store, file, [&](std::uint64_t file_done) {
                      if (m_options.on_progress) m_options.on_progress(done + file_done, total);
                    }));
        done += file.size;
        m_digests.note(file, *digest);
      }
      m_whole.files.push_back({file.path, file.mode, file.size, {{*digest, 0, file.size}}});
    }
    return {};
  }

  // A bundle's config with what the weights say; the upstream schema allows these keys and no others.
  std::string config() const {
    Json config = Json::parse(encode_config(m_bundle.manifest, m_whole));
    Json& said = config["config"];
    const auto add = [&](const char* key, const std::string& value) {
      if (!value.empty()) said[key] = value;
    };
    add("format", m_facts.format);
    add("architecture", m_facts.architecture);
    add("paramSize", parameter_words(m_facts.parameters));
    add("precision", m_facts.precision);
    add("quantization", m_facts.quantization);
    said["capabilities"] = capabilities_of(m_bundle.manifest);
    if (!m_facts.architecture.empty()) config["descriptor"]["family"] = m_facts.architecture;
    return canonical_json(config);
  }

  // A bundle's manifest; each layer says besides whether more than the name was looked at.
  std::string manifest(const BlobClaim& config) const {
    Json manifest = Json::parse(encode_bundle(m_whole, config));
    for (Json& layer : manifest["layers"]) {
      const Json& path = layer["annotations"][std::string(k_filepath_annotation)];
      const bool tested =
          m_facts.parameters > 0 && std::ranges::any_of(m_facts.weights, [&](const SafePath& weight) {
            return weight.text() == path.get_ref<const std::string&>();
          });
      layer["annotations"][std::string(k_untested_annotation)] = tested ? "false" : "true";
    }
    return canonical_json(manifest);
  }

  const Store& m_store;
  const Bundle& m_bundle;
  const ExportOptions& m_options;
  WholeDigests m_digests;
  BundleParts m_whole;
  ModelFacts m_facts;
};

} // namespace

Result<ModelPackExport> export_modelpack(const Store& store, const Bundle& bundle,
                                         const ExportOptions& options) {
  return Exporting(store, bundle, options).run();
}

} // namespace mrun
