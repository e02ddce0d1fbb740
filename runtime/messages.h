// The headers of every frame of docs/formats/frames.md, built in one place; golden tests pin their bytes.
//
// Daemon, worker and zygote send what these functions give, so a key is spelled once. Reading is the
// receiver's own matter: it checks each member (need_integer, need_string). Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/json.h"
#include "common/phases.h"

namespace mrun {

inline constexpr std::int64_t k_frame_protocol = 1;

// ---- daemon → worker
// -------------------------------------------------------------------------------------------
Json load_message(bool with_cache); // payload: the model spec; fds: blobs[, cache]
Json predict_message(std::uint64_t id, std::size_t file_count); // payload: the input object; fds: file …
Json cancel_message(std::uint64_t id);
Json exit_message();

// ---- worker → daemon
// -------------------------------------------------------------------------------------------
struct HelloMessage {
  std::int64_t pid = 0;
  std::string engine;
  std::string version;
  std::int64_t import_start_ns = 0; // CLOCK_MONOTONIC
  std::int64_t import_end_ns = 0;
};
Json hello_message(const HelloMessage& hello);
Json phase_message(std::string_view name, std::int64_t at_ns);
// `phases`: only those that took time are written.
Json loaded_message(const Phases& phases, std::uint64_t memory_bytes);
Json load_failed_message(std::string_view code, std::string_view message); // payload: details
Json started_message(std::uint64_t id, std::int64_t at_ns);
Json log_message(std::uint64_t id, std::string_view level);   // payload: text
Json output_message(std::uint64_t id, std::string_view kind); // json | text; payload: the value
Json output_file_message(std::uint64_t id, std::string_view media_type, std::string_view name);
Json metric_message(std::uint64_t id, std::string_view name, double value);
// Whether a metric's name is letters, digits and `_`, 1 to 128 bytes.
bool is_metric_name(std::string_view name);

struct DoneMessage {
  std::uint64_t id = 0;
  std::string status; // succeeded, failed, canceled
  std::string code;   // an error row's name; "" when succeeded
  std::string message;
  std::int64_t predict_ns = 0;
  std::uint64_t peak_memory_bytes = 0;
  std::uint64_t read_bytes = 0;   // from disk, since the process began
  std::uint64_t major_faults = 0; // likewise
  bool healthy = true;
};
Json done_message(const DoneMessage& done); // payload: details

// ---- zygote
// ----------------------------------------------------------------------------------------------------
Json fork_message(std::uint64_t seq);                     // fds: control, output
Json forked_message(std::uint64_t seq, std::int64_t pid); // fds: pidfd
Json fork_failed_message(std::uint64_t seq, std::string_view message);
Json reaped_exit_message(std::int64_t pid, int exit_code);
Json reaped_signal_message(std::int64_t pid, int signal);

} // namespace mrun
