// The host side of the predictor ABI: the table of functions that a module calls, and the jobs they speak
// about.
//
// One Host per process; its address is in the table, so it never moves. All functions may be called from any
// thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "common/fd.h"
#include "common/phases.h"
#include "runtime/mrun_predictor.h"
#include "runtime/worker/job.h"
#include "runtime/worker/sink.h"

namespace mrun {

class Host {
 public:
  // Called for a predictor with MRUN_FINISHES_LATER, on the module's thread.
  using FinishHandler = std::function<void(const std::shared_ptr<Job>&, mrun_status)>;

  explicit Host(Sink& sink);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  const mrun_host* table() const { return &m_table; }

  // False when a job of that id is there already.
  bool add(const std::shared_ptr<Job>& job);
  void remove(std::uint64_t id);
  std::shared_ptr<Job> find(std::uint64_t id) const; // nullptr: no such job
  std::vector<std::shared_ptr<Job>> jobs() const;
  void set_finish_handler(FinishHandler handler);

  // The load: phases are timed from begin_load to end_load, and each is announced by a `phase` frame.
  void begin_load(UniqueFd cache_dir);
  void enter_phase(Phase phase);
  Phases end_load();
  std::optional<Failure> load_failure() const;
  int cache_dir_fd() const { return m_cache_dir.get(); }

 private:
  void close_phase(std::int64_t now_ns);
  void fail_load(Failure failure);
  void log_worker(std::int32_t level, mrun_text text);
  static void bind(mrun_host& table);

  mrun_host m_table{};
  Sink& m_sink;
  UniqueFd m_cache_dir; // set before the module can ask

  mutable std::mutex m_mutex; // the members below
  std::map<std::uint64_t, std::shared_ptr<Job>> m_jobs;
  FinishHandler m_on_finish;
  bool m_loading = false;
  std::size_t m_phase_messages = 0;
  Phase m_phase = Phase::other;
  std::int64_t m_phase_start_ns = 0;
  Phases m_phases;
  std::optional<Failure> m_load_failure;
};

} // namespace mrun
