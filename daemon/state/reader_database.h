// The reading side of the database: a read-only connection of its own, used by one thread (never the io
// thread).
#pragma once

#include <string>
#include <vector>

#include "common/error.h"
#include "common/json.h"
#include "common/limits.h"
#include "daemon/state/records.h"
#include "daemon/state/sqlite.h"

namespace mrun {

// A page of a list ends early when its rows reach this; a single larger row is a page of its own.
inline constexpr std::size_t k_page_bytes = 16 * k_mib;

struct StoredPage {
  std::vector<Prediction> predictions; // newest first
  std::size_t size_bytes = 0;          // of their rows
  std::string next_cursor;             // "" at the end
};

class ReaderDatabase {
 public:
  // The file must have been opened (and migrated) by a WriterDatabase. Errors: database, database_corrupt.
  static Result<ReaderDatabase> open(const std::string& path);

  Result<Prediction> get(const std::string& id); // prediction_not_found
  // `cursor`: "" or a page's next_cursor ("<created_ns>-<id>"). A page ends at `limit` rows, or before
  // the row that takes it over k_page_bytes. Error request_invalid for another text.
  Result<StoredPage> list(const std::string& cursor, std::size_t limit);
  // The event list of an ended prediction, with `done` ({id, status}) last. prediction_not_found.
  Result<std::vector<Event>> events(const std::string& id);
  Result<StoredOutput> output(const std::string& id, std::size_t index); // file_not_found
  Result<std::vector<UploadedFile>> files();                             // all, oldest first
  Result<std::vector<Token>> tokens();                                   // all, by name
  // {version, model, runs, warm, cold}; null for a version that never ran.
  Result<Json> version_stats(const std::string& version);
  Result<Json> run_counts(); // {model: runs}

  // Promise P7, and what else must hold of the ledger (daemon/state/ledger_reader.h).
  Result<void> check_ledger();
  Sqlite& connection() { return m_connection; }

 private:
  Sqlite m_connection;
  Statement m_get, m_list, m_output;
};

} // namespace mrun
