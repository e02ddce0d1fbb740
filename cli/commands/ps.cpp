// mrun ps: the models that are loaded.
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/daemon_client.h"
#include "cli/client/interrupt.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/render/json_text.h"
#include "cli/render/table.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::chrono::milliseconds k_look_again{500};
constexpr std::size_t k_cell_bytes = 500;

constexpr FlagSpec k_flags[] = {
    {.name = "watch",
     .help = "go on until Ctrl-C: on a terminal in place, elsewhere whenever something changes"},
    k_plain_flag};
constexpr ExampleSpec k_examples[] = {{"ps", "workers, memory, what runs and waits"},
                                      {"ps --watch", "as it changes"},
                                      {"ps --json", "for programs"}};
constexpr int k_exit_codes[] = {4, 6};

std::string text_of(const Json& row, const char* key) {
  const auto found = row.find(key);
  if (found == row.end() || found->is_null()) return "";
  return printable(found->is_string() ? found->get<std::string>() : canonical_json(*found), k_cell_bytes);
}

std::uint64_t number_of(const Json& row, const char* key) {
  const auto found = row.find(key);
  return found != row.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

// "0.0012 USD": setup, active and idle so far. With a part that is not known, the parts that are.
std::string cost_words(const Json& cost) {
  if (!cost.is_object()) return "";
  const std::string currency = text_of(cost, "currency");
  if (const std::string total = text_of(cost, "total"); !total.empty())
    return fmt::format("{} {}", total, currency);
  std::string words;
  for (const char* part : {"setup", "active"})
    if (const std::string amount = text_of(cost, part); !amount.empty())
      words += fmt::format("{}{} {}", words.empty() ? "" : " + ", part, amount);
  return words.empty() ? "unknown" : fmt::format("{} {} + idle unknown", words, currency);
}

Table worker_table(const Json& ps) {
  Table table{.header = {"MODEL", "VERSION", "STATE", "PID", "DEVICE", "MEMORY", "RUNNING", "QUEUED", "DONE",
                         "IDLE", "COST"},
              .rows = {},
              .right_aligned = {5, 6, 7, 8, 9, 10},
              .shortened = {0, 4}};
  for (const Json& worker : ps.value("models", Json::array())) {
    if (!worker.is_object()) continue;
    const std::uint64_t idle_ns = number_of(worker, "idle_ns");
    const std::uint64_t memory_bytes = number_of(worker, "memory_bytes");
    const std::string version = text_of(worker, "version");
    table.rows.push_back(
        {text_of(worker, "model"),
         {version.substr(0, 12), version},
         text_of(worker, "state"),
         text_of(worker, "pid"),
         text_of(worker, "device"),
         {format_bytes(memory_bytes), std::to_string(memory_bytes)},
         text_of(worker, "running"),
         text_of(worker, "queued"),
         text_of(worker, "predictions"),
         {idle_ns > 0 ? format_duration(static_cast<std::int64_t>(idle_ns)) : "", std::to_string(idle_ns)},
         cost_words(worker.value("cost", Json()))});
  }
  return table;
}

// The table, and below it what went wrong; "" when nothing is loaded.
std::string workers_text(const Terminal& terminal, const Json& ps) {
  const Table table = worker_table(ps);
  std::string text = table.rows.empty() ? "" : render_table(table, terminal.out_width());
  for (const Json& worker : ps.value("models", Json::array()))
    if (worker.is_object() && !text_of(worker, "last_error").empty())
      text += fmt::format("{}: {}\n", text_of(worker, "model"), text_of(worker, "last_error"));
  return text;
}

// mrun.ps/v1, with `daemon`: whether there is one.
Result<Json> ask(const Context& context, int interrupt_fd = -1) {
  auto client = DaemonClient::connect(context, Start::never, {.interrupt_fd = interrupt_fd});
  if (!client && client.error().code == ErrorCode::daemon_unreachable)
    return Json{{"schema", "mrun.ps/v1"}, {"daemon", false}, {"models", Json::array()}};
  if (!client) return tl::unexpected<Error>(std::move(client).error());
  MRUN_ASSIGN(Json ps, client->get("/mrun/v1/ps"));
  ps["daemon"] = true;
  return ps;
}

std::string_view words_for_nothing(const Json& ps) {
  return ps["daemon"] == true ? "nothing is loaded" : "no daemon is running, so nothing is loaded";
}

// What a reader would call another state: time passing alone is none.
Json without_clocks(Json ps) {
  for (Json& worker : ps["models"]) {
    worker.erase("idle_ns");
    worker.erase("cost");
  }
  return ps;
}

Result<void> show(Context& context, const Json& ps, bool plain) {
  if (context.stream) return context.terminal.out(plain_json(ps) + "\n");
  if (context.json) return print_json(context.terminal, ps);
  const std::string text = plain ? render_plain(worker_table(ps)) : workers_text(context.terminal, ps);
  MRUN_TRY(context.terminal.out(text));
  if (text.empty()) context.say(words_for_nothing(ps));
  return {};
}

// The screen is written anew, from its top.
Result<void> redraw(Context& context, const Json& ps) {
  const std::string text = workers_text(context.terminal, ps);
  return context.terminal.out(fmt::format("\x1b[H\x1b[J{}\nCtrl-C ends\n",
                                          text.empty() ? fmt::format("{}\n", words_for_nothing(ps)) : text));
}

Result<int> watch(Context& context, bool plain) {
  MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
  const bool in_place = context.terminal.out_can_move() && !context.json && !plain;
  Json last;
  while (!context.terminal.out_closed()) {
    auto ps = ask(context, interrupt.fd());
    if (interrupt.exit_code() != 0) return interrupt.exit_code();
    // A daemon that ends just now drops what it was asked.
    if (!ps && ps.error().code != ErrorCode::daemon_unreachable)
      return tl::unexpected<Error>(std::move(ps).error());
    if (ps && in_place) MRUN_TRY(redraw(context, *ps));
    if (ps && !in_place && without_clocks(*ps) != last) MRUN_TRY(show(context, *ps, plain));
    if (ps) last = without_clocks(std::move(*ps));
    const auto again_at = std::chrono::steady_clock::now() + k_look_again;
    if (wait_readable(interrupt.fd(), again_at, -1) == Wake::readable) return interrupt.exit_code();
  }
  return 0;
}

Result<int> run(Context& context, const Arguments& arguments) {
  const bool watches = arguments.has("watch");
  if (watches != context.stream && context.json)
    return fail(ErrorCode::usage, watches ? "`--watch` prints no single object: add `--json=stream`"
                                          : "`--json=stream` needs `--watch`");
  if (watches) return watch(context, arguments.has("plain"));
  MRUN_ASSIGN(const Json ps, ask(context));
  MRUN_TRY(show(context, ps, arguments.has("plain")));
  return 0;
}

} // namespace

extern const CommandSpec k_command_ps;
constinit const CommandSpec k_command_ps{
    .name = "ps",
    .group = CommandGroup::run,
    .summary = "list the models that are loaded",
    .description =
        "One line per worker process. COST is by your own rate: its load, what ran in it and the time "
        "in which it waited, so\n"
        "far (--json has the parts, and why one is unknown). Never starts the daemon.",
    .flags = k_flags,
    .examples = k_examples,
    .streams = true,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
