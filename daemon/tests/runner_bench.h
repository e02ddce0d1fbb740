// For runner tests: a runner over real workers with the echo engine, in a folder of its own, on an io context
// that runs until something has happened (or a generous limit has passed: then the test fails).
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "daemon/runner/runner.h"

namespace mrun {

struct Heard {
  int started = 0;
  std::vector<Phase> phases;
  std::vector<RunOutput> outputs; // files: text holds their content
  std::vector<std::string> logs;
  std::map<std::string, double> metrics;
  std::vector<RunOutcome> ends; // exactly one, in the end
  bool broke_order = false;     // something came before the start or after the end

  const RunOutcome& end() const { return ends.front(); }
};

class RunnerBench : public RunListener {
 public:
  explicit RunnerBench(const std::function<void(RunnerConfig&)>& change = {});
  ~RunnerBench() override;

  Manifest manifest(const std::string& misbehave = "");
  std::shared_ptr<const Bundle>
  bundle(Manifest manifest); // shared as in RunRequest; another digest each time
  RunRequest request(std::shared_ptr<const Bundle> bundle, const std::string& misbehave = "",
                     std::string text = "hi");
  // Submits; the test fails if it is refused.
  RunKey run(const std::shared_ptr<const Bundle>& bundle, const std::string& misbehave = "");
  const RunOutcome& run_to_end(const std::shared_ptr<const Bundle>& bundle,
                               const std::string& misbehave = "");
  const RunOutcome& wait_end(RunKey key);
  void until(const std::function<bool()>& condition, std::chrono::seconds limit = std::chrono::seconds(60));
  int worker_pid() const; // of the first worker; 0: none

  void on_phase(RunKey key, Phase phase) override;
  void on_started(RunKey key) override;
  void on_output(RunKey key, RunOutput output) override;
  void on_log(RunKey key, std::string_view level, std::string_view text) override;
  void on_metric(RunKey key, const std::string& name, double value) override;
  void on_done(RunKey key, RunOutcome outcome) override;

  std::filesystem::path folder;
  boost::asio::io_context io;
  std::unique_ptr<Store> store;
  std::unique_ptr<Runner> runner;
  std::map<RunKey, Heard> heard;
  RunKey next_key = 1;

 private:
  Heard& note(RunKey key);
  std::uint8_t m_next_bundle = 1;
};

bool is_alive(int pid);                 // a zombie isn't
std::size_t living_in_group(int group); // processes
std::size_t open_descriptors();         // of this process

} // namespace mrun
