#include "daemon/state/writer_database.h"

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/shell_word.h"
#include "daemon/state/schema.h"

namespace mrun {
namespace {

// The database is small while it is read and written in order: a cache of 512 KiB keeps the daemon's memory
// down.
constexpr const char* k_settings =
    "PRAGMA journal_mode=WAL; PRAGMA cache_size=-512; PRAGMA wal_autocheckpoint=0;"
    "PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=OFF;";

// SQLite makes its files with the mode of the first one, so that is made here.
Result<void> make_private_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) return fail_errno(ErrorCode::database, errno, fmt::format("can't open {}", path));
  return {};
}

tl::unexpected<Error> damaged(const std::string& path, std::string_view why) {
  return fail(ErrorCode::database_corrupt, fmt::format("{} is damaged: {}", path, why),
              fmt::format("mv {} {}; rm -f {} {}; mrun daemon start (models are not affected)",
                          shell_word(path), shell_word(path + ".damaged"), shell_word(path + "-wal"),
                          shell_word(path + "-shm")));
}

Result<void> quick_check(Sqlite& connection, const std::string& path) {
  Result<std::string> verdict = connection.text("PRAGMA quick_check(1)");
  if (!verdict)
    return verdict.error().code == ErrorCode::database_corrupt ? damaged(path, verdict.error().message)
                                                               : tl::unexpected(std::move(verdict).error());
  if (*verdict != "ok") return damaged(path, *verdict);
  return {};
}

// Whether the last user of this file stopped cleanly; a new file counts as clean.
Result<bool> was_clean(Sqlite& connection) {
  MRUN_ASSIGN(const std::int64_t tables,
              connection.integer("SELECT count(*) FROM sqlite_master WHERE name = 'meta'"));
  if (tables == 0) return true;
  MRUN_ASSIGN(const std::string flag, connection.text("SELECT value FROM meta WHERE key = 'clean'"));
  return flag == "1";
}

Result<void> set_meta(Sqlite& connection, const char* key, std::string_view value) {
  MRUN_ASSIGN(Statement statement,
              connection.prepare("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE "
                                 "SET value = excluded.value"));
  return statement.bind(1, std::string_view(key)).bind(2, value).run();
}

Result<void> open_checked(Sqlite& connection, const std::string& path, std::string_view build) {
  MRUN_TRY(connection.execute(k_settings));
  MRUN_ASSIGN(const bool clean, was_clean(connection));
  if (!clean) {
    log_warn("the daemon did not stop cleanly; checking {}", path);
    MRUN_TRY(quick_check(connection, path));
  }
  MRUN_TRY(migrate(connection));
  MRUN_TRY(connection.execute("PRAGMA synchronous=FULL; BEGIN IMMEDIATE"));
  MRUN_TRY(set_meta(connection, "build", build));
  MRUN_TRY(set_meta(connection, "clean", "0"));
  return connection.execute("COMMIT");
}

} // namespace

Result<WriterDatabase> WriterDatabase::open(const std::string& path, std::string_view build) {
  MRUN_TRY(make_private_file(path));
  WriterDatabase database;
  MRUN_ASSIGN(database.m_connection, Sqlite::open(path, false));
  if (Result<void> opened = open_checked(database.m_connection, path, build); !opened) {
    if (opened.error().code == ErrorCode::database_corrupt &&
        opened.error().message.find(" of another ") == std::string::npos)
      return damaged(path, opened.error().message);
    return tl::unexpected(std::move(opened).error());
  }
  MRUN_TRY(database.prepare());
  return database;
}

