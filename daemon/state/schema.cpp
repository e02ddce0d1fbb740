#include "daemon/state/schema.h"

#include <array>

#include <fmt/format.h>
#include <sqlite3.h>

namespace mrun {
namespace {

constexpr std::int64_t k_application_id = 0x6d72756e; // "mrun"

constexpr const char* k_step_1 = R"sql(
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

-- Times: wall clock, ns since 1970.
CREATE TABLE predictions (
  id TEXT NOT NULL UNIQUE,
  model TEXT NOT NULL,
  version TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('starting', 'processing', 'succeeded', 'failed', 'canceled', 'aborted')),
  durable INTEGER NOT NULL,
  created_ns INTEGER NOT NULL,
  started_ns INTEGER,
  completed_ns INTEGER,
  deadline_ns INTEGER,
  input TEXT NOT NULL,
  output TEXT NOT NULL DEFAULT 'null',
  error TEXT,
  logs TEXT NOT NULL DEFAULT '',
  metrics TEXT NOT NULL DEFAULT '{}',
  log_path TEXT NOT NULL DEFAULT '',
  last_log_lines TEXT NOT NULL DEFAULT '[]',
  events TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX predictions_by_time ON predictions (created_ns, id);
CREATE INDEX predictions_open ON predictions (status) WHERE status IN ('starting', 'processing');

CREATE TABLE outputs (
  prediction_id TEXT NOT NULL,
  position INTEGER NOT NULL,
  digest TEXT NOT NULL,
  media_type TEXT NOT NULL,
  name TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  PRIMARY KEY (prediction_id, position)
) WITHOUT ROWID;

-- One row for each prediction that ended, written in the transaction that ended it. Amounts and rates: 10^-12 units.
CREATE TABLE ledger (
  seq INTEGER PRIMARY KEY,
  prediction_id TEXT NOT NULL UNIQUE,
  status TEXT NOT NULL CHECK (status IN ('succeeded', 'failed', 'canceled', 'aborted')),
  at_ns INTEGER NOT NULL,
  device TEXT NOT NULL,
  predict_ns INTEGER NOT NULL,
  amount_pico INTEGER,
  currency TEXT NOT NULL,
  rate_pico INTEGER NOT NULL,
  per TEXT NOT NULL,
  billed_ns INTEGER NOT NULL,
  reason TEXT NOT NULL,
  reference_amount_pico INTEGER,
  reference_currency TEXT NOT NULL,
  reference_rate_pico INTEGER NOT NULL,
  reference_per TEXT NOT NULL,
  reference_billed_ns INTEGER NOT NULL,
  reference_granularity_ns INTEGER NOT NULL,
  reference_reason TEXT NOT NULL,
  provider TEXT NOT NULL,
  sku TEXT NOT NULL,
  source TEXT NOT NULL,
  read_on TEXT NOT NULL
);

CREATE TABLE files (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  created_ns INTEGER NOT NULL,
  expires_ns INTEGER NOT NULL
) WITHOUT ROWID;

-- How often a version ran and what its last warm and last cold success took.
CREATE TABLE versions (
  version TEXT PRIMARY KEY,
  model TEXT NOT NULL,
  runs INTEGER NOT NULL,
  warm TEXT NOT NULL DEFAULT 'null',
  cold TEXT NOT NULL DEFAULT 'null'
) WITHOUT ROWID;
)sql";

// Each commit writes the last page of every table and index, so there are as few as can be. An id begins with
// its time: its order is that of time.
constexpr const char* k_step_2 = R"sql(
DROP INDEX predictions_by_time;

ALTER TABLE ledger RENAME TO old_ledger;
CREATE TABLE ledger (
  prediction_id TEXT PRIMARY KEY,
  status TEXT NOT NULL CHECK (status IN ('succeeded', 'failed', 'canceled', 'aborted')),
  at_ns INTEGER NOT NULL,
  device TEXT NOT NULL,
  predict_ns INTEGER NOT NULL,
  amount_pico INTEGER,
  currency TEXT NOT NULL,
  rate_pico INTEGER NOT NULL,
  per TEXT NOT NULL,
  billed_ns INTEGER NOT NULL,
  reason TEXT NOT NULL,
  reference_amount_pico INTEGER,
  reference_currency TEXT NOT NULL,
  reference_rate_pico INTEGER NOT NULL,
  reference_per TEXT NOT NULL,
  reference_billed_ns INTEGER NOT NULL,
  reference_granularity_ns INTEGER NOT NULL,
  reference_reason TEXT NOT NULL,
  provider TEXT NOT NULL,
  sku TEXT NOT NULL,
  source TEXT NOT NULL,
  read_on TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO ledger
SELECT prediction_id, status, at_ns, device, predict_ns, amount_pico, currency, rate_pico, per, billed_ns, reason,
       reference_amount_pico, reference_currency, reference_rate_pico, reference_per, reference_billed_ns,
       reference_granularity_ns, reference_reason, provider, sku, source, read_on
FROM old_ledger;
DROP TABLE old_ledger;
)sql";

// The ledger holds lines of their own for setup and idle time, and says of every line what it was made of.
// What schema 2 did not note is taken from the predictions, or stays null. `ledger_by_time` is the order of
// pages.
constexpr const char* k_step_3 = R"sql(
ALTER TABLE predictions ADD COLUMN tags TEXT NOT NULL DEFAULT '';

ALTER TABLE ledger RENAME TO old_ledger;
CREATE TABLE ledger (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  status TEXT NOT NULL,
  at_ns INTEGER NOT NULL,
  began_ns INTEGER,
  model TEXT NOT NULL,
  version TEXT NOT NULL,
  device TEXT NOT NULL,
  worker TEXT NOT NULL,
  cause TEXT NOT NULL,
  tags TEXT NOT NULL,
  units TEXT NOT NULL,
  phases TEXT NOT NULL,
  cold INTEGER,
  duration_ns INTEGER,
  total_ns INTEGER,
  amount_pico INTEGER,
  currency TEXT NOT NULL,
  rate_pico INTEGER,
  per TEXT NOT NULL,
  billed_ns INTEGER,
  formula TEXT NOT NULL,
  reason TEXT NOT NULL,
  reference_amount_pico INTEGER,
  reference_currency TEXT NOT NULL,
  reference_rate_pico INTEGER,
  reference_per TEXT NOT NULL,
  reference_billed_ns INTEGER,
  reference_granularity_ns INTEGER,
  reference_formula TEXT NOT NULL,
  reference_reason TEXT NOT NULL,
  provider TEXT NOT NULL,
  sku TEXT NOT NULL,
  product TEXT NOT NULL,
  source TEXT NOT NULL,
  read_on TEXT NOT NULL,
  CHECK ((kind = 'prediction' AND status IN ('succeeded', 'failed', 'canceled', 'aborted'))
      OR (kind = 'setup' AND status IN ('succeeded', 'failed', 'canceled', 'unknown'))
      OR (kind = 'idle' AND status IN ('used', 'unloaded', 'unknown'))),
  -- An unknown amount says why.
  CHECK (amount_pico IS NOT NULL OR reason <> ''),
  CHECK (reference_amount_pico IS NOT NULL OR reference_reason <> '')
) WITHOUT ROWID;
INSERT INTO ledger
SELECT l.prediction_id, 'prediction', l.status, l.at_ns, p.started_ns, p.model, p.version, l.device, '', '', '', '', '',
       json_extract(p.metrics, '$.cold_start'),
       CASE WHEN json_type(p.metrics, '$.predict_time') IS NULL THEN NULL ELSE l.predict_ns END,
       CAST(round(json_extract(p.metrics, '$.total_time') * 1e9) AS INTEGER),
       l.amount_pico, l.currency, CASE WHEN l.per = '' THEN NULL ELSE l.rate_pico END, l.per,
       CASE WHEN l.amount_pico IS NULL THEN NULL ELSE l.billed_ns END,
       CASE WHEN l.per = '' THEN '' ELSE 'rate x predict time' END,
       CASE WHEN l.amount_pico IS NULL AND l.reason = '' THEN 'not noted' ELSE l.reason END,
       l.reference_amount_pico, l.reference_currency, CASE WHEN l.reference_per = '' THEN NULL ELSE l.reference_rate_pico END,
       l.reference_per, CASE WHEN l.reference_amount_pico IS NULL THEN NULL ELSE l.reference_billed_ns END,
       CASE WHEN l.reference_per = '' THEN NULL ELSE l.reference_granularity_ns END,
       coalesce(json_extract(p.metrics, '$.cost_reference.formula'), ''),
       CASE WHEN l.reference_amount_pico IS NULL AND l.reference_reason = '' THEN 'not noted' ELSE l.reference_reason END,
       l.provider, l.sku, CASE WHEN l.provider = '' THEN '' ELSE 'public' END, l.source, l.read_on
FROM old_ledger l JOIN predictions p ON p.id = l.prediction_id;
DROP TABLE old_ledger;
CREATE INDEX ledger_by_time ON ledger (at_ns);

-- What a loaded or loading worker does since when, so that a killed daemon leaves no silent gap.
CREATE TABLE open_stretches (
  worker TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('setup', 'idle')),
  model TEXT NOT NULL,
  version TEXT NOT NULL,
  device TEXT NOT NULL,
  cause TEXT NOT NULL,
  began_ns INTEGER NOT NULL
) WITHOUT ROWID;
)sql";

