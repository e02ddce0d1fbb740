#include "runtime/engines/echo/misbehave.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/text.h"

namespace mrun::echo {
namespace {

constexpr int k_control_fd = 3;
constexpr unsigned k_orphan_seconds = 60; // children of fork_children end themselves then
constexpr Outcome k_go_on{};

// A transparent pixel.
constexpr std::string_view k_png_base64 =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

mrun_text text_of(std::string_view text) {
  return {text.data(), text.size()};
}

mrun_value value_of(std::int32_t kind, std::string_view text) {
  mrun_value value{};
  value.struct_size = sizeof value;
  value.kind = kind;
  value.name = text_of("output");
  value.text = text_of(text);
  return value;
}

mrun_status emit(const Scene& scene, const mrun_value& value) {
  return scene.host->emit(scene.host, scene.request, &value);
}

Outcome ends(mrun_status status) {
  return {false, status};
}

Outcome fails(const Scene& scene, mrun_status status, const std::string& message) {
  scene.host->fail(scene.host, scene.request, text_of(message), text_of("mode of the echo engine"));
  return ends(status);
}

[[noreturn]] void sleep_for_ever() {
  for (;;)
    ::pause();
}

// False when the prediction is to stop.
bool wait(const Scene& scene, std::chrono::microseconds time) {
  std::unique_lock lock(scene.bell.mutex);
  const auto stopped = [&] {
    return scene.request != 0 && scene.host->cancelled(scene.host, scene.request) != 0;
  };
  return !scene.bell.rung.wait_for(lock, time, stopped);
}

// ---- the process dies
// ------------------------------------------------------------------------------------------

Outcome crash(const Scene&, const Order&) {
  ::signal(SIGSEGV, SIG_DFL); // a sanitizer would report it instead
  ::raise(SIGSEGV);
  return k_go_on;
}

Outcome abort_now(const Scene&, const Order&) {
  ::signal(SIGABRT, SIG_DFL);
  std::abort();
}

Outcome exit_now(const Scene&, const Order& order) {
  ::_exit(static_cast<int>(order.number(0, 0)));
}

Outcome killed(const Scene&, const Order&) {
  ::raise(SIGKILL);
  return k_go_on;
}

// ---- it does not end
// -------------------------------------------------------------------------------------------

Outcome hang(const Scene&, const Order&) {
  sleep_for_ever();
}

Outcome hang_hard(const Scene&, const Order&) {
  ::signal(SIGTERM, SIG_IGN);
  sleep_for_ever();
}

Outcome slow(const Scene& scene, const Order& order) {
  return wait(scene, std::chrono::milliseconds(order.number(0, 1000))) ? k_go_on : ends(MRUN_CANCELLED);
}

// ---- known service times, for benchmarks that are measured against the truth
// -------------------------------------------------------------

Outcome after(const Scene& scene, std::chrono::microseconds time) {
  return wait(scene, time) ? k_go_on : ends(MRUN_CANCELLED);
}

// The n-th prediction takes A ms and n times B µs.
Outcome drift(const Scene& scene, const Order& order) {
  return after(scene,
               std::chrono::microseconds(1000 * order.number(0, 10) +
                                         static_cast<std::int64_t>(scene.number) * order.number(1, 100)));
}

// Every A-th prediction waits B ms.
Outcome stall(const Scene& scene, const Order& order) {
  const auto every = static_cast<std::uint64_t>(std::max<std::int64_t>(1, order.number(0, 100)));
  if (scene.number % every != 0) return k_go_on;
  return after(scene, std::chrono::milliseconds(order.number(1, 1000)));
}

// Exponential service times of mean A ms, the same sequence in every worker: -ln(1 - u), u from splitmix64.
Outcome random_slow(const Scene& scene, const Order& order) {
  std::uint64_t mixed = scene.number * 0x9E3779B97F4A7C15U;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9U;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBU;
  mixed ^= mixed >> 31;
  const double uniform = static_cast<double>(mixed >> 11) * 0x1.0p-53;
  const double mean_us = 1000.0 * static_cast<double>(order.number(0, 10));
  return after(scene, std::chrono::microseconds(static_cast<std::int64_t>(-mean_us * std::log1p(-uniform))));
}

// ---- it says no
// ------------------------------------------------------------------------------------------------

Outcome fail_now(const Scene& scene, const Order& order) {
  return fails(scene, MRUN_FAILED, order.text("asked to fail"));
}
Outcome invalid(const Scene& scene, const Order& order) {
  return fails(scene, MRUN_INVALID_INPUT, order.text("asked to refuse the input"));
}
Outcome unsupported(const Scene& scene, const Order& order) {
  return fails(scene, MRUN_UNSUPPORTED, order.text("asked to lack an operator"));
}
Outcome mismatch(const Scene& scene, const Order& order) {
  return fails(scene, MRUN_MISMATCH, order.text("asked to be of another version"));
}
// Every A-th prediction fails.
Outcome fail_every(const Scene& scene, const Order& order) {
  const auto every = static_cast<std::uint64_t>(std::max<std::int64_t>(1, order.number(0, 10)));
  if (scene.number % every != 0) return k_go_on;
  return fails(scene, MRUN_FAILED, "asked to fail now and then");
}
Outcome oom(const Scene& scene, const Order& order) {
  return fails(scene, MRUN_OUT_OF_MEMORY, order.text("asked to run out of memory"));
}
Outcome device_error(const Scene& scene, const Order& order) {
  return fails(scene, MRUN_DEVICE_ERROR, order.text("asked for a device error"));
}
Outcome silent_fail(const Scene&, const Order&) {
  return ends(MRUN_FAILED);
}
Outcome unknown_status(const Scene&, const Order&) {
  return ends(99);
}

// ---- it breaks the frames
// --------------------------------------------------------------------------------------

Outcome garbage_frame(const Scene&, const Order&) {
  constexpr std::string_view junk = "this is not a frame";
  (void)!::write(k_control_fd, junk.data(), junk.size());
  return k_go_on;
}

Outcome close_socket(const Scene&, const Order&) {
  ::shutdown(k_control_fd, SHUT_RDWR);
  sleep_for_ever();
}

// ---- too much
// --------------------------------------------------------------------------------------------------

Outcome leak(const Scene&, const Order& order) {
  const std::size_t size = static_cast<std::size_t>(order.number(0, 64)) << 20;
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory != MAP_FAILED) std::memset(memory, 1, size); // resident
  return k_go_on;
}

Outcome huge_output(const Scene& scene, const Order& order) {
  const std::string bytes(static_cast<std::size_t>(order.number(0, 1 << 20)), 'x');
  return ends(emit(scene, value_of(MRUN_VALUE_TEXT, bytes)));
}

Outcome many_outputs(const Scene& scene, const Order& order) {
  for (std::int64_t i = 0; i < order.number(0, 1000); ++i)
    if (const mrun_status status = emit(scene, value_of(MRUN_VALUE_JSON, std::to_string(i)));
        status != MRUN_OK)
      return ends(status);
  return ends(MRUN_OK);
}

Outcome log_flood(const Scene& scene, const Order& order) {
  for (std::int64_t i = 0; i < order.number(0, 1000); ++i)
    scene.host->log(scene.host, scene.request, MRUN_LOG_INFO,
                    text_of(fmt::format("line {} of the flood", i)));
  return k_go_on;
}

Outcome stdout_noise(const Scene&, const Order& order) {
  for (std::int64_t i = 0; i < order.number(0, 10); ++i) {
    std::printf("noise %lld on stdout\n", static_cast<long long>(i));
    std::fprintf(stderr, "noise %lld on stderr\n", static_cast<long long>(i));
  }
  return k_go_on;
}

// Last words: written, not buffered, since nothing is flushed by a crash.
Outcome noise_crash(const Scene& scene, const Order& order) {
  for (std::int64_t i = 0; i < order.number(0, 10); ++i)
    for (const auto& [fd, name] : {std::pair(STDOUT_FILENO, "stdout"), std::pair(STDERR_FILENO, "stderr")}) {
      const std::string line = fmt::format("last words {} on {}\n", i, name);
      (void)!::write(fd, line.data(), line.size());
    }
  return crash(scene, order);
}

// Children that outlive the worker and keep its control socket open, unless somebody ends the whole group.
Outcome fork_children(const Scene&, const Order& order) {
  for (std::int64_t i = 0; i < order.number(0, 1); ++i)
    if (::fork() == 0) {
      ::alarm(k_orphan_seconds);
      sleep_for_ever();
    }
  return k_go_on;
}

// ---- other outputs
// ---------------------------------------------------------------------------------------------

Outcome stream(const Scene& scene, const Order& order) {
  for (std::int64_t i = 0; i < order.number(0, 5); ++i) {
    if (i > 0 && !wait(scene, std::chrono::milliseconds(order.number(1, 0)))) return ends(MRUN_CANCELLED);
    const std::string chunk = fmt::format("chunk {} ", i);
    if (const mrun_status status = emit(scene, value_of(MRUN_VALUE_TEXT, chunk)); status != MRUN_OK)
      return ends(status);
  }
  return ends(MRUN_OK);
}

Outcome file(const Scene& scene, const Order& order) {
  std::string bytes;
  base64_decode(k_png_base64, bytes);
  const std::size_t size = static_cast<std::size_t>(order.number(0, static_cast<std::int64_t>(bytes.size())));
  bytes.resize(std::max(size, bytes.size()), '\0'); // what follows a PNG's end is ignored
  mrun_value value = value_of(MRUN_VALUE_BYTES, bytes);
  value.name = text_of("echo.png");
  value.media_type = text_of("image/png");
  return ends(emit(scene, value));
}

Outcome metric(const Scene& scene, const Order& order) {
  const mrun_status status = scene.host->metric(scene.host, scene.request, text_of(order.text("echoed")),
                                                static_cast<double>(order.number(1, 1)));
  return status == MRUN_OK ? k_go_on : ends(status);
}

Outcome bad_json(const Scene& scene, const Order&) {
  return ends(emit(scene, value_of(MRUN_VALUE_JSON, "{broken")));
}
Outcome bad_text(const Scene& scene, const Order&) {
  return ends(emit(scene, value_of(MRUN_VALUE_TEXT, "\xff\xfe")));
}
Outcome bad_kind(const Scene& scene, const Order&) {
  return ends(emit(scene, value_of(77, "x")));
}

Outcome bad_tensor(const Scene& scene, const Order&) {
  const std::array<std::int64_t, 2> shape = {-1, 4};
  mrun_tensor tensor{};
  tensor.struct_size = sizeof tensor;
  tensor.ndim = 2;
  tensor.shape = shape.data();
  tensor.dtype_code = 2;
  tensor.dtype_bits = 32;
  tensor.dtype_lanes = 1;
  tensor.device_type = 1;
  mrun_value value = value_of(MRUN_VALUE_TENSOR, {});
  value.name = text_of("out.0");
  value.tensor = &tensor;
  return ends(emit(scene, value));
}

// Says that it went well although its output was refused.
Outcome deaf(const Scene& scene, const Order& order) {
  (void)bad_json(scene, order);
  return ends(MRUN_OK);
}

constexpr Mode k_load_modes[] = {
    {"hang_in_load", hang},
    {"slow_load", slow},
    {"fail_load", fail_now},
    {"unsupported_load", unsupported},
    {"mismatch_load", mismatch},
    {"crash_in_load", crash},
    {"exit_in_load", exit_now},
    {"oom_in_load", oom},
    {"device_error_in_load", device_error},
};

constexpr Mode k_predict_modes[] = {
    {"crash", crash},
    {"abort", abort_now},
    {"exit", exit_now},
    {"exit0", exit_now},
    {"killed", killed},
    {"hang", hang},
    {"hang_hard", hang_hard},
    {"slow", slow},
    {"drift", drift},
    {"stall", stall},
    {"random_slow", random_slow},
    {"fail", fail_now},
    {"fail_every", fail_every},
    {"invalid", invalid},
    {"unsupported", unsupported},
    {"mismatch", mismatch},
    {"oom", oom},
    {"device_error", device_error},
    {"silent_fail", silent_fail},
    {"unknown_status", unknown_status},
    {"garbage_frame", garbage_frame},
    {"close_socket", close_socket},
    {"leak", leak},
    {"huge_output", huge_output},
    {"many_outputs", many_outputs},
    {"log_flood", log_flood},
    {"stdout_noise", stdout_noise},
    {"noise_crash", noise_crash},
    {"fork_children", fork_children},
    {"stream", stream},
    {"file", file},
    {"metric", metric},
    {"bad_json", bad_json},
    {"bad_text", bad_text},
    {"bad_kind", bad_kind},
    {"bad_tensor", bad_tensor},
    {"deaf", deaf},
};

template<std::size_t N>
const Mode* find(const Mode (&modes)[N], std::string_view name) {
  for (const Mode& mode : modes)
    if (mode.name == name) return &mode;
  return nullptr;
}

} // namespace

std::int64_t Order::number(std::size_t index, std::int64_t otherwise) const {
  if (index >= arguments.size()) return index == 0 && beside && *beside >= 0 ? *beside : otherwise;
  const std::string& text = arguments[index];
  std::int64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  return end.ec == std::errc() && end.ptr == text.data() + text.size() && value >= 0 ? value : otherwise;
}

std::string Order::text(std::string_view otherwise) const {
  return std::string(arguments.empty() ? otherwise : std::string_view(arguments.front()));
}

Order parse_order(std::string_view text) {
  Order order;
  const std::vector<std::string_view> parts = split(text, ':');
  order.mode = parts.front() == "echo" ? std::string_view() : parts.front();
  order.arguments.assign(parts.begin() + 1, parts.end());
  return order;
}

const Mode* find_load_mode(std::string_view name) {
  return find(k_load_modes, name);
}
const Mode* find_predict_mode(std::string_view name) {
  return find(k_predict_modes, name);
}

} // namespace mrun::echo
