// Sums of the ledger by group. One pass for counts and amounts; percentiles come from rows that the database
// sorts (on its own temporary storage when they are many), so memory grows with the groups, not the lines.
#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

#include "cost/money_sum.h"
#include "daemon/state/ledger_filter.h"
#include "daemon/state/ledger_reader.h"

namespace mrun {
namespace {

using By = LedgerStatsQuery::By;
using Key = std::optional<std::string>; // nullopt: lines without that tag, or the one group of By::all

// A percentile is told from so many samples on: fewer can't bound it (95 % confidence).
struct Percentile {
  const char* name;
  std::int64_t percent;
  std::int64_t least;
};
constexpr std::array<Percentile, 3> k_percentiles = {{{"p50", 50, 1}, {"p95", 95, 59}, {"p99", 99, 299}}};

struct Durations {
  std::int64_t count = 0;
  std::int64_t seen = 0; // while they stream by, in order
  std::array<std::optional<std::int64_t>, k_percentiles.size()> values;

  void note(std::int64_t duration_ns) {
    ++seen;
    for (std::size_t i = 0; i < k_percentiles.size(); ++i)
      // Nearest rank: the smallest value with at least that share of them at or below it.
      if (count >= k_percentiles[i].least && seen == (count * k_percentiles[i].percent + 99) / 100)
        values[i] = duration_ns;
  }
  Json json() const {
    Json json = {{"n", count}};
    for (std::size_t i = 0; i < k_percentiles.size(); ++i)
      json[k_percentiles[i].name] = values[i] ? Json(*values[i]) : Json(nullptr);
    return json;
  }
};

struct Amounts {
  std::int64_t lines = 0, unknown = 0;
  std::map<std::string, MoneySum> sums; // by currency

  void add(std::optional<std::int64_t> pico, const std::string& currency) {
    ++lines;
    if (!pico)
      ++unknown;
    else if (!currency.empty()) // without a currency: an interrupted prediction, which costs nothing
      sums[currency].add(Money::from_pico(*pico));
  }
  void add(const Amounts& other) {
    lines += other.lines;
    unknown += other.unknown;
    for (const auto& [currency, sum] : other.sums)
      sums[currency].add(sum);
  }
  Json json() const {
    Json amounts = Json::object();
    for (const auto& [currency, sum] : sums)
      amounts[currency] = sum.text();
    return {{"lines", lines}, {"unknown", unknown}, {"amounts", std::move(amounts)}};
  }
};

struct Group {
  std::map<std::string, std::int64_t> statuses; // of predictions
  std::int64_t predictions = 0, cold_starts = 0;
  Durations total, predict;
  std::array<Amounts, 3> own, reference; // by kind
};

constexpr std::array<std::string_view, 3> k_kinds = {"prediction", "setup", "idle"};

std::string group_expression(By by) {
  switch (by) {
  case By::model:
    return "model";
  case By::version:
    return "version";
  case By::day:
    return "strftime('%Y-%m-%d', at_ns / 1000000000, 'unixepoch')";
  case By::tag:
    return "CASE WHEN tags = '' THEN NULL ELSE json_extract(tags, ?) END";
  case By::all:
    break;
  }
  return "NULL";
}

Key key_of(const Statement& row) {
  return row.is_null(0) ? Key() : Key(row.text(0));
}

class Stats {
 public:
  Stats(Sqlite& connection, const LedgerStatsQuery& query)
      : m_connection(connection),
        m_query(query),
        m_where(query.filter) {}

  Result<Json> run() {
    MRUN_TRY(count());
    MRUN_TRY(rank("total_ns", &Group::total));
    MRUN_TRY(rank("duration_ns", &Group::predict));
    Json groups = Json::array();
    for (const auto& [key, group] : m_groups)
      groups.push_back(json(key, group));
    return Json{{"schema", "mrun.stats/v1"}, {"by", by_text()}, {"groups", std::move(groups)}};
  }

