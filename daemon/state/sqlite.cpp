#include "daemon/state/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include "common/shell_word.h"

namespace mrun {
namespace {

constexpr int k_busy_timeout_ms = 5000;

} // namespace

tl::unexpected<Error> sqlite_failure(sqlite3* handle, std::string_view doing) {
  const int code = sqlite3_errcode(handle) & 0xff;
  const char* file = sqlite3_db_filename(handle, "main");
  const std::string name = file == nullptr ? "mrun.db" : file;
  const std::string message =
      fmt::format("{} in {}: {}", doing, file == nullptr ? "the database" : file, sqlite3_errmsg(handle));
  switch (code) {
  case SQLITE_FULL:
    return fail(ErrorCode::disk_full, message);
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
    return fail(
        ErrorCode::database_corrupt, message,
        fmt::format("mv {} {} && mrun daemon start", shell_word(name), shell_word(name + ".damaged")));
  default:
    return fail(ErrorCode::database, message);
  }
}

void Statement::Finalizer::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}
void Sqlite::Closer::operator()(sqlite3* handle) const {
  sqlite3_close_v2(handle);
}

Statement& Statement::note(int status) {
  if (m_bound == SQLITE_OK) m_bound = status;
  return *this;
}

Statement& Statement::bind(int index, std::int64_t value) {
  return note(sqlite3_bind_int64(m_statement.get(), index, value));
}
Statement& Statement::bind(int index, std::string_view text) {
  return note(sqlite3_bind_text64(m_statement.get(), index, text.data() == nullptr ? "" : text.data(),
                                  text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}
Statement& Statement::bind_null(int index) {
  return note(sqlite3_bind_null(m_statement.get(), index));
}
Statement& Statement::bind(int index, const std::optional<std::int64_t>& value) {
  return value ? bind(index, *value) : bind_null(index);
}

Result<void> Statement::run() {
  while (true) {
    MRUN_ASSIGN(const bool row, step());
    if (!row) return {};
  }
}

Result<bool> Statement::step() {
  if (const int bound = m_bound; bound != SQLITE_OK) {
    reset();
    return fail(ErrorCode::database,
                fmt::format("a value can't be given to the database: {}", sqlite3_errstr(bound)));
  }
  const int status = sqlite3_step(m_statement.get());
  if (status == SQLITE_ROW) return true;
  if (status == SQLITE_DONE) {
    reset();
    return false;
  }
  auto failure = sqlite_failure(sqlite3_db_handle(m_statement.get()), "a statement failed");
  reset();
  return failure;
}

void Statement::reset() {
  sqlite3_reset(m_statement.get());
  sqlite3_clear_bindings(m_statement.get());
  m_bound = SQLITE_OK;
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(m_statement.get(), column);
}
std::string Statement::text(int column) const {
  const void* bytes = sqlite3_column_blob(m_statement.get(), column);
  const int size_bytes = sqlite3_column_bytes(m_statement.get(), column);
  return bytes == nullptr
             ? std::string()
             : std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(size_bytes));
}
std::size_t Statement::size_bytes(int column) const {
  return static_cast<std::size_t>(sqlite3_column_bytes(m_statement.get(), column));
}
bool Statement::is_null(int column) const {
  return sqlite3_column_type(m_statement.get(), column) == SQLITE_NULL;
}
std::optional<std::int64_t> Statement::optional_integer(int column) const {
  return is_null(column) ? std::nullopt : std::optional(integer(column));
}

Result<Sqlite> Sqlite::open(const std::string& path, bool read_only) {
  Sqlite database;
  sqlite3* handle = nullptr;
  const int flags = (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int status = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  database.m_handle.reset(handle);
  if (handle == nullptr)
    return fail(ErrorCode::database, fmt::format("can't open {}: {}", path, sqlite3_errstr(status)));
  if (status != SQLITE_OK) return sqlite_failure(handle, fmt::format("can't open {}", path));
  sqlite3_busy_timeout(handle, k_busy_timeout_ms);
  return database;
}

Result<void> Sqlite::execute(const char* sql) {
  if (sqlite3_exec(m_handle.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    return sqlite_failure(m_handle.get(), "a statement failed");
  return {};
}

Result<Statement> Sqlite::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int status = sqlite3_prepare_v3(m_handle.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  Statement result;
  result.m_statement.reset(statement);
  if (status != SQLITE_OK) return sqlite_failure(m_handle.get(), "a statement can't be prepared");
  return result;
}

Result<std::int64_t> Sqlite::integer(std::string_view sql) {
  MRUN_ASSIGN(Statement statement, prepare(sql));
  MRUN_ASSIGN(const bool row, statement.step());
  return row ? statement.integer(0) : 0;
}

Result<std::string> Sqlite::text(std::string_view sql) {
  MRUN_ASSIGN(Statement statement, prepare(sql));
  MRUN_ASSIGN(const bool row, statement.step());
  return row ? statement.text(0) : std::string();
}

std::int64_t Sqlite::changes() const {
  return sqlite3_changes64(m_handle.get());
}

} // namespace mrun
