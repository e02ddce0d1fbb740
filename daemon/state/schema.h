// The database's tables and how they came to be: numbered migrations (docs/formats/state.md).
#pragma once

#include <cstdint>
#include <string_view>

#include "common/error.h"
#include "daemon/state/sqlite.h"

namespace mrun {

// The newest schema that this build knows.
std::int64_t newest_schema();
// Brings the database to the newest schema, all steps in one transaction. `last_step` cuts it short, for
// tests. Errors: database_newer, database_corrupt (it holds tables of another program), disk_full, database.
Result<void> migrate(Sqlite& database, std::int64_t last_step = newest_schema());

} // namespace mrun
