#include "cli/remote/remote_target.h"

#include <fmt/format.h>

#include "common/text.h"
#include "packager/registry/pull.h"

namespace mrun::cli {

Result<Reference> parse_remote(const std::string& text) {
  MRUN_ASSIGN(Reference reference, Reference::parse(text));
  if (reference.host.empty())
    return fail(ErrorCode::registry_missing, fmt::format("`{}` names no registry", printable(text, 100)));
  if (!reference.digest_prefix.empty() && !reference.digest)
    return fail(ErrorCode::reference_invalid,
                fmt::format("`{}` has an abbreviated digest", printable(text, 100)),
                "a registry knows whole digests only: 64 digits");
  return reference;
}

Result<std::unique_ptr<Registry>> open_registry(const Reference& remote, int interrupt_fd, bool push) {
  RegistryConfig config;
  config.host = remote.host;
  config.repository = repository_of(remote);
  config.credentials = Credentials::from_environment();
  config.push = push;
  config.interrupt_fd = interrupt_fd;
  return Registry::make(std::move(config));
}

} // namespace mrun::cli
