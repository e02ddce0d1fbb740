#include "cli/remote/remote_target.h"

#include <fmt/format.h>

#include "common/text.h"
#include "packager/config_file.h"
#include "packager/registry_host.h"
#include "packager/remote_name.h"

namespace mrun::cli {

namespace {

Result<SharingConfig> sharing_config(const Context& context) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  return load_sharing_config(home.config_file.string());
}

// `registry:` of config.yaml.
Result<std::string> configured_registry(const Context& context) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  MRUN_ASSIGN(const SharingConfig config, sharing_config(context));
  if (config.registry.empty()) return std::string();
  const auto example = Reference::parse(config.registry + "/owner/name");
  if (!example || example->host != config.registry)
    return fail(ErrorCode::config_invalid,
                fmt::format("{}: `registry` is `{}`, which is no host", home.config_file.string(),
                            printable(config.registry, 100)),
                "write registry: registry.example.com, or registry: localhost:5000");
  return config.registry;
}

} // namespace

Result<Reference> parse_remote(const Context& context, const std::string& text) {
  MRUN_ASSIGN(Reference reference, Reference::parse(text));
  if (reference.host.empty() && reference.has_name()) {
    MRUN_ASSIGN(reference.host, configured_registry(context));
  }
  if (reference.host.empty())
    return fail(ErrorCode::registry_missing, fmt::format("`{}` names no registry", printable(text, 100)));
  if (!reference.digest_prefix.empty() && !reference.digest)
    return fail(ErrorCode::reference_invalid,
                fmt::format("`{}` has an abbreviated digest", printable(text, 100)),
                "a registry knows whole digests only: 64 digits");
  return reference;
}

Result<std::string> registry_host(const std::string& text) {
  std::string host = text;
  for (const std::string_view scheme : {"https://", "http://"})
    if (host.starts_with(scheme)) host.erase(0, scheme.size());
  while (host.ends_with('/'))
    host.pop_back();
  const auto reference = Reference::parse(host + "/owner/name");
  if (!reference || reference->host.empty() || host.find('/') != std::string::npos)
    return fail(ErrorCode::reference_invalid, fmt::format("`{}` is no registry host", printable(text, 100)),
                "write it as registry.example.com or localhost:5000, without a path");
  return reference->host;
}

Result<TokenServerFile> token_server_file(const Context& context) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  return TokenServerFile(home.state / "token-servers.json");
}

Result<std::vector<std::string>> token_servers_of(const Context& context, const std::string& host) {
  MRUN_ASSIGN(const SharingConfig config, sharing_config(context));
  MRUN_ASSIGN(const TokenServerFile file, token_server_file(context));
  const std::string registry = canonical_host(host);
  std::vector<std::string> servers = file.of(registry);
  if (const auto configured = config.token_servers.find(registry); configured != config.token_servers.end())
    servers.insert(servers.end(), configured->second.begin(), configured->second.end());
  return servers;
}

Result<std::unique_ptr<Registry>> open_registry(const Context& context, const Reference& remote,
                                                int interrupt_fd, bool push,
                                                std::optional<Credential> credential) {
  RegistryConfig config;
  MRUN_ASSIGN(config.token_servers, token_servers_of(context, remote.host));
  config.host = remote.host;
  config.repository = repository_of(remote);
  config.credentials = Credentials::from_environment();
  config.credential = std::move(credential);
  config.credentials.on_warning([&context](const std::string& line) { context.warn(line); });
  config.push = push;
  config.interrupt_fd = interrupt_fd;
  return Registry::make(std::move(config));
}

} // namespace mrun::cli
