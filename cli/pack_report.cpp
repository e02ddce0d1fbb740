#include "cli/pack_report.h"

#include <fmt/format.h>

#include "cli/client/daemon_client.h"
#include "cli/predict/target.h"
#include "cli/render/json_text.h"
#include "cli/render/table.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

// A running daemon may get ready for the first prediction; that it can't is no failure of the pack.
void tell_daemon(const Context& context) {
  auto client = DaemonClient::connect(context, Start::never);
  if (client)
    static_cast<void>(client->post("/mrun/v1/prepare", Json::object(),
                                   std::chrono::steady_clock::now() + std::chrono::milliseconds(200)));
}

} // namespace

void PackLine::show(const PackProgress& progress) {
  const auto now = std::chrono::steady_clock::now();
  if (!m_active || now < m_next) return;
  m_next = now + std::chrono::milliseconds(100);
  m_context.terminal.status(fmt::format("packing {} of {}: {}", format_bytes(progress.done_bytes),
                                        format_bytes(progress.total_bytes), printable(progress.path, 60)));
}

Result<void> report_pack(const Context& context, const Store& store, const PackResult& packed,
                         std::string_view verb) {
  tell_daemon(context);
  if (context.json)
    return print_json(context.terminal, {{"schema", "mrun.pack/v1"},
                                         {"digest", packed.digest.text()},
                                         {"version", packed.digest.hex()},
                                         {"reference", packed.reference.text()},
                                         {"size_bytes", packed.size_bytes},
                                         {"new_bytes", packed.new_bytes},
                                         {"files", packed.file_count}});
  MRUN_TRY(context.terminal.out(packed.digest.text() + "\n"));
  context.say(fmt::format("{} {}: {}, {}, {} new in the store", verb, packed.reference.text(),
                          count_words(packed.file_count, "file"), format_bytes(packed.size_bytes),
                          format_bytes(packed.new_bytes)));
  warn_of_engine(context, store, packed.digest);
  if (context.terminal.err_is_terminal())
    context.say(fmt::format("next: mrun show {}", packed.reference.text()));
  return {};
}

} // namespace mrun::cli
