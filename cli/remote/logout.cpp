#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/remote/remote_target.h"
#include "cli/render/json_text.h"
#include "packager/registry/credentials.h"
#include "packager/registry_host.h"

namespace mrun::cli {

Result<int> run_logout(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const std::string host, registry_host(arguments.positional(0)));
  MRUN_ASSIGN(const bool erased, Credentials::from_environment().erase(host));
  MRUN_ASSIGN(const TokenServerFile servers, token_server_file(context));
  MRUN_TRY(servers.erase(canonical_host(host)));
  if (context.json)
    MRUN_TRY(
        print_json(context.terminal, {{"schema", "mrun.logout/v1"}, {"host", host}, {"erased", erased}}));
  else
    context.say(erased ? fmt::format("the credentials for {} are gone", host)
                       : fmt::format("there were none for {}", host));
  return 0;
}

} // namespace mrun::cli
