#include <unistd.h>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/remote/remote_target.h"
#include "cli/render/json_text.h"
#include "common/fd.h"
#include "common/text.h"
#include "packager/registry/registry.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_max_secret_bytes = 64 * 1024;

// The secret never comes from the command line, where other users see it.
Result<Credential> ask(Context& context, const Arguments& arguments) {
  Credential credential;
  credential.username = arguments.value("username").value_or("");
  const bool terminal = context.terminal.in_is_terminal();
  if (arguments.has("token-stdin") || !terminal) {
    if (credential.username.empty())
      return fail(ErrorCode::usage, "no user is named",
                  "add `-u NAME`; any name will do for a token of most registries");
    MRUN_ASSIGN(const std::string text,
                read_all(STDIN_FILENO, k_max_secret_bytes, "standard input", ErrorCode::credentials));
    credential.secret = trim(text);
  } else {
    if (credential.username.empty()) credential.username = context.terminal.ask("user: ", k_max_secret_bytes);
    credential.secret =
        context.terminal.ask("password or token: ", k_max_secret_bytes, Terminal::Echo::hidden);
  }
  if (credential.username.empty() || credential.secret.empty())
    return fail(ErrorCode::usage, "the user or the password is empty");
  MRUN_TRY(check_credential(credential));
  return credential;
}

} // namespace

Result<int> run_login(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const std::string host, registry_host(arguments.positional(0)));
  MRUN_ASSIGN(const Credential credential, ask(context, arguments));
  RegistryConfig config;
  config.host = host;
  config.credential = credential;
  MRUN_ASSIGN(const std::unique_ptr<Registry> registry, Registry::make(config));
  RegistryConnection connection(*registry);
  MRUN_TRY(connection.ping());
  const Credentials credentials = Credentials::from_environment();
  MRUN_ASSIGN(const std::string where, credentials.save(host, credential));
  if (context.json)
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.login/v1"}, {"host", host}, {"kept_in", where}}));
  else
    context.say(fmt::format("{} lets {} in; kept in {}", host, credential.username, where));
  return 0;
}

} // namespace mrun::cli
