#include "cli/ledger/text.h"

#include <array>

#include <fmt/format.h>

#include "cli/render/csv.h"
#include "common/limits.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_cell_bytes = 64 * k_kib; // more than any tags take

const Json& member(const Json& object, std::string_view key) {
  static const Json k_null;
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found == object.end() ? k_null : *found;
}

// Texts as they are, null as "", everything else as JSON.
std::string text_of(const Json& object, std::string_view key) {
  const Json& value = member(object, key);
  if (value.is_null()) return "";
  return printable(value.is_string() ? value.get<std::string>() : canonical_json(value), k_cell_bytes);
}

std::int64_t integer_of(const Json& object, std::string_view key) {
  const Json& value = member(object, key);
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}

// For scripts: nanoseconds, or "".
Cell duration_or(const Json& value, std::string otherwise) {
  if (!value.is_number_integer()) return {std::move(otherwise), ""};
  return {format_duration(value.get<std::int64_t>()), canonical_json(value)};
}

std::string amount_of(const Json& cost) {
  const std::string amount = text_of(cost, "amount");
  return amount.empty() ? "unknown" : fmt::format("{} {}", amount, text_of(cost, "currency"));
}

std::string tag_words(const Json& tags) {
  std::string text;
  if (tags.is_object())
    for (const auto& [key, value] : tags.items())
      text += fmt::format("{}{}={}", text.empty() ? "" : " ", key, text_of(tags, key));
  return text;
}

// 2026-11-24T20:44:19.123456Z → 2026-11-24 20:44:19
std::string short_time(const Json& line) {
  std::string time = text_of(line, "at").substr(0, 19);
  if (time.size() > 10) time[10] = ' ';
  return time;
}

// The columns of the CSV: where a value stands in the line.
struct Column {
  std::string_view name;
  std::string_view object; // "" for the line itself
  std::string_view key;
};
constexpr std::array k_columns = {
    Column{"id", "", "id"},
    Column{"kind", "", "kind"},
    Column{"status", "", "status"},
    Column{"at", "", "at"},
    Column{"began_at", "", "began_at"},
    Column{"model", "", "model"},
    Column{"version", "", "version"},
    Column{"device", "", "device"},
    Column{"worker", "", "worker"},
    Column{"prediction", "", "prediction"},
    Column{"tags", "", "tags"},
    Column{"units", "", "units"},
    Column{"cold_start", "", "cold_start"},
    Column{"duration_ns", "", "duration_ns"},
    Column{"total_ns", "", "total_ns"},
    Column{"amount", "cost", "amount"},
    Column{"currency", "cost", "currency"},
    Column{"rate", "cost", "rate"},
    Column{"per", "cost", "per"},
    Column{"billed_ns", "cost", "billed_ns"},
    Column{"formula", "cost", "formula"},
    Column{"reason", "cost", "reason"},
    Column{"reference_amount", "cost_reference", "amount"},
    Column{"reference_currency", "cost_reference", "currency"},
    Column{"reference_rate", "cost_reference", "rate"},
    Column{"reference_per", "cost_reference", "per"},
    Column{"reference_billed_ns", "cost_reference", "billed_ns"},
    Column{"reference_granularity_ns", "cost_reference", "granularity_ns"},
    Column{"reference_formula", "cost_reference", "formula"},
    Column{"reference_reason", "cost_reference", "reason"},
    Column{"provider", "cost_reference", "provider"},
    Column{"sku", "cost_reference", "sku"},
    Column{"product", "cost_reference", "product"},
    Column{"source", "cost_reference", "source"},
    Column{"read_on", "cost_reference", "read_on"},
};

constexpr std::array<std::string_view, 4> k_kinds = {"prediction", "setup", "idle", "total"};
constexpr std::array<std::string_view, 4> k_statuses = {"succeeded", "failed", "canceled", "aborted"};
constexpr std::array<std::string_view, 3> k_percentiles = {"p50", "p95", "p99"};

std::string key_text(const Json& group) {
  return member(group, "key").is_null() ? "–" : text_of(group, "key");
}

// "0.1 EUR; 0.2 USD"
std::string sums_text(const Json& amounts) {
  std::string text;
  const Json& sums = member(amounts, "amounts");
  if (sums.is_object())
    for (const auto& [currency, sum] : sums.items())
      text +=
          fmt::format("{}{} {}", text.empty() ? "" : "; ", text_of(sums, currency), printable(currency, 10));
  return text;
}

} // namespace

std::string amounts_words(const Json& amounts) {
  std::string text = sums_text(amounts);
  if (const std::int64_t unknown = integer_of(amounts, "unknown"); unknown > 0)
    text += fmt::format("{}unknown ({})", text.empty() ? "" : " + ", unknown);
  if (!text.empty()) return text;
  return integer_of(amounts, "lines") > 0 ? "0" : "–";
}

Table ledger_table() {
  return {.header = {"AT (UTC)", "KIND", "STATUS", "MODEL", "DEVICE", "TIME", "COST", "REFERENCE", "TAGS"},
          .rows = {},
          .right_aligned = {5, 6, 7},
          .shortened = {3, 8}};
}