 private:
  // Column 0 is the group.
  Result<Statement> select(std::string_view columns, std::string_view and_where, std::string_view order) {
    MRUN_ASSIGN(Statement row, m_connection.prepare(fmt::format("SELECT {}, {} FROM ledger{}{}{}",
                                                                group_expression(m_query.by), columns,
                                                                m_where.sql(), and_where, order)));
    int next = 1;
    if (m_query.by == By::tag) row.bind(next++, std::string_view(tag_path(m_query.tag_key)));
    m_where.bind(row, next);
    return row;
  }

  Result<void> count() {
    MRUN_ASSIGN(Statement row, select("kind, status, cold, total_ns IS NOT NULL, duration_ns IS NOT NULL, "
                                      "amount_pico, currency, reference_amount_pico, reference_currency",
                                      "", ""));
    while (true) {
      MRUN_ASSIGN(const bool found, row.step());
      if (!found) return {};
      Group& group = m_groups[key_of(row)];
      if (m_groups.size() > k_max_stats_groups)
        return fail(ErrorCode::ledger_query, fmt::format("there are over {} groups", k_max_stats_groups),
                    "narrow it down, for example by --since");
      add(group, row);
    }
  }

  static void add(Group& group, const Statement& row) {
    const std::string kind = row.text(1);
    const auto which = static_cast<std::size_t>(std::ranges::find(k_kinds, kind) - k_kinds.begin());
    MRUN_CHECK(which < k_kinds.size()); // the table's own CHECK
    group.own[which].add(row.optional_integer(6), row.text(7));
    group.reference[which].add(row.optional_integer(8), row.text(9));
    if (kind != "prediction") return;
    const std::string status = row.text(2);
    ++group.predictions;
    ++group.statuses[status];
    group.cold_starts += row.integer(3) != 0 ? 1 : 0;
    if (status != "succeeded") return;
    group.total.count += row.integer(4);
    group.predict.count += row.integer(5);
  }

  Result<void> rank(std::string_view column, Durations Group::*durations) {
    MRUN_ASSIGN(
        Statement row,
        select(column,
               fmt::format(" AND kind = 'prediction' AND status = 'succeeded' AND {} IS NOT NULL", column),
               " ORDER BY 1, 2"));
    while (true) {
      MRUN_ASSIGN(const bool found, row.step());
      if (!found) return {};
      (m_groups[key_of(row)].*durations).note(row.integer(1));
    }
  }

  Json by_text() const {
    static constexpr std::array<std::string_view, 4> k_names = {"all", "model", "version", "day"};
    if (m_query.by == By::tag) return "tag:" + m_query.tag_key;
    return k_names[static_cast<std::size_t>(m_query.by)];
  }

  static Json costs(const std::array<Amounts, 3>& amounts) {
    Json json = Json::object();
    Amounts total;
    for (std::size_t i = 0; i < k_kinds.size(); ++i) {
      json[std::string(k_kinds[i])] = amounts[i].json();
      total.add(amounts[i]);
    }
    json["total"] = total.json();
    return json;
  }

  static Json json(const Key& key, const Group& group) {
    Json predictions = {{"n", group.predictions}, {"cold_starts", group.cold_starts}};
    for (const char* status : {"succeeded", "failed", "canceled", "aborted"}) {
      const auto found = group.statuses.find(status);
      predictions[status] = found == group.statuses.end() ? 0 : found->second;
    }
    return {{"key", key ? Json(*key) : Json(nullptr)},
            {"predictions", std::move(predictions)},
            {"total_ns", group.total.json()},
            {"predict_ns", group.predict.json()},
            {"cost", costs(group.own)},
            {"cost_reference", costs(group.reference)}};
  }

  Sqlite& m_connection;
  const LedgerStatsQuery& m_query;
  LedgerWhere m_where;
  std::map<Key, Group> m_groups;
};

} // namespace

Result<Json> ledger_stats(Sqlite& connection, const LedgerStatsQuery& query) {
  // One snapshot for all of its passes.
  MRUN_TRY(connection.execute("BEGIN"));
  Result<Json> stats = Stats(connection, query).run();
  MRUN_TRY(connection.execute("COMMIT"));
  return stats;
}

} // namespace mrun
