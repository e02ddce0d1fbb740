// The writing side of the database: prepared statements over one connection, used by one thread. The caller
// begins and ends transactions (daemon/state/writer.h); every method is part of one.
#pragma once

#include <string>
#include <vector>

#include "common/error.h"
#include "daemon/state/records.h"
#include "daemon/state/sqlite.h"

namespace mrun {

class WriterDatabase {
 public:
  // Opens or creates the file (mode 0600), checks it after an unclean stop, migrates it, and marks it as in
  // use. Errors: database_newer, database_corrupt (names the file and the way out), disk_full, database.
  static Result<WriterDatabase> open(const std::string& path, std::string_view build);

  // Every prediction that has not ended becomes failed with `interrupted` and gets its ledger row: what had
  // started costs an unknown amount, the rest nothing. Every stretch of a worker that was open gets a line
  // whose length and cost are unknown. All in one durable transaction. Returns how many predictions. Called
  // once, at start, before any other use.
  Result<std::size_t> fail_interrupted(std::int64_t wall_ns);
  // Notes that this was a clean stop, and empties the write-ahead log.
  Result<void> close_cleanly();

  Result<void> begin(); // a transaction
  Result<void> commit();

  Result<void> insert(const Prediction& prediction, bool durable);
  // Makes a row that is there durable by changing it (a batch without a change would not be synced). Error
  // database when there is none: an earlier write of it failed.
  Result<void> mark_durable(const std::string& id);
  // The model has begun with it. Nothing where there is no open row of that id.
  Result<void> mark_started(const std::string& id, std::int64_t wall_ns);
  // Ends a prediction: its row (made if it was never there), outputs, ledger and statistics. A prediction
  // that has ended already is left as it is: the first end stands, and the ledger keeps one row.
  Result<void> finish(const FinishedPrediction& finished);
  // A stretch of a worker begins: what was open of that worker, and older, gives way.
  Result<void> open_stretch(const OpenStretch& stretch);
  // It has ended: its line is written (once), and it is open no more.
  Result<void> end_stretch(const StretchRow& stretch);

  Result<void> insert_file(const UploadedFile& file);
  Result<void> remove_file(const std::string& id);
  Result<void> insert_token(const Token& token);
  Result<void> remove_token(const std::string& name);
  Result<void> note_token_use(const Token& token); // its last_use_ns
  Result<void> touch(); // a write that changes nothing that matters: does the disk work again?

  Sqlite& connection() { return m_connection; }

 private:
  Result<void> prepare();
  Result<bool> end_row(const FinishedPrediction& finished);
  Result<void> add_outputs(const FinishedPrediction& finished);
  Result<void> add_ledger(const FinishedPrediction& finished);
  Result<void> end_open_stretches(std::int64_t wall_ns);
  Result<void> add_statistics(const FinishedPrediction& finished);

  Sqlite m_connection;
  Statement m_begin, m_commit, m_insert, m_mark_durable, m_mark_started, m_end, m_insert_ended, m_output,
      m_ledger, m_statistics, m_insert_file, m_remove_file, m_insert_token, m_remove_token, m_note_token_use,
      m_touch, m_open_stretch, m_close_stretch;
};

} // namespace mrun