std::vector<Cell> ledger_cells(const Json& line) {
  return {{short_time(line), text_of(line, "at")},
          text_of(line, "kind"),
          text_of(line, "status"),
          text_of(line, "model"),
          text_of(line, "device"),
          duration_or(member(line, "duration_ns"), "unknown"),
          amount_of(member(line, "cost")),
          amount_of(member(line, "cost_reference")),
          tag_words(member(line, "tags"))};
}

std::string ledger_csv_header() {
  std::vector<std::string> cells;
  for (const Column& column : k_columns)
    cells.emplace_back(column.name);
  return csv_row(cells);
}

std::string ledger_csv_row(const Json& line) {
  std::vector<std::string> cells;
  for (const Column& column : k_columns) {
    std::string cell = text_of(column.object.empty() ? line : member(line, column.object), column.key);
    const bool is_amount = column.key == "amount";
    cells.push_back(cell.empty() && is_amount ? "unknown" : std::move(cell));
  }
  return csv_row(cells);
}

std::string totals_line(const Json& group) {
  const Json& own = member(group, "cost");
  const auto lines = [&own](std::string_view kind) { return integer_of(member(own, kind), "lines"); };
  return fmt::format("{}, {} setup, {} idle · cost {} (predictions {}, setup {}, idle {}) · reference {}\n",
                     count_words(static_cast<std::size_t>(lines("prediction")), "prediction"), lines("setup"),
                     lines("idle"), amounts_words(member(own, "total")),
                     amounts_words(member(own, "prediction")), amounts_words(member(own, "setup")),
                     amounts_words(member(own, "idle")),
                     amounts_words(member(member(group, "cost_reference"), "total")));
}

Table stats_table(const std::string& by) {
  std::string title = by;
  for (char& c : title)
    c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return {.header = {by == "all" ? "ALL" : title, "N", "FAILED", "STOPPED", "COLD", "P50", "P95", "P99",
                     "PREDICT P50", "COST", "SETUP", "IDLE", "REFERENCE"},
          .rows = {},
          .right_aligned = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
          .shortened = {0}};
}

// With the error rate.
Cell failed_cell(const Json& predictions) {
  const auto failed = integer_of(predictions, "failed"), all = integer_of(predictions, "n");
  const std::string count = std::to_string(failed);
  if (failed == 0 || all == 0) return count;
  return Cell(
      fmt::format("{} ({:.3g} %)", count, 100.0 * static_cast<double>(failed) / static_cast<double>(all)),
      count);
}

std::vector<Cell> stats_cells(const Json& group) {
  const Json& predictions = member(group, "predictions");
  const Json& total = member(group, "total_ns");
  const Json& own = member(group, "cost");
  return {key_text(group),
          text_of(predictions, "n"),
          failed_cell(predictions),
          std::to_string(integer_of(predictions, "canceled") + integer_of(predictions, "aborted")),
          text_of(predictions, "cold_starts"),
          duration_or(member(total, "p50"), "–"),
          duration_or(member(total, "p95"), "–"),
          duration_or(member(total, "p99"), "–"),
          duration_or(member(member(group, "predict_ns"), "p50"), "–"),
          amounts_words(member(own, "prediction")),
          amounts_words(member(own, "setup")),
          amounts_words(member(own, "idle")),
          amounts_words(member(member(group, "cost_reference"), "total"))};
}

std::string stats_csv_header(const std::string& by) {
  std::vector<std::string> cells = {by, "n"};
  cells.insert(cells.end(), k_statuses.begin(), k_statuses.end());
  cells.emplace_back("cold_starts");
  for (const char* what : {"total", "predict"})
    for (const std::string_view percentile : k_percentiles)
      cells.push_back(fmt::format("{}_{}_ns", what, percentile));
  for (const char* side : {"cost", "cost_reference"})
    for (const std::string_view kind : k_kinds) {
      cells.push_back(fmt::format("{}_{}", side, kind));
      cells.push_back(fmt::format("{}_{}_unknown", side, kind));
    }
  return csv_row(cells);
}

std::string stats_csv_row(const Json& group) {
  const Json& predictions = member(group, "predictions");
  std::vector<std::string> cells = {text_of(group, "key"), text_of(predictions, "n")};
  for (const std::string_view status : k_statuses)
    cells.push_back(text_of(predictions, status));
  cells.push_back(text_of(predictions, "cold_starts"));
  for (const char* what : {"total_ns", "predict_ns"})
    for (const std::string_view percentile : k_percentiles)
      cells.push_back(text_of(member(group, what), percentile));
  for (const char* side : {"cost", "cost_reference"})
    for (const std::string_view kind : k_kinds) {
      const Json& amounts = member(member(group, side), kind);
      cells.push_back(sums_text(amounts));
      cells.push_back(text_of(amounts, "unknown"));
    }
  return csv_row(cells);
}

} // namespace mrun::cli
