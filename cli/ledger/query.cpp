#include "cli/ledger/query.h"

#include <fmt/format.h>

#include "cli/long_duration.h"
#include "common/clock.h"
#include "common/text.h"
#include "daemon/api/tags.h"

namespace mrun::cli {
namespace {

constexpr std::int64_t k_second_ns = 1'000'000'000;
constexpr std::int64_t k_max_ago_s = std::int64_t{100} * 366 * 24 * 3600;

} // namespace

Result<std::int64_t> parse_moment(std::string_view flag, std::string_view text, std::int64_t now_ns) {
  if (const auto time_ns = parse_rfc3339(text)) return *time_ns;
  const std::optional<std::int64_t> ago_s = parse_long_duration(text, k_max_ago_s);
  if (!ago_s)
    return fail(ErrorCode::flag_value,
                fmt::format("`--{}` is `{}`, it takes a time", flag, printable(text, 60)),
                "write 90m, 24h, 7d or 2w for that long ago, or 2026-11-24, or 2026-11-24T20:44:19Z");
  return now_ns - *ago_s * k_second_ns;
}

Result<std::string> ledger_query(const Arguments& arguments, std::int64_t now_ns) {
  std::string query;
  const auto add = [&query](std::string_view name, std::string_view value) {
    query += fmt::format("{}{}={}", query.empty() ? "" : "&", name, percent_encode(value));
  };
  for (const std::string_view name : {"since", "until"})
    if (const auto text = arguments.value(name)) {
      MRUN_ASSIGN(const std::int64_t time_ns, parse_moment(name, *text, now_ns));
      add(name, rfc3339_utc(time_ns));
    }
  for (const std::string_view name : {"model", "version", "kind", "status"})
    if (const auto text = arguments.value(name)) add(name, *text);
  Tags tags;
  for (const std::string& text : arguments.values("tag")) {
    MRUN_TRY(add_tag(tags, text));
    add("tag", text);
  }
  return query;
}

} // namespace mrun::cli
