#include <algorithm>

#include "cli/flags.h"

namespace mrun::cli {

#define MRUN_COMMAND(name) extern const CommandSpec k_command_##name;
#include "cli/commands.inc"
#undef MRUN_COMMAND

namespace {

constexpr const CommandSpec* k_commands[] = {
#define MRUN_COMMAND(name) &k_command_##name,
#include "cli/commands.inc"
#undef MRUN_COMMAND
};

constexpr ExitCodeRow k_exit_codes[] = {
    {0, "ok"},
    {1, "the prediction or the model failed, or a file operation did"},
    {2, "usage or invalid input; nothing was run"},
    {3, "a gate failed (check, bench, diff)"},
    {4, "not permitted"},
    {5, "not found: model, version, prediction or file"},
    {6, "the daemon can't be reached or can't start"},
    {7, "canceled, or ended by a deadline in the daemon"},
    {8, "still pending"},
    {9, "the measurement is not valid"},
    {10, "the store or a bundle is damaged"},
    {75, "temporary: repeating is safe"},
    {124, "the limit given by --timeout passed"},
    {130, "interrupted (Ctrl-C)"},
    {143, "terminated (SIGTERM)"},
};

constexpr EnvironmentRow k_environment[] = {
    {"MRUN_HOME", "holds config.yaml, data, state, cache and run, in place of the XDG folders"},
    {"MRUN_NO_AUTOSTART", "not empty and not 0: no command starts the daemon"},
    {"MRUN_LOG", "how much the daemon, and what talks to registries, logs: error, warn, info, debug"},
    {"MRUN_TORCH_DIR", "absolute folder of LibTorch"},
    {"MRUN_SIGN_PASSPHRASE", "passphrase of the key of `mrun push --sign`"},
    {"NO_COLOR", "not empty: no colours"},
    {"CLICOLOR_FORCE", "not empty and not 0: colours, also where no terminal is; CLICOLOR=0: none"},
    {"TERM", "`dumb`: no colours and no progress line"},
    {"CI", "`true`: nobody is asked, nothing moves on the screen, no colours unless they are forced"},
    {"GITHUB_ACTIONS", "`true`: no text on standard error is a command to its log (--github for the output)"},
    {"XDG_CONFIG_HOME, XDG_DATA_HOME, XDG_STATE_HOME, XDG_CACHE_HOME, XDG_RUNTIME_DIR",
     "folders of config.yaml, the store, the database and logs, the cache, and the socket"},
    {"DOCKER_CONFIG, REGISTRY_AUTH_FILE", "where credentials of registries are"},
    {"SSL_CERT_FILE, SSL_CERT_DIR, CURL_CA_BUNDLE", "whom TLS trusts in place of the system's roots"},
    {"https_proxy, http_proxy, all_proxy, no_proxy", "proxies on the way to registries"},
    {"TMPDIR", "folder of temporary files"},
};

} // namespace

std::span<const CommandSpec* const> all_commands() {
  return k_commands;
}

const CommandSpec* find_command(std::string_view word) {
  for (const CommandSpec* command : k_commands)
    if (command->name == word || std::ranges::find(command->aliases, word) != command->aliases.end())
      return command;
  return nullptr;
}

std::span<const ExitCodeRow> exit_code_rows() {
  return k_exit_codes;
}

std::span<const EnvironmentRow> environment_rows() {
  return k_environment;
}

} // namespace mrun::cli
