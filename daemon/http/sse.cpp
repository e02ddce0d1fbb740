#include "daemon/http/sse.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace mrun {
namespace {

constexpr std::int64_t k_ns_per_second = 1'000'000'000;

std::string replicate_id(const Event& event, std::uint64_t seq) {
  return fmt::format("{}:{}", event.wall_ns / k_ns_per_second, seq);
}

// Text as it is, anything else as JSON.
std::string plain_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : canonical_json(value);
}

void append_failure(std::string& out, std::string_view error_id, std::string_view failure,
                    std::string_view done_id) {
  append_sse(out, "error", error_id, canonical_json({{"detail", failure}}));
  append_sse(out, "done", done_id, R"({"reason":"error"})");
}

void append_replicate_done(std::string& out, const Event& event, std::string_view failure) {
  const std::string status = event.data.value("status", "");
  const std::string id = replicate_id(event, event.seq);
  if (status == "canceled" || status == "aborted")
    return append_sse(out, "done", id, R"({"reason":"canceled"})");
  if (status != "failed") return append_sse(out, "done", id, "{}");
  // A caller that resumes behind the error must still get the end: the error bears the id of what came
  // before.
  append_failure(out, replicate_id(event, event.seq - 1), failure, id);
}

} // namespace

void append_sse(std::string& out, std::string_view event, std::string_view id, std::string_view data) {
  fmt::format_to(std::back_inserter(out), "event: {}\nid: {}\n", event, id);
  while (true) {
    const std::size_t end = std::min(data.find_first_of("\r\n"), data.size());
    out.append("data: ").append(data.substr(0, end)).push_back('\n');
    if (end == data.size()) break;
    data.remove_prefix(end + (data.substr(end).starts_with("\r\n") ? 2 : 1));
  }
  out.push_back('\n');
}

void append_mrun_event(std::string& out, const Event& event, const Json& data) {
  append_sse(out, event_name(event.type), std::to_string(event.seq), canonical_json(data));
}

void append_replicate_event(std::string& out, const Event& event, std::string_view failure) {
  switch (event.type) {
  case EventType::output:
    append_sse(out, "output", replicate_id(event, event.seq), plain_text(event.data.value("value", Json())));
    break;
  case EventType::log:
    append_sse(out, "logs", replicate_id(event, event.seq), plain_text(event.data.value("text", Json(""))));
    break;
  case EventType::done:
    append_replicate_done(out, event, failure);
    break;
  case EventType::queued:
  case EventType::phase:
  case EventType::started:
  case EventType::metric:
    break;
  }
}

void append_mrun_error(std::string& out, std::uint64_t last_seq, const Error& error) {
  append_sse(out, "error", std::to_string(last_seq), canonical_json(problem_json(error)));
}

void append_replicate_error(std::string& out, std::uint64_t last_seq, const Error& error) {
  const std::string id = fmt::format("0:{}", last_seq);
  append_failure(out, id, fmt::format("{}: {}", error_code_text(error.code), error.message), id);
}

std::uint64_t parse_last_event_id(std::string_view header) {
  const std::size_t colon = header.rfind(':');
  const std::string_view digits = colon == std::string_view::npos ? header : header.substr(colon + 1);
  std::uint64_t seq = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seq);
  return error == std::errc() && end == digits.data() + digits.size() ? seq : 0;
}

void link_files(Json& value, std::string_view base_url, std::string_view prediction_id) {
  const auto link = [&](Json& part) {
    if (const auto mark = file_mark(part))
      part = fmt::format("{}/mrun/v1/predictions/{}/outputs/{}", base_url, prediction_id, mark->index);
  };
  link(value);
  if (value.is_array())
    for (Json& item : value)
      link(item);
}

} // namespace mrun
