// The part of a query that the filter is. For the ledger's readers only.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "daemon/api/ledger.h"
#include "daemon/state/sqlite.h"

namespace mrun {

// SQL made of fixed pieces; what a caller wrote is only ever bound.
class LedgerWhere {
 public:
  explicit LedgerWhere(const LedgerFilter& filter);

  // One more condition, and a piece that goes on with the last one; each has one `?` for its value.
  void add(std::string_view condition, std::variant<std::int64_t, std::string> value);
  void extend(std::string_view piece, std::variant<std::int64_t, std::string> value);
  const std::string& sql() const { return m_sql; } // " WHERE …"
  // The parameters, from `first` on; returns the next free one.
  int bind(Statement& statement, int first = 1) const;

 private:
  std::string m_sql = " WHERE 1";
  std::vector<std::variant<std::int64_t, std::string>> m_values;
};

// The path of json_extract() for a tag. A key has no quotes (is_tag_key()).
std::string tag_path(const std::string& key);

} // namespace mrun
