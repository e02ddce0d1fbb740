#include "cli/doctor/checks.h"

#include <chrono>

#include "cli/client/daemon_client.h"
#include "cli/client/daemon_description.h"

namespace mrun::cli {
namespace {

constexpr std::chrono::seconds k_status_wait{3};

} // namespace

std::string_view check_state_name(CheckState state) {
  switch (state) {
  case CheckState::ok:
    return "ok";
  case CheckState::warning:
    return "warning";
  case CheckState::failed:
    return "failed";
  }
  return "failed";
}

DoctorFacts gather_facts(const Context& context, HomePaths home, InstallPaths install) {
  DoctorFacts facts{std::move(home), std::move(install), nullptr, nullptr, false};
  const auto description = daemon_description(context);
  facts.description = description ? *description : Json{{"error", description.error().message}};
  auto client = DaemonClient::connect(context, Start::never);
  if (client) {
    const auto status = client->get("/mrun/v1/status", std::chrono::steady_clock::now() + k_status_wait);
    if (status) facts.status = *status;
    facts.daemon_hangs = !status;
  }
  return facts;
}

std::vector<Check> run_checks(const DoctorFacts& facts) {
  return {check_build(facts),    check_home(facts),   check_config(facts),  check_store(facts),
          check_database(facts), check_socket(facts), check_daemon(facts),  check_torch(facts),
          check_gpu(facts),      check_limits(facts), check_sandbox(facts), check_clock(facts)};
}

} // namespace mrun::cli
