#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/remote/credential_input.h"
#include "cli/remote/remote_target.h"
#include "cli/render/json_text.h"
#include "common/text.h"
#include "packager/registry/registry.h"
#include "packager/registry_host.h"

namespace mrun::cli {
namespace {

Result<Credential> ask(Context& context, const Arguments& arguments) {
  if (arguments.has("token-stdin") || !context.terminal.in_is_terminal()) return read_credential(arguments);
  Credential credential;
  credential.username = arguments.value("username").value_or("");
  if (credential.username.empty()) credential.username = context.terminal.ask("user: ", k_max_secret_bytes);
  credential.secret = context.terminal.ask("password or token: ", k_max_secret_bytes, Terminal::Echo::hidden);
  MRUN_TRY(check_given(credential));
  return credential;
}

// A registry may have its tokens given out elsewhere. The password goes there when the user says so: by
// --token-server, or asked on a terminal. Gives the last one that was agreed to.
class Strangers {
 public:
  explicit Strangers(Context& context, std::string host) : m_context(context), m_host(std::move(host)) {}

  bool agrees(const std::string& server) {
    if (m_context.json || !m_context.terminal.in_is_terminal()) return false;
    const std::string answer = m_context.terminal.ask(
        fmt::format("{} has its tokens given out by {}: send the password there? [y/N] ", m_host,
                    printable(server, 200)),
        k_max_secret_bytes);
    if (answer != "y" && answer != "yes") return false;
    m_agreed = server;
    return true;
  }
  const std::string& agreed() const { return m_agreed; }

 private:
  Context& m_context;
  std::string m_host;
  std::string m_agreed;
};

Result<void> report(Context& context, const std::string& host, const Credential& credential,
                    const std::string& where, bool verified) {
  if (!verified)
    context.warn(fmt::format(
        "{} asked for no password: whether this one is right shows when something needs it", host));
  if (context.json)
    return print_json(
        context.terminal,
        {{"schema", "mrun.login/v1"}, {"host", host}, {"kept_in", where}, {"verified", verified}});
  context.say(verified ? fmt::format("{} lets {} in; kept in {}", host, credential.username, where)
                       : fmt::format("kept in {}", where));
  return {};
}

} // namespace

Result<int> run_login(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const std::string host, registry_host(arguments.positional(0)));
  MRUN_ASSIGN(const Credential credential, ask(context, arguments));
  RegistryConfig config;
  config.host = host;
  config.credential = credential;
  MRUN_ASSIGN(config.token_servers, token_servers_of(context, host));
  std::string named;
  if (const auto server = arguments.value("token-server")) {
    MRUN_ASSIGN(named, registry_host(*server));
    config.token_servers.push_back(canonical_host(named));
  }
  MRUN_ASSIGN(const std::unique_ptr<Registry> registry, Registry::make(config));
  Strangers strangers(context, host);
  registry->authenticator().ask_about_strangers(
      [&](const std::string& server) { return strangers.agrees(server); });
  RegistryConnection connection(*registry);
  MRUN_ASSIGN(const bool verified, connection.ping());
  MRUN_ASSIGN(const std::string where, Credentials::from_environment().save(host, credential));
  if (!strangers.agreed().empty()) named = strangers.agreed();
  MRUN_ASSIGN(const TokenServerFile file, token_server_file(context));
  if (!named.empty()) MRUN_TRY(file.add(canonical_host(host), canonical_host(named)));
  MRUN_TRY(report(context, host, credential, where, verified));
  return 0;
}

} // namespace mrun::cli
