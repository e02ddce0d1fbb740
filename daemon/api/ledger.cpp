#include "daemon/api/ledger.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <span>

#include <fmt/format.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/text.h"
#include "daemon/api/prediction.h"

namespace mrun {
namespace {

constexpr std::array<std::string_view, 3> k_kinds = {"prediction", "setup", "idle"};
constexpr std::array<std::string_view, 7> k_statuses = {"succeeded", "failed",   "canceled", "aborted",
                                                        "used",      "unloaded", "unknown"};
constexpr std::array<std::string_view, 6> k_prediction_statuses = {"starting", "processing", "succeeded",
                                                                   "failed",   "canceled",   "aborted"};
constexpr std::array<std::string_view, 4> k_groups = {"model", "version", "day", "tag:KEY"};
constexpr std::array<std::string_view, 7> k_filter_names = {"model",  "version", "tag",  "kind",
                                                            "status", "since",   "until"};

tl::unexpected<Error> refuse(std::string message, std::string hint = {}) {
  return fail(ErrorCode::ledger_query, std::move(message), std::move(hint));
}

// The hint names the nearest of what is allowed, or all of it.
tl::unexpected<Error> refuse_word(std::string_view what, std::string_view word,
                                  std::span<const std::string_view> allowed) {
  const std::vector<std::string> names(allowed.begin(), allowed.end());
  const std::string near = nearest(word, names);
  return refuse(fmt::format("{} `{}` is not known", what, printable(word, 60)),
                near.empty() ? fmt::format("known are {}", fmt::join(allowed, ", "))
                             : fmt::format("did you mean `{}`?", near));
}

bool one_of(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

Result<std::int64_t> moment(std::string_view name, std::string_view text) {
  if (const auto time_ns = parse_rfc3339(text)) return *time_ns;
  return refuse(fmt::format("`{}` is `{}`, it takes a date or a time", name, printable(text, 60)),
                "write 2026-11-24 or 2026-11-24T20:44:19Z");
}

Result<std::string> version_prefix(std::string_view text) {
  const bool is_hex = text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (!is_hex || text.size() < 8 || text.size() > 64)
    return refuse(fmt::format("`version` is `{}`, it takes 8 to 64 hex digits", printable(text, 80)));
  return std::string(text);
}

// False when `name` is none of the filters.
Result<bool> read_filter(LedgerFilter& filter, const std::string& name, const std::string& value) {
  if (name == "model") {
    if (value.empty() || value.size() > k_max_path_bytes) return refuse("`model` is empty or too long");
    filter.model = value;
  } else if (name == "version") {
    MRUN_ASSIGN(filter.version_prefix, version_prefix(value));
  } else if (name == "tag") {
    MRUN_TRY(add_tag(filter.tags, value));
  } else if (name == "kind") {
    const auto found = std::ranges::find(k_kinds, value);
    if (found == k_kinds.end()) return refuse_word("kind", value, k_kinds);
    filter.kind = static_cast<LedgerKind>(found - k_kinds.begin());
  } else if (name == "status") {
    if (!one_of(k_statuses, value)) return refuse_word("status", value, k_statuses);
    filter.status = value;
  } else if (name == "since") {
    MRUN_ASSIGN(filter.since_ns, moment(name, value));
  } else if (name == "until") {
    MRUN_ASSIGN(filter.until_ns, moment(name, value));
  } else {
    return false;
  }
  return true;
}

Result<void> read_group(LedgerStatsQuery& query, std::string_view value) {
  using By = LedgerStatsQuery::By;
  if (value == "model") {
    query.by = By::model;
  } else if (value == "version") {
    query.by = By::version;
  } else if (value == "day") {
    query.by = By::day;
  } else if (value.starts_with("tag:") && is_tag_key(value.substr(4))) {
    query.by = By::tag;
    query.tag_key = value.substr(4);
  } else {
    return refuse_word("by", value, k_groups);
  }
  return {};
}

// Calls `own(name, value)` for what is no filter; it says whether it knows the name.
template<class Own>
Result<void> read_pairs(const QueryPairs& pairs, LedgerFilter& filter,
                        std::span<const std::string_view> own_names, Own own) {
  std::set<std::string> seen;
  for (const auto& [name, value] : pairs) {
    if (!seen.insert(name).second && name != "tag")
      return refuse(fmt::format("`{}` is given twice", printable(name, 60)));
    if (one_of(own_names, name)) {
      MRUN_TRY(own(name, value));
      continue;
    }
    MRUN_ASSIGN(const bool known, read_filter(filter, name, value));
    if (known) continue;
    std::vector<std::string_view> names(k_filter_names.begin(), k_filter_names.end());
    names.insert(names.end(), own_names.begin(), own_names.end());
    return refuse_word("parameter", name, names);
  }
  return {};
}

Result<void> read_limit(std::size_t& limit, const std::string& value) {
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), limit);
  if (error == std::errc() && end == value.data() + value.size() && limit >= 1 && limit <= k_max_ledger_page)
    return {};
  return refuse(fmt::format("`limit` is `{}`, it takes 1 to {}", printable(value, 40), k_max_ledger_page));
}

} // namespace

std::string_view ledger_kind_name(LedgerKind kind) {
  return k_kinds[static_cast<std::size_t>(kind)];
}

Result<LedgerPageQuery> parse_ledger_page(const QueryPairs& pairs) {
  static constexpr std::array<std::string_view, 2> k_own = {"cursor", "limit"};
  LedgerPageQuery query;
  MRUN_TRY(read_pairs(pairs, query.filter, k_own,
                      [&query](const std::string& name, const std::string& value) -> Result<void> {
                        if (name == "cursor") {
                          query.cursor = value;
                          return {};
                        }
                        return read_limit(query.limit, value);
                      }));
  return query;
}

Result<LedgerStatsQuery> parse_ledger_stats(const QueryPairs& pairs) {
  static constexpr std::array<std::string_view, 1> k_own = {"by"};
  LedgerStatsQuery query;
  MRUN_TRY(read_pairs(pairs, query.filter, k_own, [&query](const std::string&, const std::string& value) {
    return read_group(query, value);
  }));
  return query;
}

Result<PredictionPageQuery> parse_prediction_page(const QueryPairs& pairs) {
  static constexpr std::array<std::string_view, 4> k_own = {"cursor", "limit", "status", "kind"};
  PredictionPageQuery query;
  MRUN_TRY(read_pairs(pairs, query.filter, k_own,
                      [&query](const std::string& name, const std::string& value) -> Result<void> {
                        if (name == "limit") return read_limit(query.limit, value);
                        if (name == "kind")
                          return refuse("parameter `kind` is the ledger's: here all are predictions");
                        if (name == "status") {
                          if (!one_of(k_prediction_statuses, value))
                            return refuse_word("status", value, k_prediction_statuses);
                          query.filter.status = value;
                          return {};
                        }
                        if (!is_prediction_id(value))
                          return refuse(
                              fmt::format("cursor '{}' is not one of this list", printable(value, 60)),
                              "give `next` of a page as it is");
                        query.cursor = value;
                        return {};
                      }));
  query.filter.kind = LedgerKind::prediction;
  return query;
}

} // namespace mrun