Result<void> WriterDatabase::prepare() {
  const auto make = [this](Statement& statement, std::string_view sql) -> Result<void> {
    MRUN_ASSIGN(statement, m_connection.prepare(sql));
    return {};
  };
  MRUN_TRY(make(m_begin, "BEGIN IMMEDIATE"));
  MRUN_TRY(make(m_commit, "COMMIT"));
  MRUN_TRY(make(m_insert,
                "INSERT INTO predictions (id, model, version, status, durable, created_ns, started_ns, "
                "deadline_ns, input, tags) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"));
  MRUN_TRY(make(m_mark_durable, "UPDATE predictions SET durable = durable + 1 WHERE id = ?1"));
  MRUN_TRY(make(m_mark_started, "UPDATE predictions SET started_ns = ?2 WHERE id = ?1 AND status IN "
                                "('starting', 'processing')"));
  MRUN_TRY(make(m_end,
                "UPDATE predictions SET status = ?2, started_ns = ?3, completed_ns = ?4, output = ?5, "
                "error = ?6, logs = ?7, metrics = ?8, log_path = ?9, last_log_lines = ?10, events = ?11 "
                "WHERE id = ?1 AND status IN ('starting', 'processing')"));
  MRUN_TRY(make(m_insert_ended,
                "INSERT INTO predictions (id, status, started_ns, completed_ns, output, error, logs, "
                "metrics, log_path, "
                "last_log_lines, events, model, version, created_ns, deadline_ns, input, tags, durable) "
                "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, 0) "
                "ON CONFLICT (id) DO NOTHING"));
  MRUN_TRY(make(m_output, "INSERT INTO outputs VALUES (?1, ?2, ?3, ?4, ?5, ?6)"));
  // A line that is there already stays: a retried end writes nothing twice.
  MRUN_TRY(
      make(m_ledger,
           "INSERT INTO ledger VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, "
           "?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, "
           "?34, ?35, ?36) ON CONFLICT (id) DO NOTHING"));
  MRUN_TRY(
      make(m_open_stretch,
           "INSERT INTO open_stretches VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (worker) DO UPDATE "
           "SET kind = excluded.kind, cause = excluded.cause, began_ns = excluded.began_ns"));
  MRUN_TRY(make(m_close_stretch, "DELETE FROM open_stretches WHERE worker = ?1"));
  MRUN_TRY(make(m_statistics,
                "INSERT INTO versions VALUES (?1, ?2, 1, coalesce(?3, 'null'), coalesce(?4, 'null')) "
                "ON CONFLICT (version) DO UPDATE SET runs = runs + 1, warm = coalesce(?3, warm), cold = "
                "coalesce(?4, cold)"));
  MRUN_TRY(make(m_insert_file, "INSERT INTO files VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
  MRUN_TRY(make(m_remove_file, "DELETE FROM files WHERE id = ?1"));
  MRUN_TRY(make(m_insert_token, "INSERT INTO tokens VALUES (?1, ?2, ?3, ?4, ?5, ?6)"));
  MRUN_TRY(make(m_remove_token, "DELETE FROM tokens WHERE name = ?1"));
  MRUN_TRY(make(m_note_token_use, "UPDATE tokens SET last_use_ns = ?2 WHERE name = ?1"));
  return make(m_touch,
              "INSERT INTO meta VALUES ('touched', '1') ON CONFLICT (key) DO UPDATE SET value = value + 1");
}

Result<std::size_t> WriterDatabase::fail_interrupted(std::int64_t wall_ns) {
  MRUN_ASSIGN(
      const std::int64_t open,
      m_connection.integer("SELECT count(*) FROM predictions WHERE status IN ('starting', 'processing')"));
  MRUN_ASSIGN(const std::int64_t stretches, m_connection.integer("SELECT count(*) FROM open_stretches"));
  if (open == 0 && stretches == 0) return 0U;
  // What had not started used nothing. How long the rest ran, nobody knows: no number is made up. `error` is
  // what decode_error() reads.
  const Error interrupted =
      fail(ErrorCode::interrupted, "the daemon stopped before the prediction ended").value();
  MRUN_TRY(m_connection.execute("PRAGMA synchronous=FULL; BEGIN IMMEDIATE"));
  MRUN_ASSIGN(Statement bill,
              m_connection.prepare(
                  "INSERT INTO ledger (id, kind, status, at_ns, began_ns, model, version, device, worker, "
                  "cause, tags, units, phases, amount_pico, currency, per, formula, reason, "
                  "reference_amount_pico, reference_currency, reference_per, reference_formula, "
                  "reference_reason, provider, sku, product, source, read_on) "
                  "SELECT id, 'prediction', 'failed', ?1, started_ns, model, version, '', '', '', tags, '', "
                  "'', iif(started_ns IS NULL, 0, NULL), '', '', '', iif(started_ns IS NULL, ?2, ?3), "
                  "iif(started_ns IS NULL, 0, NULL), '', '', '', iif(started_ns IS NULL, ?2, ?3), "
                  "'', '', '', '', '' FROM predictions WHERE status IN ('starting', 'processing')"));
  MRUN_TRY(bill.bind(1, wall_ns)
               .bind(2, std::string_view("interrupted before it began"))
               .bind(3, std::string_view("the daemon was killed while it ran: how long it ran is not known"))
               .run());
  MRUN_ASSIGN(Statement end,
              m_connection.prepare("UPDATE predictions SET status = 'failed', completed_ns = ?1, error = ?2 "
                                   "WHERE status IN ('starting', 'processing')"));
  MRUN_TRY(end.bind(1, wall_ns).bind(2, std::string_view(encode_error(interrupted))).run());
  MRUN_TRY(end_open_stretches(wall_ns));
  MRUN_TRY(m_connection.execute("COMMIT"));
  return static_cast<std::size_t>(open);
}

// The workers ended with the daemon, nobody knows when: their lines say so, and no number is made up.
Result<void> WriterDatabase::end_open_stretches(std::int64_t wall_ns) {
  MRUN_ASSIGN(Statement row,
              m_connection.prepare(
                  "SELECT worker, kind, model, version, device, cause, began_ns FROM open_stretches"));
  std::vector<StretchRow> stretches;
  while (true) {
    MRUN_ASSIGN(const bool found, row.step());
    if (!found) break;
    StretchRow& stretch = stretches.emplace_back();
    stretch.worker = {row.text(0), row.text(2), row.text(3), row.text(4)};
    stretch.kind = row.text(1) == "setup" ? LedgerKind::setup : LedgerKind::idle;
    stretch.id = stretch.kind == LedgerKind::setup ? stretch.worker.id : new_prediction_id(wall_ns);
    stretch.status = "unknown";
    stretch.cause = row.text(5);
    stretch.began_ns = row.integer(6);
    stretch.at_ns = wall_ns;
    stretch.own.reason = stretch.reference.reason =
        "the daemon was killed meanwhile: how long it lasted is not known";
  }
  for (const StretchRow& stretch : stretches)
    MRUN_TRY(end_stretch(stretch));
  return {};
}

Result<void> WriterDatabase::close_cleanly() {
  MRUN_TRY(m_connection.execute("PRAGMA synchronous=FULL; BEGIN IMMEDIATE"));
  MRUN_TRY(set_meta(m_connection, "clean", "1"));
  MRUN_TRY(m_connection.execute("COMMIT"));
  return m_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)");
}

Result<void> WriterDatabase::begin() {
  return m_begin.run();
}

Result<void> WriterDatabase::commit() {
  return m_commit.run();
}

Result<void> WriterDatabase::insert(const Prediction& prediction, bool durable) {
  m_insert.bind(1, std::string_view(prediction.id))
      .bind(2, std::string_view(prediction.model))
      .bind(3, std::string_view(prediction.version))
      .bind(4, status_name(prediction.status))
      .bind(5, std::int64_t{durable})
      .bind(6, prediction.created_ns)
      .bind(7, prediction.started_ns)
      .bind(8, prediction.deadline_ns)
      .bind(9, std::string_view(canonical_json(prediction.input)))
      .bind(10, std::string_view(encode_tags(prediction.tags)));
  return m_insert.run();
}

Result<void> WriterDatabase::mark_durable(const std::string& id) {
  MRUN_TRY(m_mark_durable.bind(1, std::string_view(id)).run());
  if (m_connection.changes() == 1) return {};
  return fail(ErrorCode::database, fmt::format("prediction '{}' has no row: an earlier write failed", id));
}

Result<void> WriterDatabase::mark_started(const std::string& id, std::int64_t wall_ns) {
  return m_mark_started.bind(1, std::string_view(id)).bind(2, wall_ns).run();
}

Result<void> WriterDatabase::finish(const FinishedPrediction& finished) {
  MRUN_CHECK(is_terminal(finished.prediction->status));
  for (const StretchRow& stretch : finished.stretches)
    MRUN_TRY(end_stretch(stretch));
  if (finished.idle_from) MRUN_TRY(open_stretch(*finished.idle_from));
  MRUN_ASSIGN(const bool ended_now, end_row(finished));
  if (!ended_now) return {};
  MRUN_TRY(add_outputs(finished));
  MRUN_TRY(add_ledger(finished));
  return add_statistics(finished);
}

Result<bool> WriterDatabase::end_row(const FinishedPrediction& finished) {
  const Prediction& prediction = *finished.prediction;
  const auto bind_end = [&](Statement& statement) -> Statement& {
    statement.bind(1, std::string_view(prediction.id))
        .bind(2, status_name(prediction.status))
        .bind(3, prediction.started_ns)
        .bind(4, prediction.completed_ns)
        .bind(5, std::string_view(finished.output))
        .bind(7, std::string_view(prediction.logs))
        .bind(8, std::string_view(canonical_json(prediction.metrics)))
        .bind(9, std::string_view(prediction.log_path))
        .bind(10, std::string_view(canonical_json(prediction.last_log_lines)))
        .bind(11, std::string_view(finished.events));
    if (prediction.error) statement.bind(6, std::string_view(encode_error(*prediction.error)));
    return statement;
  };
  if (finished.has_row) {
    MRUN_TRY(bind_end(m_end).run());
    if (m_connection.changes() == 1) return true;
  }
  bind_end(m_insert_ended)
      .bind(12, std::string_view(prediction.model))
      .bind(13, std::string_view(prediction.version))
      .bind(14, prediction.created_ns)
      .bind(15, prediction.deadline_ns)
      .bind(16, std::string_view(canonical_json(prediction.input)))
      .bind(17, std::string_view(encode_tags(prediction.tags)));
  MRUN_TRY(m_insert_ended.run());
  return m_connection.changes() == 1;
}

Result<void> WriterDatabase::add_outputs(const FinishedPrediction& finished) {
  for (std::size_t i = 0; i < finished.outputs.size(); ++i) {
    const StoredOutput& output = finished.outputs[i];
    m_output.bind(1, std::string_view(finished.prediction->id))
        .bind(2, static_cast<std::int64_t>(i))
        .bind(3, std::string_view(output.digest.hex()))
        .bind(4, std::string_view(output.media_type))
        .bind(5, std::string_view(output.name))
        .bind(6, static_cast<std::int64_t>(output.size_bytes));
    MRUN_TRY(m_output.run());
  }
  return {};
}

namespace {

// The columns from amount_pico on; what is not known is null.
void bind_charges(Statement& ledger, const Charge& own, const Charge& reference) {
  const auto known = [](bool is_known, std::int64_t value) {
    return is_known ? std::optional(value) : std::nullopt;
  };
  const auto bind = [&](int first, const Charge& charge, bool is_reference) {
    int column = first;
    const auto add = [&](const auto& value) { ledger.bind(column++, value); };
    add(charge.amount ? std::optional(charge.amount->pico()) : std::nullopt);
    add(std::string_view(charge.currency));
    add(known(!charge.per.empty(), charge.rate.pico()));
    add(std::string_view(charge.per));
    add(known(charge.amount && !charge.per.empty(), charge.billed_ns));
    if (is_reference) add(known(!charge.per.empty(), charge.granularity_ns));
    add(std::string_view(charge.formula));
    add(std::string_view(charge.reason));
    return column;
  };
  const int reference_column = bind(17, own, false);
  const int column = bind(reference_column, reference, true);
  ledger.bind(column, std::string_view(reference.provider))
      .bind(column + 1, std::string_view(reference.sku))
      .bind(column + 2, std::string_view(reference.product))
      .bind(column + 3, std::string_view(reference.source))
      .bind(column + 4, std::string_view(reference.read_on));
}

} // namespace

Result<void> WriterDatabase::add_ledger(const FinishedPrediction& finished) {
  const LedgerRow& row = finished.ledger;
  const Prediction& prediction = *finished.prediction;
  m_ledger.bind(1, std::string_view(prediction.id))
      .bind(2, ledger_kind_name(LedgerKind::prediction))
      .bind(3, status_name(prediction.status))
      .bind(4, prediction.completed_ns.value_or(0))
      .bind(5, prediction.started_ns)
      .bind(6, std::string_view(prediction.model))
      .bind(7, std::string_view(prediction.version))
      .bind(8, std::string_view(row.device))
      .bind(9, std::string_view(row.worker))
      .bind(10, std::string_view())
      .bind(11, std::string_view(encode_tags(prediction.tags)))
      .bind(12, std::string_view(row.units))
      .bind(13, std::string_view())
      .bind(14, std::int64_t{finished.cold_start})
      .bind(15, row.predict_ns)
      .bind(16, row.total_ns);
  bind_charges(m_ledger, row.own, row.reference);
  MRUN_TRY(m_ledger.run());
  if (m_connection.changes() == 1) return {};
  return fail(ErrorCode::database, fmt::format("prediction '{}' is billed already", prediction.id));
}

Result<void> WriterDatabase::open_stretch(const OpenStretch& stretch) {
  return m_open_stretch.bind(1, std::string_view(stretch.worker.id))
      .bind(2, ledger_kind_name(stretch.kind))
      .bind(3, std::string_view(stretch.worker.model))
      .bind(4, std::string_view(stretch.worker.version))
      .bind(5, std::string_view(stretch.worker.device))
      .bind(6, std::string_view(stretch.cause))
      .bind(7, stretch.began_ns)
      .run();
}

Result<void> WriterDatabase::end_stretch(const StretchRow& stretch) {
  m_ledger.bind(1, std::string_view(stretch.id))
      .bind(2, ledger_kind_name(stretch.kind))
      .bind(3, std::string_view(stretch.status))
      .bind(4, stretch.at_ns)
      .bind(5, stretch.began_ns)
      .bind(6, std::string_view(stretch.worker.model))
      .bind(7, std::string_view(stretch.worker.version))
      .bind(8, std::string_view(stretch.worker.device))
      .bind(9, std::string_view(stretch.worker.id))
      .bind(10, std::string_view(stretch.cause))
      .bind(11, std::string_view())
      .bind(12, std::string_view())
      .bind(13, std::string_view(stretch.phases))
      .bind_null(14)
      .bind(15, stretch.duration_ns)
      .bind_null(16);
  bind_charges(m_ledger, stretch.own, stretch.reference);
  MRUN_TRY(m_ledger.run());
  return m_close_stretch.bind(1, std::string_view(stretch.worker.id)).run();
}

Result<void> WriterDatabase::add_statistics(const FinishedPrediction& finished) {
  const Prediction& prediction = *finished.prediction;
  m_statistics.bind(1, std::string_view(prediction.version)).bind(2, std::string_view(prediction.model));
  if (prediction.status == PredictionStatus::succeeded) {
    Json sample = {{"at_ns", prediction.completed_ns.value_or(0)}};
    for (const char* key : {"total_time", "predict_time", "phases_ns", "peak_memory_bytes", "device"})
      if (const auto found = prediction.metrics.find(key); found != prediction.metrics.end())
        sample[key] = *found;
    m_statistics.bind(finished.cold_start ? 4 : 3, std::string_view(canonical_json(sample)));
  }
  return m_statistics.run();
}

Result<void> WriterDatabase::insert_file(const UploadedFile& file) {
  return m_insert_file.bind(1, std::string_view(file.id))
      .bind(2, std::string_view(file.name))
      .bind(3, std::string_view(file.media_type))
      .bind(4, static_cast<std::int64_t>(file.size_bytes))
      .bind(5, std::string_view(file.sha256_hex))
      .bind(6, file.created_ns)
      .bind(7, file.expires_ns)
      .run();
}

Result<void> WriterDatabase::remove_file(const std::string& id) {
  return m_remove_file.bind(1, std::string_view(id)).run();
}

Result<void> WriterDatabase::insert_token(const Token& token) {
  return m_insert_token.bind(1, std::string_view(token.name))
      .bind(2, std::string_view(token.hash.hex()))
      .bind(3, scope_name(token.scope))
      .bind(4, token.created_ns)
      .bind(5, token.expires_ns)
      .bind(6, token.last_use_ns)
      .run();
}

Result<void> WriterDatabase::remove_token(const std::string& name) {
  return m_remove_token.bind(1, std::string_view(name)).run();
}

Result<void> WriterDatabase::note_token_use(const Token& token) {
  return m_note_token_use.bind(1, std::string_view(token.name)).bind(2, token.last_use_ns).run();
}

Result<void> WriterDatabase::touch() {
  return m_touch.run();
}

} // namespace mrun
