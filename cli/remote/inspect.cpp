#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/interrupt.h"
#include "cli/context.h"
#include "cli/remote/remote_target.h"
#include "cli/render/json_text.h"
#include "common/text.h"
#include "packager/registry/pull.h"
#include "packager/schema.h"

namespace mrun::cli {
namespace {

Json bundle_json(const Bundle& bundle, const Reference& remote) {
  Json files = Json::array();
  for (const BundleFile& file : bundle.files)
    files.push_back({{"path", file.path.text()}, {"size_bytes", file.size}});
  const Manifest& manifest = bundle.manifest;
  return {{"schema", "mrun.inspect/v1"},         {"reference", remote.text()},
          {"digest", bundle.digest.text()},      {"version", bundle.digest.hex()},
          {"size_bytes", bundle.size_bytes},     {"files", std::move(files)},
          {"manifest", manifest_json(manifest)}, {"openapi_schema", openapi_schema(manifest)}};
}

std::string bundle_text(const Bundle& bundle, const Reference& remote) {
  const Manifest& manifest = bundle.manifest;
  std::string text = fmt::format("{}\n  {}\n\n", remote.text(), bundle.digest.text());
  if (!manifest.description.empty()) text += fmt::format("  {}\n\n", printable(manifest.description, 500));
  text += fmt::format("  model    {}\n  size     {}\n  engine   {}\n  license  {}\n\nFiles\n", manifest.name,
                      format_bytes(bundle.size_bytes), manifest.engine,
                      manifest.license.empty() ? "unknown" : manifest.license);
  for (const BundleFile& file : bundle.files)
    text += fmt::format("  {:>10}  {}\n", format_bytes(file.size), file.path.text());
  text += "\nInputs\n";
  for (const InputSpec& input : manifest.inputs)
    text += fmt::format("  {}: {}\n", input.name, std::string(value_type_name(input.type.type)));
  return text;
}

} // namespace

Result<int> run_inspect(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const Reference remote, parse_remote(arguments.positional(0)));
  MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
  MRUN_ASSIGN(const std::unique_ptr<Registry> registry, open_registry(remote, interrupt.fd()));
  RegistryConnection connection(*registry);
  MRUN_ASSIGN(const RemoteManifest manifest,
              connection.get_manifest(remote.digest ? remote.digest->text() : remote.tag_or_default()));
  MRUN_ASSIGN(BundleLayout layout, layout_of(manifest));
  MRUN_ASSIGN(const Bundle bundle,
              describe_bundle(manifest.digest, std::move(layout), [&](const BlobClaim& claim, std::size_t) {
                return connection.read_blob(claim.digest, claim.size);
              }));
  if (context.json)
    MRUN_TRY(print_json(context.terminal, bundle_json(bundle, remote)));
  else
    MRUN_TRY(context.terminal.out(bundle_text(bundle, remote)));
  return 0;
}

} // namespace mrun::cli
