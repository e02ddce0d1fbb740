// Random lives of the scheduler: thousands of events from a seed, the invariants after every step, and an end
// to everything once events stop.
#include <map>
#include <random>
#include <set>

#include "daemon/tests/scheduler_bench.h"

using namespace mrun;
using namespace mrun::sched;

namespace {

constexpr int k_models = 6;

// What the world outside knows: processes that load, run, ignore what they are told, and die.
struct Process {
  ModelId model = 0;
  bool is_loading = true;
  bool was_killed = false;
  bool was_told_to_end = false;
  bool is_gone = false;
  std::set<RunKey> running;
};

class World {
 public:
  explicit World(std::uint64_t seed) : m_random(seed) {
    State& state = m_bench.state;
    state.config.memory_budget_bytes = 100;
    state.config.core_tokens = 1 + static_cast<int>(below(4));
    state.config.max_queue = 1 + below(8);
    state.config.idle_unload = std::chrono::seconds(below(2) * 20);
    for (ModelId id = 1; id <= k_models; ++id) {
      ModelTraits traits;
      traits.name = "acme/m" + std::to_string(id);
      traits.memory_bytes = 5 + below(60);
      traits.concurrency = 1 + static_cast<int>(below(3));
      traits.threads = static_cast<int>(below(6));
      traits.instances = 1 + static_cast<int>(below(3));
      m_traits[id] = traits;
    }
  }

  void live(int events) {
    for (int i = 0; i < events; ++i) {
      m_bench.now_ns += static_cast<std::int64_t>(below(400'000'000));
      random_event();
    }
  }

  // Users are gone; processes do what they should at last. Everything must come to an end.
  void settle() {
    for (int round = 0; round < 3000 && m_bench.state.active() > 0; ++round) {
      if (m_processes.empty() || below(4) == 0)
        to_next_wakeup();
      else
        process_event(true);
    }
    REQUIRE(m_bench.state.active() == 0);
    REQUIRE(m_accepted.empty());
    REQUIRE(m_bench.state.waiting.empty());
    feed(Drain{m_bench.now_ns + k_second});
    for (int round = 0; round < 1000 && !m_processes.empty(); ++round) {
      to_next_wakeup();
      if (!m_processes.empty()) process_event(true);
    }
    REQUIRE(m_processes.empty());
    REQUIRE(m_drained == 1);
    REQUIRE(m_bench.state.runs.empty());
    REQUIRE(m_bench.state.used_bytes == 0);
    REQUIRE(m_bench.state.used_tokens == 0);
    REQUIRE(m_bench.state.stops.empty());
    REQUIRE(m_stops_open.empty());
  }

  std::size_t finished() const { return m_finished.size(); }
  std::size_t succeeded() const { return m_succeeded; }

 private:
  std::uint64_t below(std::uint64_t limit) { return m_random() % limit; }

  template<class What>
  void feed(What what) {
    m_bench.on(std::move(what));
    const std::vector<Action> actions = m_bench.actions;
    for (const Action& action : actions)
      std::visit([this](const auto& done) { apply(done); }, action);
    check();
  }

  void random_event() {
    const std::uint64_t dice = below(100);
    if (dice < 35)
      submit();
    else if (dice < 45)
      feed(Cancel{1 + below(m_next_key)});
    else if (dice < 55)
      feed(Tick{});
    else if (dice < 58)
      to_next_wakeup();
    else if (dice < 61)
      stop(below(2) == 0);
    else if (!m_processes.empty())
      process_event(false);
  }

  void submit() {
    const ModelId model = 1 + below(k_models);
    const std::int64_t deadline =
        below(4) == 0 ? m_bench.now_ns + static_cast<std::int64_t>(below(20)) * k_second - k_second : 0;
    const RunKey key = m_next_key++;
    m_submitting = key;
    m_accepted.insert(key);
    m_model_of[key] = model;
    feed(Submit{key, model, m_traits.at(model), deadline});
  }

  void stop(bool force) {
    const std::uint64_t token = m_next_token++;
    m_stops_open.insert(token);
    feed(StopModel{{1 + below(k_models), 1 + below(k_models)}, force, token});
  }

  void to_next_wakeup() {
    if (const auto next = next_wakeup_ns(m_bench.state))
      m_bench.now_ns = std::max(m_bench.now_ns, *next);
    else
      m_bench.now_ns += k_second;
    feed(Tick{});
  }

  void process_event(bool behaves) {
    auto place = m_processes.begin();
    std::advance(place, static_cast<long>(below(m_processes.size())));
    const WorkerId id = place->first;
    Process& process = place->second;
    const std::uint64_t dice = behaves ? below(60) : below(100);
    if (process.was_killed || (process.was_told_to_end && dice < 50)) return end_process(id);
    if (process.is_loading && dice < 60) {
      process.is_loading = false;
      return feed(Loaded{id, below(80)});
    }
    if (!process.running.empty() && dice < 85) return end_prediction(id, process);
    if (dice == 90 && process.is_loading) return feed(LoadFailed{id, some_error()});
    if (dice == 91) return break_process(id);
    if (dice >= 95) end_process(id);
  }

  // What is due happens before an event is looked at, so the scheduler may still speak to what has just
  // ended.
  void end_process(WorkerId id) {
    Process& process = m_processes.at(id);
    process.is_gone = true;
    std::vector<RunKey> not_started;
    for (const RunKey key : process.running)
      if (below(3) == 0) not_started.push_back(key);
    feed(WorkerEnded{id, some_error(), not_started});
    m_processes.erase(id);
  }

  void break_process(WorkerId id) {
    m_processes.at(id).running.clear(); // nothing it says is heard any more
    feed(WorkerBroken{id, some_error(ErrorCode::worker_protocol)});
  }