// Tokens of the TCP door. Of a token's text only the sha256 is kept.
constexpr const char* k_step_4 = R"sql(
CREATE TABLE tokens (
  name TEXT PRIMARY KEY,
  sha256 TEXT NOT NULL UNIQUE,
  scope TEXT NOT NULL CHECK (scope IN ('read', 'predict', 'admin')),
  created_ns INTEGER NOT NULL,
  expires_ns INTEGER,
  last_use_ns INTEGER
) WITHOUT ROWID;
)sql";

// Step n brings schema n-1 to n. A step that has shipped is never edited; a change is a new step.
constexpr std::array<const char*, 4> k_steps = {k_step_1, k_step_2, k_step_3, k_step_4};

Result<void> check_owner(Sqlite& database, std::int64_t schema) {
  MRUN_ASSIGN(const std::int64_t application, database.integer("PRAGMA application_id"));
  if (application == k_application_id) return {};
  MRUN_ASSIGN(const std::int64_t tables, database.integer("SELECT count(*) FROM sqlite_master"));
  if (application == 0 && schema == 0 && tables == 0) return {};
  return fail(
      ErrorCode::database_corrupt,
      fmt::format("{} is a database of another program", sqlite3_db_filename(database.handle(), "main")),
      "move it away and start again");
}

