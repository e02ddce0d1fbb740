// mrun version: this program, the daemon that runs, the engines that are installed.
#include <fmt/ranges.h>

#include "cli/arguments.h"
#include "cli/client/daemon_client.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/installed_engines.h"
#include "cli/render/json_text.h"
#include "common/build_info.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr ExampleSpec k_examples[] = {{"version", "this program, the daemon, the engines"},
                                      {"version --json", "for a bug report"}};

// Null when none runs or it does not answer at once.
Json daemon_status(const Context& context) {
  auto client = DaemonClient::connect(context, Start::never);
  if (!client) return nullptr;
  auto status =
      client->get("/mrun/v1/status", std::chrono::steady_clock::now() + std::chrono::milliseconds(300));
  return status ? *status : Json(nullptr);
}

Result<int> run(Context& context, const Arguments&) {
  MRUN_ASSIGN(const InstallPaths install, context.install());
  const std::vector<std::string> engines = installed_engines(install);
  const Json daemon = daemon_status(context);
  const Json daemon_build = daemon.is_object() && daemon.contains("build") ? daemon["build"] : Json(nullptr);
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.version/v1"},
                                           {"version", std::string(version_text())},
                                           {"build", std::string(build_id())},
                                           {"prefix", install.prefix.string()},
                                           {"engines", engines},
                                           {"daemon_build", daemon_build}}));
    return 0;
  }
  std::string text = fmt::format("mrun {} (build {})\n", version_text(), build_id());
  text += fmt::format("installed in  {}\n", install.prefix.string());
  text += fmt::format("engines       {}\n",
                      engines.empty() ? "none" : fmt::format("{}", fmt::join(engines, ", ")));
  text += fmt::format("daemon        {}\n", daemon_build.is_string()
                                                ? printable(daemon_build.get<std::string>(), 80)
                                                : std::string("not running"));
  MRUN_TRY(context.terminal.out(text));
  return 0;
}

} // namespace

extern const CommandSpec k_command_version;
constinit const CommandSpec k_command_version{
    .name = "version",
    .group = CommandGroup::help,
    .summary = "show the version, the engines and the daemon's build",
    .description = "Never starts the daemon. mrun makes no network connections and looks for no updates.",
    .examples = k_examples,
    .run = run,
};

} // namespace mrun::cli