  void end_prediction(WorkerId id, Process& process) {
    const RunKey key = *process.running.begin();
    process.running.erase(key);
    m_ending = key;
    const auto status = static_cast<PredictionStatus>(static_cast<int>(PredictionStatus::succeeded) +
                                                      static_cast<int>(below(3)));
    feed(PredictionEnded{key, id, status, below(20) != 0, below(100)});
  }

  // ---- what the scheduler wants
  void apply(const Refuse& action) {
    REQUIRE(action.key == m_submitting);
    REQUIRE(m_accepted.erase(action.key) == 1);
  }
  void apply(const StartWorker& action) {
    REQUIRE_FALSE(m_processes.contains(action.worker));
    const auto others = std::ranges::count_if(m_processes, [&](const auto& entry) {
      return !entry.second.is_gone && entry.second.model == action.model;
    });
    REQUIRE(others < m_traits.at(action.model).instances);
    m_processes[action.worker].model = action.model;
    m_started = true;
    if (below(30) == 0) {
      m_processes.erase(action.worker);
      m_not_spawned.push_back(action.worker);
    }
  }
  void apply(const Dispatch& action) {
    Process& process = m_processes.at(action.worker);
    REQUIRE_FALSE(process.is_gone);
    REQUIRE(m_accepted.contains(action.key));
    REQUIRE(process.model == m_model_of.at(action.key));
    REQUIRE_FALSE(process.is_loading);
    REQUIRE_FALSE(process.was_told_to_end);
    REQUIRE(process.running.insert(action.key).second);
    REQUIRE(process.running.size() <= static_cast<std::size_t>(m_traits.at(process.model).concurrency));
  }
  void apply(const SendCancel& action) {
    REQUIRE((action.key == m_ending || m_processes.at(action.worker).running.contains(action.key)));
  }
  void apply(const EndWorker& action) {
    Process& process = m_processes.at(action.worker);
    if (action.mode == EndMode::exit)
      REQUIRE(process.running.empty()); // evicted, stopped or drained: never while busy
    if (action.mode == EndMode::terminate)
      for (const RunKey key : process.running)
        REQUIRE(m_finished.contains(key));
    process.was_told_to_end = true;
    process.was_killed = process.was_killed || action.mode == EndMode::kill;
  }
  void apply(const Finish& action) {
    REQUIRE(m_accepted.erase(action.key) == 1); // exactly once
    REQUIRE(m_finished.insert(action.key).second);
    REQUIRE(is_terminal(action.status));
    if (!action.as_reported) REQUIRE(action.error.has_value());
    m_succeeded += action.as_reported ? 1 : 0;
  }
  void apply(const StopDone& action) { REQUIRE(m_stops_open.erase(action.token) == 1); }
  void apply(const DrainDone&) { ++m_drained; }

  void check() {
    const State& state = m_bench.state;
    std::uint64_t bytes = 0;
    int tokens = 0;
    std::size_t abandoned = 0, running = 0;
    for (const auto& [id, worker] : state.workers) {
      bytes += worker.reserved_bytes;
      running += worker.running.size();
      REQUIRE(std::ranges::count(state.models.at(worker.model).workers, id) == 1);
    }
    for (const auto& [key, run] : state.runs) {
      abandoned += run.state == RunState::abandoned ? 1 : 0;
      REQUIRE((run.state == RunState::queued) == (run.worker == 0));
      REQUIRE(m_accepted.contains(key) == (run.state != RunState::abandoned));
      if (run.state != RunState::queued)
        tokens += std::min(m_traits.at(run.model).threads, state.config.core_tokens);
    }
    REQUIRE(bytes == state.used_bytes);
    if (std::exchange(m_started, false)) REQUIRE(bytes <= state.config.memory_budget_bytes);
    REQUIRE(tokens == state.used_tokens);
    REQUIRE(tokens <= state.config.core_tokens);
    REQUIRE(abandoned == state.abandoned);
    for (const auto& [id, model] : state.models) {
      const auto requeued = static_cast<std::size_t>(std::ranges::count_if(
          model.queue, [&](const auto& entry) { return state.runs.at(entry.second).was_requeued; }));
      REQUIRE(model.queue.size() - requeued <= state.config.max_queue);
      REQUIRE(model.queue.empty() != state.waiting.contains(id));
    }
    REQUIRE(state.active() == m_accepted.size());
    const auto unspawned = std::exchange(m_not_spawned, {});
    for (const WorkerId id : unspawned)
      feed(SpawnFailed{id, some_error(ErrorCode::resources)});
  }

  Bench m_bench;
  std::mt19937_64 m_random;
  std::map<ModelId, ModelTraits> m_traits;
  std::map<WorkerId, Process> m_processes;
  std::set<RunKey> m_accepted; // and not finished
  std::set<RunKey> m_finished;
  std::map<RunKey, ModelId> m_model_of;
  std::set<std::uint64_t> m_stops_open;
  std::vector<WorkerId> m_not_spawned;
  RunKey m_next_key = 1, m_submitting = 0, m_ending = 0;
  std::uint64_t m_next_token = 1;
  std::size_t m_succeeded = 0;
  int m_drained = 0;
  bool m_started = false;
};

} // namespace

TEST_CASE("random lives keep the invariants and come to an end") {
  std::size_t finished = 0, succeeded = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    World world(seed);
    world.live(400);
    world.settle();
    finished += world.finished();
    succeeded += world.succeeded();
  }
  CHECK(finished > 10'000);
  CHECK(succeeded > 1'000);
}

TEST_CASE("the same seed gives the same life") {
  World first(42), second(42);
  first.live(300);
  second.live(300);
  CHECK(first.finished() == second.finished());
  CHECK(first.succeeded() == second.succeeded());
}