Result<void> apply(Sqlite& database, std::int64_t from, std::int64_t to) {
  for (std::int64_t step = from; step < to; ++step)
    MRUN_TRY(database.execute(k_steps[static_cast<std::size_t>(step)]));
  MRUN_TRY(database.execute(fmt::format("PRAGMA user_version = {}", to).c_str()));
  return database.execute(fmt::format("PRAGMA application_id = {}", k_application_id).c_str());
}

} // namespace

std::int64_t newest_schema() {
  return static_cast<std::int64_t>(k_steps.size());
}

Result<void> migrate(Sqlite& database, std::int64_t last_step) {
  MRUN_ASSIGN(const std::int64_t schema, database.integer("PRAGMA user_version"));
  if (schema > newest_schema())
    return fail(ErrorCode::database_newer,
                fmt::format("{} has schema {}, this mrun knows schemas up to {}",
                            sqlite3_db_filename(database.handle(), "main"), schema, newest_schema()));
  MRUN_TRY(check_owner(database, schema));
  if (schema >= last_step) return {};
  MRUN_TRY(database.execute("BEGIN IMMEDIATE"));
  if (Result<void> applied = apply(database, schema, last_step); !applied) {
    // The first error is the one to tell; a rollback that fails leaves the file to SQLite's own recovery.
    (void)database.execute("ROLLBACK");
    return applied;
  }
  return database.execute("COMMIT");
}

} // namespace mrun
