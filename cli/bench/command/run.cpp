#include "cli/bench/command/run.h"

#include <fmt/format.h>

#include "cli/bench/command/outputs.h"
#include "cli/bench/measure/bench.h"
#include "cli/bench/report/result_json.h"
#include "cli/bench/report/text_report.h"
#include "cli/client/interrupt.h"
#include "cli/render/json_text.h"

namespace mrun::bench {
namespace {

void say_end(const cli::Context& context, const BenchResult& result) {
  if (result.partial)
    context.warn(fmt::format("{}: what was measured until then is shown, and it is partial",
                             result.stopped.empty() ? "interrupted" : result.stopped));
  if (!context.json) return;
  for (const std::string& reason : result.invalid_reasons)
    context.warn("not valid: " + reason);
}

Result<int> run_bench_command(cli::Context& context, const cli::Arguments& arguments, char** argv) {
  MRUN_ASSIGN(const Options options, parse_options(arguments));
  MRUN_ASSIGN(const std::vector<Output> outputs, parse_outputs(arguments));
  MRUN_ASSIGN(const cli::InterruptGuard interrupt, cli::InterruptGuard::install());
  MRUN_ASSIGN(BenchResult result, run_bench(context, arguments, options, interrupt.fd()));
  for (char** word = argv + 1; *word != nullptr; ++word)
    result.words.emplace_back(*word);
  const Result<void> written = write_outputs(context, result, outputs, arguments.has("github"));
  if (context.json)
    MRUN_TRY(cli::print_json(context.terminal, result_json(result)));
  else
    MRUN_TRY(context.terminal.out(text_report(context.terminal, result)));
  say_end(context, result);
  MRUN_TRY(written);
  return interrupt.exit_code() != 0 ? interrupt.exit_code() : result.exit_code();
}

} // namespace

Result<int> run_command(cli::Context& context, const cli::CommandSpec& command,
                        const cli::Arguments& arguments, char** argv) {
  if (command.name == "bench") return run_bench_command(context, arguments, argv);
  return fail(ErrorCode::internal, "mrun-bench lacks the command `" + std::string(command.name) + "`");
}

} // namespace mrun::bench
