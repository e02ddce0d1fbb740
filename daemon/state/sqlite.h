// SQLite's C API as owners and results. One connection belongs to one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace mrun {

// A prepared statement; kept by its owner and used again (reset by each run).
class Statement {
 public:
  Statement() = default;

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::string_view text); // copied by SQLite before the call returns
  Statement& bind_null(int index);
  Statement& bind(int index, const std::optional<std::int64_t>& value);

  // To the end, rows are dropped. Then resets and clears.
  Result<void> run();
  // True: there is a row to read; false: the end (reset and cleared).
  Result<bool> step();
  // Ends reading before the end.
  void reset();

  std::int64_t integer(int column) const;
  std::string text(int column) const;
  std::size_t size_bytes(int column) const; // of a text or blob
  bool is_null(int column) const;
  std::optional<std::int64_t> optional_integer(int column) const;

 private:
  friend class Sqlite;
  Statement& note(int status);
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalizer> m_statement;
  int m_bound = 0; // SQLite's status of the first bind that failed: the next step tells it
};

class Sqlite {
 public:
  // Errors: disk_full, store_read_only, database (with the path), database_corrupt.
  static Result<Sqlite> open(const std::string& path, bool read_only);

  Result<void> execute(const char* sql); // one or more statements, rows are dropped
  Result<Statement> prepare(std::string_view sql);
  // The first column of the first row as an integer; 0 when there is none.
  Result<std::int64_t> integer(std::string_view sql);
  Result<std::string> text(std::string_view sql);
  std::int64_t changes() const; // of the last statement
  sqlite3* handle() const { return m_handle.get(); }

 private:
  struct Closer {
    void operator()(sqlite3* handle) const;
  };
  std::unique_ptr<sqlite3, Closer> m_handle;
};

// An error of the last call on that connection: disk_full for SQLITE_FULL, database_corrupt for a damaged
// file, store_read_only, else database.
tl::unexpected<Error> sqlite_failure(sqlite3* handle, std::string_view doing);

} // namespace mrun
