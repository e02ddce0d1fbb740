#include "runtime/worker/host.h"

#include <algorithm>
#include <cstdlib>

#include "common/clock.h"
#include "common/limits.h"
#include "common/text.h"
#include "runtime/abi_values.h"
#include "runtime/messages.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_phase_messages = 32; // of one load; the daemon takes 64
constexpr std::string_view k_level_names[] = {"error", "warn", "info", "debug"};

Host& host_of(const mrun_host* table) {
  return *static_cast<Host*>(table->impl);
}

std::string_view safe_view(mrun_text text) {
  return text.data == nullptr ? std::string_view() : view(text);
}

// What a module says about a failure, made harmless: one line, and details that keep their line breaks.
Failure failure_of(mrun_text message, mrun_text details) {
  Failure failure;
  failure.message = printable(safe_view(message), k_max_failure_bytes);
  for (const std::string_view line : split(safe_view(details).substr(0, k_max_details_bytes), '\n'))
    failure.details.append(failure.details.empty() ? "" : "\n").append(printable(line, k_max_log_line_bytes));
  return failure;
}

mrun_status host_emit(const mrun_host* host, std::uint64_t request, const mrun_value* value) {
  const auto job = host_of(host).find(request);
  return job == nullptr || value == nullptr ? MRUN_FAILED : job->emit(*value);
}

mrun_status host_metric(const mrun_host* host, std::uint64_t request, mrun_text name, double value) {
  const auto job = host_of(host).find(request);
  return job == nullptr ? MRUN_FAILED : job->metric(name, value);
}

std::int32_t host_cancelled(const mrun_host* host, std::uint64_t request) {
  const auto job = host_of(host).find(request);
  return job == nullptr || job->cancelled() ? 1 : 0;
}

void host_phase(const mrun_host* host, mrun_text name) {
  Phase phase{};
  if (find_phase(safe_view(name), phase)) host_of(host).enter_phase(phase);
}

void* host_allocate(const mrun_host*, std::size_t size, std::size_t alignment) {
  const bool power_of_two = alignment != 0 && (alignment & (alignment - 1)) == 0;
  if (!power_of_two || size > SIZE_MAX - alignment) return nullptr;
  void* memory = nullptr;
  const std::size_t least = std::max(alignment, sizeof(void*));
  return ::posix_memalign(&memory, least, std::max<std::size_t>(size, 1)) == 0 ? memory : nullptr;
}

void host_release(const mrun_host*, void* pointer) {
  // What posix_memalign gave, and the ABI takes back. NOLINTNEXTLINE
  std::free(pointer);
}

int host_cache_dir(const mrun_host* host) {
  return host_of(host).cache_dir_fd();
}

} // namespace

void Host::bind(mrun_host& table) {
  table.log = [](const mrun_host* host, std::uint64_t request, std::int32_t level, mrun_text text) {
    if (request == 0)
      host_of(host).log_worker(level, text);
    else if (const auto job = host_of(host).find(request))
      job->log(level, text);
  };
  table.fail = [](const mrun_host* host, std::uint64_t request, mrun_text message, mrun_text details) {
    if (request == 0)
      host_of(host).fail_load(failure_of(message, details));
    else if (const auto job = host_of(host).find(request))
      job->fail_with(failure_of(message, details));
  };
  table.finish = [](const mrun_host* host, std::uint64_t request, mrun_status status) {
    Host& self = host_of(host);
    const auto job = self.find(request);
    FinishHandler handler;
    {
      const std::scoped_lock lock(self.m_mutex);
      handler = self.m_on_finish;
    }
    if (job != nullptr && handler) handler(job, status);
  };
  table.emit = host_emit;
  table.metric = host_metric;
  table.cancelled = host_cancelled;
  table.phase = host_phase;
  table.allocate = host_allocate;
  table.release = host_release;
  table.cache_dir = host_cache_dir;
}

Host::Host(Sink& sink) : m_sink(sink) {
  m_table.struct_size = sizeof m_table;
  m_table.abi_major = MRUN_ABI_MAJOR;
  m_table.abi_minor = MRUN_ABI_MINOR;
  m_table.impl = this;
  bind(m_table);
}

bool Host::add(const std::shared_ptr<Job>& job) {
  const std::scoped_lock lock(m_mutex);
  return m_jobs.emplace(job->id(), job).second;
}

void Host::remove(std::uint64_t id) {
  const std::scoped_lock lock(m_mutex);
  m_jobs.erase(id);
}

std::shared_ptr<Job> Host::find(std::uint64_t id) const {
  const std::scoped_lock lock(m_mutex);
  const auto found = m_jobs.find(id);
  return found == m_jobs.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<Job>> Host::jobs() const {
  const std::scoped_lock lock(m_mutex);
  std::vector<std::shared_ptr<Job>> out;
  for (const auto& [id, job] : m_jobs)
    out.push_back(job);
  return out;
}

void Host::set_finish_handler(FinishHandler handler) {
  const std::scoped_lock lock(m_mutex);
  m_on_finish = std::move(handler);
}

void Host::begin_load(UniqueFd cache_dir) {
  m_cache_dir = std::move(cache_dir);
  const std::scoped_lock lock(m_mutex);
  m_loading = true;
  m_phase = Phase::other;
  m_phase_start_ns = system_clock().monotonic_ns();
}

void Host::close_phase(std::int64_t now_ns) {
  m_phases[m_phase] += now_ns - m_phase_start_ns;
  m_phase_start_ns = now_ns;
}

void Host::enter_phase(Phase phase) {
  const std::int64_t now_ns = system_clock().monotonic_ns();
  const std::scoped_lock lock(m_mutex);
  if (!m_loading || phase == m_phase) return;
  close_phase(now_ns);
  m_phase = phase;
  if (++m_phase_messages > k_max_phase_messages) return; // a module may go to and fro as it likes
  (void)m_sink.send(phase_message(k_phase_names[static_cast<std::size_t>(phase)], now_ns), {}); // only news
}

Phases Host::end_load() {
  const std::scoped_lock lock(m_mutex);
  close_phase(system_clock().monotonic_ns());
  m_loading = false;
  return m_phases;
}

std::optional<Failure> Host::load_failure() const {
  const std::scoped_lock lock(m_mutex);
  return m_load_failure;
}

void Host::fail_load(Failure failure) {
  const std::scoped_lock lock(m_mutex);
  m_load_failure = std::move(failure);
}

void Host::log_worker(std::int32_t level, mrun_text text) {
  const std::string_view name =
      k_level_names[std::clamp<std::int32_t>(level, MRUN_LOG_ERROR, MRUN_LOG_DEBUG)];
  (void)m_sink.send(log_message(0, name),
                    printable(safe_view(text), k_max_log_line_bytes)); // lost, not fatal
}

} // namespace mrun
