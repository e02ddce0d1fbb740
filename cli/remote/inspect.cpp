#include <map>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/interrupt.h"
#include "cli/context.h"
#include "cli/remote/credential_input.h"
#include "cli/remote/remote_target.h"
#include "cli/render/json_text.h"
#include "cli/render/model_text.h"
#include "common/text.h"
#include "packager/consent.h"
#include "packager/registry/pull.h"
#include "packager/schema.h"

namespace mrun::cli {
namespace {

// The layers of a manifest that decode_bundle() has taken.
Json layers_json(const std::string& manifest_text) {
  Json layers = Json::array();
  const Json manifest = Json::parse(manifest_text);
  for (const Json& layer : manifest["layers"])
    layers.push_back(
        {{"media_type", layer["mediaType"]}, {"digest", layer["digest"]}, {"size_bytes", layer["size"]}});
  return layers;
}

Json bundle_json(const Bundle& bundle, const Reference& remote, Json layers) {
  Json files = Json::array();
  for (const BundleFile& file : bundle.files)
    files.push_back({{"path", file.path.text()}, {"size_bytes", file.size}});
  const Manifest& manifest = bundle.manifest;
  return {{"schema", "mrun.inspect/v1"},         {"reference", remote.text()},
          {"digest", bundle.digest.text()},      {"version", bundle.digest.hex()},
          {"size_bytes", bundle.size_bytes},     {"files", std::move(files)},
          {"layers", std::move(layers)},         {"native_code", runs_own_code(manifest)},
          {"manifest", manifest_json(manifest)}, {"openapi_schema", openapi_schema(manifest)}};
}

// How many layers of each media type there are, and their bytes.
std::string layers_text(const Json& layers) {
  std::map<std::string, std::pair<std::size_t, std::uint64_t>> kinds;
  for (const Json& layer : layers) {
    auto& [count, size_bytes] = kinds[layer["media_type"].get<std::string>()];
    ++count;
    size_bytes += layer["size_bytes"].get<std::uint64_t>();
  }
  std::string text = fmt::format("Layers ({})\n", layers.size());
  for (const auto& [media_type, sum] : kinds)
    text +=
        fmt::format("  {:>10}  {:>6}  {}\n", format_bytes(sum.second), sum.first, printable(media_type, 100));
  return text;
}

std::string bundle_text(const Terminal& terminal, const Bundle& bundle, const Reference& remote,
                        const Json& layers) {
  const Manifest& manifest = bundle.manifest;
  std::string text = fmt::format("{}\n  {}\n\n", remote.text(), bundle.digest.text());
  if (!manifest.description.empty()) text += fmt::format("  {}\n\n", printable(manifest.description, 500));
  text += fmt::format("  model    {}\n  size     {}\n  engine   {}{}\n  license  {}\n\nFiles\n",
                      manifest.name, format_bytes(bundle.size_bytes), manifest.engine,
                      runs_own_code(manifest) ? ": native code of its author, which needs --trust" : "",
                      manifest.license.empty() ? "unknown" : printable(manifest.license, 100));
  for (const BundleFile& file : bundle.files)
    text += fmt::format("  {:>10}  {}\n", format_bytes(file.size), file.path.text());
  return fmt::format("{}\n{}\n{}", text, layers_text(layers), schema_text(terminal, manifest));
}

// A model of another tool: what its manifest and config say. Its inputs are known once it was pulled.
Json foreign_json(const ForeignArtifact& artifact, const ForeignFacts& facts, const Digest& digest,
                  const Reference& remote) {
  Json layers = Json::array();
  std::uint64_t size_bytes = 0;
  for (const ForeignLayer& layer : artifact.layers) {
    size_bytes += layer.blob.size;
    layers.push_back({{"path", layer.path ? Json(layer.path->text()) : Json(nullptr)},
                      {"size_bytes", layer.blob.size},
                      {"digest", layer.blob.digest.text()}});
  }
  Json source = {{"kind", artifact.kind}};
  for (const auto& [key, text] : {std::pair<const char*, const std::string&>{"name", facts.name},
                                  {"description", facts.description},
                                  {"license", facts.license},
                                  {"format", facts.format},
                                  {"architecture", facts.architecture},
                                  {"parameters", facts.parameters},
                                  {"quantization", facts.quantization}})
    source[key] = text.empty() ? Json(nullptr) : Json(text);
  return {{"schema", "mrun.inspect/v1"}, {"reference", remote.text()},  {"source_digest", digest.text()},
          {"size_bytes", size_bytes},    {"layers", std::move(layers)}, {"source", std::move(source)}};
}

std::string foreign_text(const Json& shown) {
  std::string text = fmt::format(
      "{}\n  {}\n\n  {}: `mrun pull` makes a bundle of it\n\n", shown["reference"].get<std::string>(),
      shown["source_digest"].get<std::string>(), shown["source"]["kind"].get<std::string>());
  for (const char* key : {"name", "description", "format", "architecture", "parameters", "quantization"})
    if (const Json& value = shown["source"][key]; value.is_string())
      text += fmt::format("  {:<13}{}\n", key, value.get<std::string>());
  const Json& license = shown["source"]["license"];
  text += fmt::format("  {:<13}{}\n  {:<13}{}\n\nLayers\n", "size",
                      format_bytes(shown["size_bytes"].get<std::uint64_t>()), "license",
                      license.is_string() ? license.get<std::string>() : "not in its config");
  for (const Json& layer : shown["layers"])
    text += fmt::format("  {:>10}  {}\n", format_bytes(layer["size_bytes"].get<std::uint64_t>()),
                        layer["path"].is_string() ? layer["path"].get<std::string>() : "(an archive)");
  return text;
}

Result<Json> inspect_foreign(RegistryConnection& connection, const RemoteManifest& manifest,
                             const Reference& remote) {
  MRUN_ASSIGN(const ForeignArtifact artifact, decode_foreign(manifest.bytes));
  MRUN_ASSIGN(const std::string config, connection.read_blob(artifact.config.digest, artifact.config.size));
  MRUN_ASSIGN(const ForeignFacts facts, decode_foreign_config(config));
  return foreign_json(artifact, facts, manifest.digest, remote);
}

} // namespace

Result<int> run_inspect(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const Reference remote, parse_remote(context, arguments.positional(0)));
  MRUN_ASSIGN(std::optional<Credential> credential, given_credential(arguments, {remote}));
  MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
  MRUN_ASSIGN(const std::unique_ptr<Registry> registry,
              open_registry(context, remote, interrupt.fd(), false, std::move(credential)));
  RegistryConnection connection(*registry);
  MRUN_ASSIGN(const RemoteManifest manifest,
              connection.get_manifest(remote.digest ? remote.digest->text() : remote.tag_or_default()));
  MRUN_TRY(check_type(manifest));
  if (!is_bundle_manifest(manifest.bytes)) {
    MRUN_ASSIGN(const Json shown, inspect_foreign(connection, manifest, remote));
    if (context.json)
      MRUN_TRY(print_json(context.terminal, shown));
    else
      MRUN_TRY(context.terminal.out(foreign_text(shown)));
    return 0;
  }
  MRUN_ASSIGN(BundleLayout layout, decode_bundle(manifest.bytes));
  MRUN_ASSIGN(const Bundle bundle,
              describe_bundle(manifest.digest, std::move(layout), [&](const BlobClaim& claim, std::size_t) {
                return connection.read_blob(claim.digest, claim.size);
              }));
  Json layers = layers_json(manifest.bytes);
  if (context.json)
    MRUN_TRY(print_json(context.terminal, bundle_json(bundle, remote, std::move(layers))));
  else
    MRUN_TRY(context.terminal.out(bundle_text(context.terminal, bundle, remote, layers)));
  return 0;
}

} // namespace mrun::cli
