// What `mrun ledger` and `mrun stats` ask the daemon for: their common flags as a query of the API.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "cli/arguments.h"
#include "cli/flags.h"

namespace mrun::cli {

inline constexpr std::string_view k_line_kinds[] = {"prediction", "setup", "idle"};

// The filters that both commands take.
inline constexpr std::array k_ledger_filters = {
    FlagSpec{.name = "since",
             .value_name = "TIME",
             .type = FlagType::text,
             .help = "lines from then on: 90m, 24h, 7d, 2w ago, or 2026-11-24, 2026-11-24T20:00:00Z"},
    FlagSpec{.name = "until", .value_name = "TIME", .type = FlagType::text, .help = "lines before then"},
    FlagSpec{.name = "model", .value_name = "NAME", .type = FlagType::text, .help = "of that owner/name"},
    FlagSpec{.name = "version",
             .value_name = "HEX",
             .type = FlagType::text,
             .help = "of that version: 8 or more digits of its digest"},
    FlagSpec{.name = "tag",
             .value_name = "KEY=VALUE",
             .type = FlagType::text,
             .repeatable = true,
             .help = "predictions with that tag"},
    FlagSpec{.name = "kind",
             .value_name = "KIND",
             .type = FlagType::text,
             .choices = k_line_kinds,
             .help = "only lines of that kind"},
    FlagSpec{.name = "status",
             .value_name = "STATUS",
             .type = FlagType::text,
             .help =
                 "only lines that ended so: succeeded, failed, canceled, aborted, used, unloaded, unknown"},
};

// Those and the command's own, in this order.
template<std::size_t Count>
constexpr std::array<FlagSpec, Count + k_ledger_filters.size()>
with_ledger_filters(const std::array<FlagSpec, Count>& own) {
  std::array<FlagSpec, Count + k_ledger_filters.size()> all{};
  for (std::size_t i = 0; i < k_ledger_filters.size(); ++i)
    all[i] = k_ledger_filters[i];
  for (std::size_t i = 0; i < Count; ++i)
    all[k_ledger_filters.size() + i] = own[i];
  return all;
}

// A length of time before `now_ns` ("90m", "24h", "7d", "2w"), or a date or time. Error flag_value.
Result<std::int64_t> parse_moment(std::string_view flag, std::string_view text, std::int64_t now_ns);

// "model=a%2Fb&since=…": the filters that are given; "" without any. Errors flag_value, tag_invalid.
Result<std::string> ledger_query(const Arguments& arguments, std::int64_t now_ns);

} // namespace mrun::cli
