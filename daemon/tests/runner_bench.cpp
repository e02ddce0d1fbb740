#include "daemon/tests/runner_bench.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <doctest/doctest.h>

namespace mrun {

RunnerBench::RunnerBench(const std::function<void(RunnerConfig&)>& change) {
  std::string pattern = (std::filesystem::temp_directory_path() / "mrun-runner-XXXXXX").string();
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  folder = pattern;
  auto opened = Store::open(folder / "store");
  REQUIRE(opened);
  store = std::make_unique<Store>(std::move(*opened));
  RunnerConfig config;
  config.install.prefix = MRUN_TEST_PREFIX;
  config.log_folder = folder / "logs";
  config.cache_folder = folder / "cache";
  config.memory_budget_bytes = std::uint64_t{4} << 30;
  config.core_tokens = 2;
  config.use_zygote = false;
  config.cancel_grace = std::chrono::milliseconds(300);
  if (change) change(config);
  runner = std::make_unique<Runner>(io, config, *store, *this);
}

RunnerBench::~RunnerBench() {
  runner.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

Manifest RunnerBench::manifest(const std::string& misbehave) {
  Manifest manifest;
  manifest.name = "test/echo";
  manifest.engine = "echo";
  manifest.output.type = ValueType::string;
  InputSpec text;
  text.name = "text";
  text.type.type = ValueType::string;
  manifest.inputs.push_back(text);
  manifest.memory_mib = 64;
  if (!misbehave.empty()) manifest.engine_options = {{"misbehave", misbehave}};
  return manifest;
}

std::shared_ptr<const Bundle> RunnerBench::bundle(Manifest manifest) {
  Digest::Bytes bytes{};
  bytes[0] = m_next_bundle++;
  auto bundle = std::make_shared<Bundle>();
  bundle->digest = Digest(bytes);
  bundle->manifest = std::move(manifest);
  return bundle;
}

RunRequest RunnerBench::request(std::shared_ptr<const Bundle> bundle, const std::string& misbehave,
                                std::string text) {
  RunRequest request;
  request.key = next_key++;
  request.bundle = std::move(bundle);
  request.input = {{"text", std::move(text)}};
  if (!misbehave.empty()) request.input["misbehave"] = misbehave;
  return request;
}

RunKey RunnerBench::run(const std::shared_ptr<const Bundle>& bundle, const std::string& misbehave) {
  RunRequest run = request(bundle, misbehave);
  const RunKey key = run.key;
  const auto accepted = runner->submit(std::move(run));
  if (!accepted) FAIL(accepted.error().message);
  CHECK(heard[key].ends.empty()); // never from inside of submit
  return key;
}

const RunOutcome& RunnerBench::wait_end(RunKey key) {
  until([&] { return !heard[key].ends.empty(); });
  CHECK(heard[key].ends.size() == 1);
  CHECK_FALSE(heard[key].broke_order);
  return heard[key].end();
}

const RunOutcome& RunnerBench::run_to_end(const std::shared_ptr<const Bundle>& bundle,
                                          const std::string& misbehave) {
  return wait_end(run(bundle, misbehave));
}

void RunnerBench::until(const std::function<bool()>& condition, std::chrono::seconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    io.restart();
    io.run_one_until(end);
    if (std::chrono::steady_clock::now() >= end) FAIL("it did not happen in time");
  }
}

int RunnerBench::worker_pid() const {
  const auto workers = runner->workers();
  return workers.empty() ? 0 : workers.front().pid;
}

Heard& RunnerBench::note(RunKey key) {
  Heard& of_key = heard[key];
  of_key.broke_order = of_key.broke_order || !of_key.ends.empty();
  return of_key;
}
void RunnerBench::on_phase(RunKey key, Phase phase) {
  note(key).phases.push_back(phase);
}
void RunnerBench::on_started(RunKey key) {
  ++note(key).started;
}
void RunnerBench::on_output(RunKey key, RunOutput output) {
  Heard& of_key = note(key);
  of_key.broke_order = of_key.broke_order || of_key.started != 1;
  if (output.kind == RunOutput::Kind::file) output.text = std::string(output.bytes());
  of_key.outputs.push_back(std::move(output));
}
void RunnerBench::on_log(RunKey key, std::string_view, std::string_view text) {
  note(key).logs.emplace_back(text);
}
void RunnerBench::on_metric(RunKey key, const std::string& name, double value) {
  note(key).metrics[name] = value;
}
void RunnerBench::on_done(RunKey key, RunOutcome outcome) {
  note(key).ends.push_back(std::move(outcome));
}

namespace {

// State and process group of /proc/PID/stat: "PID (name) S ppid pgrp …".
bool read_stat(const std::filesystem::path& folder, char& process_state, int& group) {
  std::ifstream file(folder / "stat");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const std::size_t end = text.rfind(')');
  if (end == std::string::npos) return false;
  int parent = 0;
  return std::sscanf(text.c_str() + end + 1, " %c %d %d", &process_state, &parent, &group) == 3;
}

} // namespace

bool is_alive(int pid) {
  char process_state = 'Z';
  int group = 0;
  return read_stat("/proc/" + std::to_string(pid), process_state, group) && process_state != 'Z' &&
         process_state != 'X';
}

std::size_t living_in_group(int group) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    char process_state = 'Z';
    int of_process = 0;
    if (entry.path().filename().string().find_first_not_of("0123456789") != std::string::npos)
      continue; // no process
    if (read_stat(entry.path(), process_state, of_process) && of_process == group && process_state != 'Z')
      ++count;
  }
  return count;
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    ++count;
  return count;
}

} // namespace mrun
