// What the records may be asked for: the filters of `/mrun/v1/ledger`, `/mrun/v1/stats`
// (docs/formats/ledger.md) and of the list `/mrun/v1/predictions` (docs/formats/prediction.md). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"
#include "daemon/api/tags.h"

namespace mrun {

// A line of the ledger is a prediction, a worker's load, or a stretch in which a worker waited.
enum class LedgerKind : std::uint8_t { prediction, setup, idle };
std::string_view ledger_kind_name(LedgerKind kind);

// Everything that is set must hold.
struct LedgerFilter {
  std::string model;          // owner/name, whole
  std::string version_prefix; // of its 64 hex digits
  Tags tags;                  // each with that value
  std::optional<LedgerKind> kind;
  std::string status;
  std::optional<std::int64_t> since_ns, until_ns; // written at or after; before
};

struct LedgerPageQuery {
  LedgerFilter filter;
  std::string cursor; // "" or `next` of the page before
  std::size_t limit = k_default_ledger_page;

  static constexpr std::size_t k_default_ledger_page = 100;
};

// Predictions, under way and ended, newest first. Of the filter `since` and `until` are when one was created;
// the kind is that of predictions.
struct PredictionPageQuery {
  LedgerFilter filter;
  std::string cursor; // "" or `next` of the page before: an id
  std::size_t limit = LedgerPageQuery::k_default_ledger_page;
};

struct LedgerStatsQuery {
  enum class By : std::uint8_t { all, model, version, day, tag };
  LedgerFilter filter;
  By by = By::all;
  std::string tag_key; // of By::tag
};

using QueryPairs = std::vector<std::pair<std::string, std::string>>; // decoded

// Errors ledger_query: an unknown name (the nearest in the hint), a name twice (but `tag`), a value that the
// filter can't have.
Result<LedgerPageQuery> parse_ledger_page(const QueryPairs& pairs);
Result<LedgerStatsQuery> parse_ledger_stats(const QueryPairs& pairs);
Result<PredictionPageQuery> parse_prediction_page(const QueryPairs& pairs);

} // namespace mrun
