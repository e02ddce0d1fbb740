#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/interrupt.h"
#include "cli/context.h"
#include "cli/remote/credential_input.h"
#include "cli/remote/remote_target.h"
#include "cli/render/json_text.h"

namespace mrun::cli {

Result<int> run_tags(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const Reference remote, parse_remote(context, arguments.positional(0)));
  MRUN_ASSIGN(std::optional<Credential> credential, given_credential(arguments, {remote}));
  MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
  MRUN_ASSIGN(const std::unique_ptr<Registry> registry,
              open_registry(context, remote, interrupt.fd(), false, std::move(credential)));
  RegistryConnection connection(*registry);
  MRUN_ASSIGN(const std::vector<std::string> tags, connection.tags());
  if (context.json) {
    MRUN_TRY(print_json(context.terminal,
                        {{"schema", "mrun.tags/v1"}, {"model", remote.model()}, {"tags", tags}}));
    return 0;
  }
  std::string text;
  for (const std::string& tag : tags)
    text += tag + "\n";
  MRUN_TRY(context.terminal.out(text));
  if (tags.empty()) context.say(fmt::format("{} has no tags", remote.model()));
  return 0;
}

} // namespace mrun::cli
