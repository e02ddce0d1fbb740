#include "runtime/messages.h"

#include <algorithm>

namespace mrun {
namespace {

constexpr std::size_t k_max_metric_name_bytes = 128;

Json message(const char* type) {
  return Json{{"t", type}};
}

Json about(const char* type, std::uint64_t id) {
  return Json{{"t", type}, {"id", id}};
}

} // namespace

Json load_message(bool with_cache) {
  Json header = message("load");
  header["fds"] = with_cache ? Json::array({"blobs", "cache"}) : Json::array({"blobs"});
  return header;
}

Json predict_message(std::uint64_t id, std::size_t file_count) {
  Json header = about("predict", id);
  if (file_count > 0) header["fds"] = Json(std::vector<std::string>(file_count, "file"));
  return header;
}

Json cancel_message(std::uint64_t id) {
  return about("cancel", id);
}

Json exit_message() {
  return message("exit");
}

Json hello_message(const HelloMessage& hello) {
  Json header = message("hello");
  header["protocol"] = k_frame_protocol;
  header["pid"] = hello.pid;
  header["engine"] = hello.engine;
  header["version"] = hello.version;
  header["import_start_ns"] = hello.import_start_ns;
  header["import_end_ns"] = hello.import_end_ns;
  return header;
}

Json phase_message(std::string_view name, std::int64_t at_ns) {
  Json header = message("phase");
  header["name"] = name;
  header["at_ns"] = at_ns;
  return header;
}

Json loaded_message(const Phases& phases, std::uint64_t memory_bytes) {
  Json header = message("loaded");
  Json durations = Json::object();
  for (std::size_t i = 0; i < k_phase_names.size(); ++i)
    if (phases.duration_ns[i] > 0) durations[std::string(k_phase_names[i])] = phases.duration_ns[i];
  header["phases"] = std::move(durations);
  header["memory_bytes"] = memory_bytes;
  return header;
}

Json load_failed_message(std::string_view code, std::string_view text) {
  Json header = message("load_failed");
  header["code"] = code;
  header["message"] = text;
  return header;
}

Json started_message(std::uint64_t id, std::int64_t at_ns) {
  Json header = about("started", id);
  header["at_ns"] = at_ns;
  return header;
}

Json log_message(std::uint64_t id, std::string_view level) {
  Json header = about("log", id);
  header["level"] = level;
  return header;
}

Json output_message(std::uint64_t id, std::string_view kind) {
  Json header = about("output", id);
  header["kind"] = kind;
  return header;
}

Json output_file_message(std::uint64_t id, std::string_view media_type, std::string_view name) {
  Json header = output_message(id, "file");
  header["media_type"] = media_type;
  header["name"] = name;
  return header;
}

Json metric_message(std::uint64_t id, std::string_view name, double value) {
  Json header = about("metric", id);
  header["name"] = name;
  header["value"] = value;
  return header;
}

bool is_metric_name(std::string_view name) {
  return !name.empty() && name.size() <= k_max_metric_name_bytes && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

Json done_message(const DoneMessage& done) {
  Json header = about("done", done.id);
  header["status"] = done.status;
  if (!done.code.empty()) {
    header["code"] = done.code;
    header["message"] = done.message;
  }
  header["phases"] = Json{{"predict", done.predict_ns}};
  header["peak_memory_bytes"] = done.peak_memory_bytes;
  header["read_bytes"] = done.read_bytes;
  header["major_faults"] = done.major_faults;
  header["healthy"] = done.healthy;
  return header;
}

Json fork_message(std::uint64_t seq) {
  return Json{{"t", "fork"}, {"seq", seq}, {"fds", {"control", "output"}}};
}

Json forked_message(std::uint64_t seq, std::int64_t pid) {
  return Json{{"t", "forked"}, {"seq", seq}, {"pid", pid}, {"fds", Json::array({"pidfd"})}};
}

Json fork_failed_message(std::uint64_t seq, std::string_view text) {
  return Json{{"t", "fork_failed"}, {"seq", seq}, {"message", text}};
}

Json reaped_exit_message(std::int64_t pid, int exit_code) {
  return Json{{"t", "reaped"}, {"pid", pid}, {"exit_code", exit_code}};
}

Json reaped_signal_message(std::int64_t pid, int signal) {
  return Json{{"t", "reaped"}, {"pid", pid}, {"signal", signal}};
}

} // namespace mrun
