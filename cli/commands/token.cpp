// mrun token create|ls|revoke: who may call the daemon over TCP.
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/daemon_client.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/long_duration.h"
#include "cli/render/json_text.h"
#include "cli/render/table.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::string_view k_actions[] = {"create", "ls", "revoke"};
constexpr std::string_view k_scopes[] = {"read", "predict", "admin"};
constexpr std::string_view k_default_scope = "predict";
constexpr std::string_view k_default_lifetime = "90d";
constexpr PositionalSpec k_positionals[] = {
    {.name = "ACTION", .choices = k_actions, .help = "create, ls or revoke"},
    {.name = "NAME", .required = false, .help = "what the token is for; with create and revoke"}};
constexpr FlagSpec k_flags[] = {
    {.name = "scope",
     .value_name = "SCOPE",
     .type = FlagType::text,
     .choices = k_scopes,
     .default_text = k_default_scope,
     .help = "read (look), predict (also run and upload) or admin (also stop models and the daemon)"},
    {.name = "expires",
     .value_name = "TIME",
     .type = FlagType::text,
     .default_text = k_default_lifetime,
     .help = "how long it is good for: 12h, 90d, 52w, or never"},
    k_plain_flag,
};
constexpr ExampleSpec k_examples[] = {
    {"token create my-app", "prints the token, this once"},
    {"token create dashboard --scope read --expires 52w", "one that can only look, for a year"},
    {"token ls", "which there are, and when each was last used"},
    {"token revoke my-app", "from now on it is refused"}};
constexpr int k_exit_codes[] = {4, 5, 6};

// Seconds; null for `never`.
Result<Json> parse_lifetime(std::string_view text) {
  if (text == "never") return Json(nullptr);
  constexpr std::int64_t k_most_s = std::int64_t{100} * 365 * 24 * 3600;
  const std::optional<std::int64_t> lifetime_s = parse_long_duration(text, k_most_s);
  if (!lifetime_s || *lifetime_s == 0)
    return fail(ErrorCode::flag_value, fmt::format("`--expires` is `{}`", printable(text, 60)),
                "write 12h, 90d or 52w, up to 100 years, or never");
  return Json(*lifetime_s);
}

std::string time_text(const Json& token, const char* key, std::string_view none) {
  const auto found = token.find(key);
  return found != token.end() && found->is_string() ? printable(found->get<std::string>())
                                                    : std::string(none);
}

// The token alone on standard output, so that a script can take it.
Result<int> create(Context& context, const Arguments& arguments, const std::string& name) {
  MRUN_ASSIGN(Json lifetime_s,
              parse_lifetime(arguments.value("expires").value_or(std::string(k_default_lifetime))));
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::if_needed));
  MRUN_ASSIGN(const Json made,
              client.post("/mrun/v1/tokens",
                          {{"name", name},
                           {"scope", arguments.value("scope").value_or(std::string(k_default_scope))},
                           {"lifetime_s", std::move(lifetime_s)}}));
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, made));
    return 0;
  }
  MRUN_ASSIGN(const std::string text,
              need_string(made, "token", ErrorCode::daemon_unreachable, "the daemon's reply"));
  MRUN_TRY(context.terminal.out(printable(text) + "\n"));
  context.say(fmt::format("token {}, scope {}, expires: {}; it can't be shown again", name,
                          time_text(made, "scope", "?"), time_text(made, "expires_at", "never")));
  return 0;
}

Result<int> list(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::if_needed));
  MRUN_ASSIGN(const Json reply, client.get("/mrun/v1/tokens"));
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, reply));
    return 0;
  }
  Table table{{"NAME", "SCOPE", "CREATED", "EXPIRES", "LAST USED"}, {}, {}};
  for (const Json& token : reply.value("tokens", Json::array())) {
    const bool expired = token.value("expired", Json(false)) == true;
    table.rows.push_back({time_text(token, "name", "?"), time_text(token, "scope", "?"),
                          time_text(token, "created_at", "?"),
                          expired ? "expired" : time_text(token, "expires_at", "never"),
                          time_text(token, "last_used_at", "never")});
  }
  if (table.rows.empty())
    context.say("no tokens here: mrun token create NAME");
  else
    MRUN_TRY(print_table(context.terminal, table, arguments.has("plain")));
  return 0;
}

Result<int> revoke(Context& context, const std::string& name) {
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::if_needed));
  MRUN_TRY(client.request(
      {.method = "DELETE", .target = fmt::format("/mrun/v1/tokens/{}", percent_encode(name))}));
  if (context.json)
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.token_revoke/v1"}, {"name", name}}));
  else
    context.say(fmt::format("revoked {}", name));
  return 0;
}

Result<int> run(Context& context, const Arguments& arguments) {
  const std::string action = arguments.positional(0);
  const std::string name = arguments.positional(1);
  const bool wants_name = action != "ls";
  if (wants_name == name.empty())
    return fail(ErrorCode::usage,
                fmt::format("`mrun token {}` takes {}", action, wants_name ? "a name" : "no name"),
                wants_name ? fmt::format("mrun token {} my-app", action) : "mrun token ls");
  if (action != "create" && (arguments.has("scope") || arguments.has("expires")))
    return fail(ErrorCode::usage, "--scope and --expires are for `mrun token create`");
  if (action == "create") return create(context, arguments, name);
  if (action == "revoke") return revoke(context, name);
  return list(context, arguments);
}

} // namespace

extern const CommandSpec k_command_token;
constinit const CommandSpec k_command_token{
    .name = "token",
    .group = CommandGroup::manage,
    .summary = "make, list or revoke tokens for programs that call over TCP",
    .description = "A program that calls the daemon over TCP (`mrun daemon start --listen`) shows a token: "
                   "`Authorization:\n"
                   "Bearer TOKEN`, as the clients of Replicate send what REPLICATE_API_TOKEN holds. It is "
                   "printed once;\n"
                   "the daemon keeps only its hash. Callers of the Unix socket need none.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
