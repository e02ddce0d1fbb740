#include <cerrno>
#include <termios.h>
#include <unistd.h>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/render/json_text.h"
#include "common/fd.h"
#include "common/text.h"
#include "packager/registry/registry.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_max_secret_bytes = 64 * 1024;

Result<std::string> read_line(bool hidden) {
  termios before{};
  const bool quiet = hidden && ::tcgetattr(STDIN_FILENO, &before) == 0;
  if (quiet) {
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  std::string line;
  char c = 0;
  ssize_t got = 0;
  while (line.size() < k_max_secret_bytes &&
         ((got = ::read(STDIN_FILENO, &c, 1)) > 0 || (got < 0 && errno == EINTR)))
    if (got > 0) {
      if (c == '\n') break;
      line += c;
    }
  if (quiet) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
  return line;
}

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
    if (credential.username.empty()) {
      context.terminal.err("user: ");
      MRUN_ASSIGN(credential.username, read_line(false));
    }
    context.terminal.err("password or token: ");
    MRUN_ASSIGN(credential.secret, read_line(true));
    context.terminal.err("\n");
  }
  if (credential.username.empty() || credential.secret.empty())
    return fail(ErrorCode::usage, "the user or the password is empty");
  MRUN_TRY(check_credential(credential));
  return credential;
}

} // namespace

Result<int> run_login(Context& context, const Arguments& arguments) {
  const std::string host = arguments.positional(0);
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
