// mrun snippet REF --lang curl|python|node|openapi: a program that calls the model.
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/daemon_client.h"
#include "cli/client/tcp_urls.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/predict/target.h"
#include "cli/render/json_text.h"
#include "cli/snippet/program.h"
#include "common/text.h"
#include "packager/reference.h"

namespace mrun::cli {
namespace {

constexpr std::chrono::seconds k_status_wait{5};
constexpr std::string_view k_usual_address = "tcp://127.0.0.1:8000";
constexpr std::string_view k_usual_url = "http://127.0.0.1:8000";

constexpr std::string_view k_languages[] = {"curl", "python", "node", "openapi"};
constexpr PositionalSpec k_positionals[] = {
    {.name = "REF|DIR", .help = "a model, a digest, or a model directory"}};
constexpr FlagSpec k_flags[] = {
    {.name = "lang",
     .value_name = "LANG",
     .type = FlagType::text,
     .choices = k_languages,
     .default_text = "curl",
     .help =
         "curl (in a shell), python (the client of Replicate), node (18 or newer) or openapi (a document)"},
    {.name = "input",
     .short_name = 'i',
     .value_name = "KEY=VALUE",
     .type = FlagType::text,
     .repeatable = true,
     .help = "an input of the call, as for `mrun predict`; without one they come from the model's example"},
};
constexpr ExampleSpec k_examples[] = {
    {"snippet demo/minilm", "for a shell"},
    {"snippet demo/minilm --lang python -i text=hello > call.py", "a program with that input"},
    {"snippet demo/minilm --lang openapi > minilm.json", "for a generator of clients"}};
constexpr int k_exit_codes[] = {5, 6, 10};

struct TcpState {
  std::vector<std::string> urls;
  bool has_tokens = false;
};

// Of the daemon, where one runs: none is started for this.
TcpState ask_daemon(const Context& context) {
  TcpState state;
  auto client = DaemonClient::connect(context, Start::never);
  if (!client) return state;
  const auto wait = std::chrono::steady_clock::now() + k_status_wait;
  if (const auto status = client->get("/mrun/v1/status", wait)) state.urls = urls_of(*status);
  auto again = DaemonClient::connect(context, Start::never);
  if (!again) return state;
  if (const auto reply = again->get("/mrun/v1/tokens", wait))
    state.has_tokens = !reply->value("tokens", Json::array()).empty();
  return state;
}

void say_what_is_missing(const Context& context, const TcpState& state, const SampleInput& input) {
  if (state.urls.empty())
    context.say(fmt::format(
        "no daemon listens on TCP yet: mrun daemon start --listen {} (`mrun daemon stop` first, if "
        "one runs)",
        k_usual_address));
  context.say(fmt::format("it takes its token from MRUN_TOKEN: export MRUN_TOKEN=$(mrun token create NAME){}",
                          state.has_tokens ? ", or one that you have" : ""));
  for (const std::string& name : input.secrets)
    context.say(fmt::format("it takes the input `{}` from {}", name, secret_variable(name)));
  if (!input.doubt.empty()) context.say(fmt::format("its inputs are samples: {}", input.doubt));
}

// A name alone means whatever version it will stand for; anything else is this one version for ever.
SnippetCall call_of(const std::string& argument, const PredictTarget& target) {
  SnippetCall call;
  call.model = target.bundle.manifest.name;
  call.version = target.bundle.digest.hex();
  const auto reference =
      is_directory_argument(argument) ? Result<Reference>(Reference()) : Reference::parse(argument);
  if (!reference || !reference->has_name() || !reference->host.empty()) return call;
  call.model = reference->model();
  if (reference->tag.empty() && !reference->digest && reference->digest_prefix.empty())
    call.version = call.model;
  return call;
}

Result<int> run(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const PredictTarget target, find_target(context, arguments));
  const Manifest& manifest = target.bundle.manifest;
  SnippetCall call = call_of(arguments.positional(0), target);
  MRUN_ASSIGN(call.input, sample_input(manifest, arguments.values("input")));
  const TcpState state = ask_daemon(context);
  call.url = state.urls.empty() ? std::string(k_usual_url) : state.urls.front();
  const std::string language = arguments.value("lang").value_or("curl");
  std::string text;
  if (language == "openapi")
    text = pretty_json(openapi_program(call, manifest)) + "\n";
  else
    text = language == "python" ? python_program(call, manifest.output)
           : language == "node" ? node_program(call)
                                : curl_program(call);
  if (context.json)
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.snippet/v1"},
                                           {"language", language},
                                           {"model", call.model},
                                           {"version", call.version},
                                           {"url", call.url},
                                           {"listens", !state.urls.empty()},
                                           {"text", text}}));
  else
    MRUN_TRY(context.terminal.out(text));
  if (!context.json) say_what_is_missing(context, state, call.input);
  return 0;
}

} // namespace

extern const CommandSpec k_command_snippet;
constinit const CommandSpec k_command_snippet{
    .name = "snippet",
    .group = CommandGroup::build,
    .summary = "print a program that calls a model",
    .description =
        "The program calls the daemon over TCP (`mrun daemon start --listen`) and runs as it is printed. It "
        "reads\n"
        "its token from the environment, MRUN_TOKEN; `mrun token create` makes one. A name without tag or "
        "digest\n"
        "stays one: the program calls what the name stands for then. Files are named, not included.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
