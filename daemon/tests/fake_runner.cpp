#include "daemon/tests/fake_runner.h"

namespace mrun {
namespace {

testing::FakeRunner* g_current = nullptr; // tests run one service at a time, on one thread

} // namespace

struct Runner::Impl {
  testing::FakeRunner fake;
};

Runner::Runner(boost::asio::io_context&, RunnerConfig config, Store&, RunListener& listener, const Clock&)
    : m_impl(std::make_unique<Impl>()) {
  m_impl->fake.listener = &listener;
  m_impl->fake.config = std::move(config);
  g_current = &m_impl->fake;
}
Runner::~Runner() {
  g_current = nullptr;
}

Result<void> Runner::submit(RunRequest request) {
  testing::FakeRunner& fake = m_impl->fake;
  if (fake.refusal) return tl::unexpected(*std::exchange(fake.refusal, std::nullopt));
  const RunKey key = request.key;
  fake.submitted.push_back(key);
  fake.requests[key] = std::move(request);
  return {};
}
Result<RunPlan> Runner::plan(const Bundle&, const std::string& device) const {
  if (m_impl->fake.refusal) return tl::unexpected(*m_impl->fake.refusal);
  RunPlan plan = m_impl->fake.planned;
  plan.device = device == "auto" ? "cpu" : device;
  return plan;
}
void Runner::cancel(RunKey key) {
  m_impl->fake.cancelled.push_back(key);
}
void Runner::stop_model(const Digest&, bool, std::function<void(std::size_t)> done) {
  done(1);
}
void Runner::drain(std::chrono::milliseconds, std::function<void()> done) {
  m_impl->fake.drain_done = std::move(done);
}
void Runner::prepare_zygote() {
  m_impl->fake.prepared = true;
}
std::vector<WorkerStatus> Runner::workers() const {
  return {};
}
std::optional<int> Runner::zygote_pid() const {
  return std::nullopt;
}
bool Runner::zygote_is_ready() const {
  return false;
}
std::size_t Runner::active() const {
  return m_impl->fake.requests.size();
}

namespace testing {

FakeRunner& fake_runner() {
  MRUN_CHECK(g_current != nullptr);
  return *g_current;
}

RunOutcome FakeRunner::success() {
  RunOutcome outcome;
  outcome.status = PredictionStatus::succeeded;
  outcome.phases[Phase::predict] = outcome.machine_ns = outcome.worker_ns = 5'000'000;
  outcome.worker_pid = 77;
  outcome.peak_memory_bytes = 1'000'000;
  return outcome;
}

RunOutcome FakeRunner::failure(PredictionStatus status, ErrorCode code, const std::string& message) {
  RunOutcome outcome = success();
  outcome.status = status;
  outcome.error = fail(code, message).value();
  return outcome;
}

void FakeRunner::end(RunKey key, RunOutcome outcome) {
  MRUN_CHECK(requests.erase(key) == 1);
  listener->on_done(key, std::move(outcome));
}

} // namespace testing
} // namespace mrun
