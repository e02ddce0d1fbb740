#include "daemon/state/reader_database.h"

#include <fmt/format.h>

#include "common/text.h"
#include "daemon/state/ledger_reader.h"

namespace mrun {
namespace {

#define MRUN_PREDICTION_COLUMNS                                                                              \
  "id, model, version, status, created_ns, started_ns, completed_ns, deadline_ns, input, output, error, "    \
  "logs, metrics, log_path, last_log_lines, tags"

constexpr std::size_t k_max_page = 1000;

Result<Json> stored_json(const Statement& row, int column) {
  JsonLimits limits;
  limits.max_bytes = k_max_payload_bytes;
  limits.max_depth = k_max_json_depth + 4;
  return parse_json(row.text(column), ErrorCode::database_corrupt, "a stored value", limits);
}

Result<Prediction> read_prediction(const Statement& row) {
  Prediction prediction;
  prediction.id = row.text(0);
  prediction.model = row.text(1);
  prediction.version = row.text(2);
  prediction.status = PredictionStatus::failed;
  if (!find_status(row.text(3), prediction.status))
    return fail(ErrorCode::database_corrupt,
                fmt::format("prediction '{}' has no known status", prediction.id));
  prediction.created_ns = row.integer(4);
  prediction.started_ns = row.optional_integer(5);
  prediction.completed_ns = row.optional_integer(6);
  prediction.deadline_ns = row.optional_integer(7);
  MRUN_ASSIGN(prediction.input, stored_json(row, 8));
  MRUN_ASSIGN(prediction.output, stored_json(row, 9));
  if (!row.is_null(10)) prediction.error = decode_error(row.text(10));
  prediction.logs = row.text(11);
  MRUN_ASSIGN(prediction.metrics, stored_json(row, 12));
  prediction.log_path = row.text(13);
  MRUN_ASSIGN(const Json lines, stored_json(row, 14));
  for (const Json& line : lines)
    if (line.is_string()) prediction.last_log_lines.push_back(line.get<std::string>());
  prediction.tags = decode_tags(row.text(15));
  return prediction;
}

std::size_t row_bytes(const Statement& row) {
  std::size_t sum = 0;
  for (int column = 8; column <= 14; ++column) // from `input` on: what a caller or a model decides
    sum += row.size_bytes(column);
  return sum;
}

// Pages go from the newest to the oldest by id; a cursor is the last id of the page before.
constexpr std::string_view k_after_all_ids = "~";

Result<void> check_cursor(const std::string& cursor) {
  if (cursor.empty() || is_prediction_id(cursor)) return {};
  return fail(ErrorCode::request_invalid,
              fmt::format("cursor '{}' is not one of this list", printable(cursor, 60)),
              "follow the `next` address of a page as it is");
}

} // namespace

Result<ReaderDatabase> ReaderDatabase::open(const std::string& path) {
  ReaderDatabase database;
  MRUN_ASSIGN(database.m_connection, Sqlite::open(path, true));
  MRUN_TRY(database.m_connection.execute("PRAGMA cache_size=-256; PRAGMA query_only=ON"));
  MRUN_ASSIGN(database.m_get, database.m_connection.prepare("SELECT " MRUN_PREDICTION_COLUMNS
                                                            " FROM predictions WHERE id = ?1"));
  MRUN_ASSIGN(database.m_list,
              database.m_connection.prepare("SELECT " MRUN_PREDICTION_COLUMNS
                                            " FROM predictions WHERE id < ?1 ORDER BY id DESC LIMIT ?2"));
  MRUN_ASSIGN(database.m_output,
              database.m_connection.prepare("SELECT digest, media_type, name, size_bytes FROM outputs WHERE "
                                            "prediction_id = ?1 AND position = ?2"));
  return database;
}

Result<Prediction> ReaderDatabase::get(const std::string& id) {
  MRUN_ASSIGN(const bool found, m_get.bind(1, std::string_view(id)).step());
  if (!found)
    return fail(ErrorCode::prediction_not_found,
                fmt::format("there is no prediction '{}'", printable(id, 60)));
  Result<Prediction> prediction = read_prediction(m_get);
  m_get.reset();
  return prediction;
}

Result<StoredPage> ReaderDatabase::list(const std::string& cursor, std::size_t limit) {
  MRUN_TRY(check_cursor(cursor));
  const std::size_t count = std::min(std::max<std::size_t>(limit, 1), k_max_page);
  m_list.bind(1, cursor.empty() ? k_after_all_ids : std::string_view(cursor))
      .bind(2, static_cast<std::int64_t>(count + 1));
  StoredPage page;
  while (true) {
    MRUN_ASSIGN(const bool row, m_list.step());
    if (!row) return page;
    const std::size_t size_bytes = row_bytes(m_list);
    const bool over = !page.predictions.empty() && page.size_bytes + size_bytes > k_page_bytes;
    if (page.predictions.size() == count || over) {
      page.next_cursor = page.predictions.back().id;
      m_list.reset();
      return page;
    }
    Result<Prediction> prediction = read_prediction(m_list);
    if (!prediction) {
      m_list.reset();
      return tl::unexpected(std::move(prediction).error());
    }
    page.predictions.push_back(std::move(*prediction));
    page.size_bytes += size_bytes;
  }
}

Result<std::vector<Event>> ReaderDatabase::events(const std::string& id) {
  MRUN_ASSIGN(Statement statement,
              m_connection.prepare("SELECT events, status, coalesce(completed_ns, created_ns), output "
                                   "FROM predictions WHERE id = ?1"));
  MRUN_ASSIGN(const bool found, statement.bind(1, std::string_view(id)).step());
  if (!found)
    return fail(ErrorCode::prediction_not_found,
                fmt::format("there is no prediction '{}'", printable(id, 60)));
  MRUN_ASSIGN(const Json output, stored_json(statement, 3));
  MRUN_ASSIGN(std::vector<Event> events, decode_events(statement.text(0), output));
  PredictionStatus status = PredictionStatus::starting;
  if (find_status(statement.text(1), status) && is_terminal(status))
    events.push_back({events.size() + 1,
                      statement.integer(2),
                      EventType::done,
                      {{"id", id}, {"status", status_name(status)}}});
  return events;
}

Result<StoredOutput> ReaderDatabase::output(const std::string& id, std::size_t index) {
  MRUN_ASSIGN(const bool found,
              m_output.bind(1, std::string_view(id)).bind(2, static_cast<std::int64_t>(index)).step());
  if (!found)
    return fail(ErrorCode::file_not_found,
                fmt::format("prediction '{}' has no output file {}", printable(id, 60), index));
  StoredOutput output;
  const Result<Digest> digest = Digest::parse_hex(m_output.text(0));
  output.media_type = m_output.text(1);
  output.name = m_output.text(2);
  output.size_bytes = static_cast<std::uint64_t>(m_output.integer(3));
  m_output.reset();
  if (!digest)
    return fail(ErrorCode::database_corrupt, fmt::format("the row of an output of '{}' has no digest", id));
  output.digest = *digest;
  return output;
}

Result<std::vector<UploadedFile>> ReaderDatabase::files() {
  MRUN_ASSIGN(Statement row,
              m_connection.prepare("SELECT id, name, media_type, size_bytes, sha256, created_ns, "
                                   "expires_ns FROM files ORDER BY created_ns"));
  std::vector<UploadedFile> files;
  while (true) {
    MRUN_ASSIGN(const bool found, row.step());
    if (!found) return files;
    files.push_back({row.text(0), row.text(1), row.text(2), static_cast<std::uint64_t>(row.integer(3)),
                     row.text(4), row.integer(5), row.integer(6)});
  }
}

Result<std::vector<Token>> ReaderDatabase::tokens() {
  MRUN_ASSIGN(Statement row, m_connection.prepare("SELECT name, sha256, scope, created_ns, expires_ns, "
                                                  "last_use_ns FROM tokens ORDER BY name"));
  std::vector<Token> tokens;
  while (true) {
    MRUN_ASSIGN(const bool found, row.step());
    if (!found) return tokens;
    Token token;
    token.name = row.text(0);
    const Result<Digest> hash = Digest::parse_hex(row.text(1));
    if (!hash || !find_scope(row.text(2), token.scope))
      return fail(ErrorCode::database_corrupt,
                  fmt::format("token '{}' has no known scope or hash", printable(token.name, 80)));
    token.hash = *hash;
    token.created_ns = row.integer(3);
    token.expires_ns = row.optional_integer(4);
    token.last_use_ns = row.optional_integer(5);
    tokens.push_back(std::move(token));
  }
}

Result<Json> ReaderDatabase::version_stats(const std::string& version) {
  MRUN_ASSIGN(Statement row,
              m_connection.prepare("SELECT model, runs, warm, cold FROM versions WHERE version = ?1"));
  MRUN_ASSIGN(const bool found, row.bind(1, std::string_view(version)).step());
  if (!found) return Json(nullptr);
  Json stats = {{"version", version}, {"model", row.text(0)}, {"runs", row.integer(1)}};
  MRUN_ASSIGN(stats["warm"], stored_json(row, 2));
  MRUN_ASSIGN(stats["cold"], stored_json(row, 3));
  return stats;
}

Result<Json> ReaderDatabase::run_counts() {
  MRUN_ASSIGN(Statement row, m_connection.prepare("SELECT model, sum(runs) FROM versions GROUP BY model"));
  Json counts = Json::object();
  while (true) {
    MRUN_ASSIGN(const bool found, row.step());
    if (!found) return counts;
    counts[row.text(0)] = row.integer(1);
  }
}

Result<void> ReaderDatabase::check_ledger() {
  return mrun::check_ledger(m_connection);
}

} // namespace mrun
