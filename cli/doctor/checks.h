// What `mrun doctor` looks at. A check says what it found; one that failed says the way out, and some can go
// it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "common/error.h"
#include "common/json.h"
#include "common/paths.h"

namespace mrun::cli {

enum class CheckState { ok, warning, failed };

struct Check {
  std::string id; // "torch"
  CheckState state = CheckState::ok;
  std::string says = {}; // one line
  std::string help = {}; // the next command; "" when there is nothing to do
  // Of --fix; empty when only its owner can mend it. What is ok may have one too: left-overs, missing
  // folders.
  std::function<Result<void>()> repair = {};
  bool was_repaired = false;
};

std::string_view check_state_name(CheckState state);

// What the checks go by, gathered once.
struct DoctorFacts {
  HomePaths home;
  InstallPaths install;
  Json description; // mrun.describe/v1, or an object with `error`
  Json status;      // the daemon's, null when none runs
  bool daemon_hangs = false;
};
DoctorFacts gather_facts(const Context& context, HomePaths home, InstallPaths install);

// In the order in which they are shown.
std::vector<Check> run_checks(const DoctorFacts& facts);

// machine_checks.cpp
Check check_build(const DoctorFacts& facts);
Check check_torch(const DoctorFacts& facts);
Check check_gpu(const DoctorFacts& facts);
Check check_limits(const DoctorFacts& facts);
Check check_sandbox(const DoctorFacts& facts);
Check check_clock(const DoctorFacts& facts);
// home_checks.cpp
Check check_home(const DoctorFacts& facts);
Check check_config(const DoctorFacts& facts);
Check check_store(const DoctorFacts& facts);
Check check_database(const DoctorFacts& facts);
Check check_socket(const DoctorFacts& facts);
Check check_daemon(const DoctorFacts& facts);

} // namespace mrun::cli
