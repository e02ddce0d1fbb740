#include "daemon/state/ledger_filter.h"

namespace mrun {

LedgerWhere::LedgerWhere(const LedgerFilter& filter) {
  if (filter.since_ns) add("at_ns >= ?", *filter.since_ns);
  if (filter.until_ns) add("at_ns < ?", *filter.until_ns);
  if (filter.kind) add("kind = ?", std::string(ledger_kind_name(*filter.kind)));
  if (!filter.status.empty()) add("status = ?", filter.status);
  if (!filter.model.empty()) add("model = ?", filter.model);
  if (!filter.version_prefix.empty()) {
    add("version >= ?", filter.version_prefix);
    add("version < ?", filter.version_prefix + "g"); // behind every hex digit
  }
  for (const auto& [key, value] : filter.tags) {
    add("tags <> '' AND json_extract(tags, ?)", tag_path(key));
    extend(" = ?", value);
  }
}

void LedgerWhere::add(std::string_view condition, std::variant<std::int64_t, std::string> value) {
  m_sql += " AND ";
  extend(condition, std::move(value));
}

void LedgerWhere::extend(std::string_view piece, std::variant<std::int64_t, std::string> value) {
  m_sql += piece;
  m_values.push_back(std::move(value));
}

int LedgerWhere::bind(Statement& statement, int first) const {
  for (const auto& value : m_values) {
    if (const auto* number = std::get_if<std::int64_t>(&value))
      statement.bind(first, *number);
    else
      statement.bind(first, std::string_view(std::get<std::string>(value)));
    ++first;
  }
  return first;
}

std::string tag_path(const std::string& key) {
  return "$.\"" + key + "\"";
}

} // namespace mrun
