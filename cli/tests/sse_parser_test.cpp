#include "cli/client/sse_parser.h"

#include <vector>

#include <doctest/doctest.h>

namespace mrun::cli {
namespace {

// Feeds `text` in pieces of `step` bytes.
std::vector<SseEvent> events_of(std::string_view text, std::size_t step) {
  SseParser parser;
  std::vector<SseEvent> events;
  for (std::size_t at = 0; at < text.size(); at += step) {
    REQUIRE(parser.feed(text.substr(at, step)));
    while (auto event = parser.next())
      events.push_back(std::move(*event));
  }
  return events;
}

} // namespace

TEST_CASE("events come out whole, wherever the stream is cut") {
  constexpr std::string_view k_text =
      "\xEF\xBB\xBF: a comment\nevent: queued\nid: 1\ndata: {\"id\":\"x\"}\n\n"
      "event: output\r\nid: 2\r\ndata: a\r\ndata: b\r\n\r\n"
      "event: done\rid: 3\rdata:  c\r\r"
      "retry: 5\nunknown\nevent: nothing\n\n"
      "data\n\n";
  for (const std::size_t step : {1UL, 2UL, 3UL, 7UL, 1000UL}) {
    const auto events = events_of(k_text, step);
    CAPTURE(step);
    REQUIRE(events.size() == 4);
    CHECK(events[0].type == "queued");
    CHECK(events[0].id == "1");
    CHECK(events[0].data == "{\"id\":\"x\"}");
    CHECK(events[1].data == "a\nb");
    CHECK(events[2].type == "done");
    CHECK(events[2].data == " c");
    CHECK(events[3].type == "message");
    CHECK(events[3].id == "3");
    CHECK(events[3].data.empty());
  }
}

TEST_CASE("an unfinished event is not given") {
  CHECK(events_of("event: done\ndata: x\n", 4).empty());
}

// Each byte of output may take six in JSON, and the `done` event has input and logs beside the whole output.
static_assert(k_max_reply_bytes > 6 * (k_max_output_bytes + k_max_body_bytes + k_max_log_bytes));

TEST_CASE("an event as large as the largest output comes whole") {
  SseParser parser;
  const std::string piece(k_mib, 'x');
  REQUIRE(parser.feed("event: output\ndata: "));
  for (std::size_t sent = 0; sent < k_max_output_bytes; sent += k_mib) {
    REQUIRE(parser.feed(piece));
    CHECK_FALSE(parser.next());
  }
  REQUIRE(parser.feed("\n\n"));
  const auto event = parser.next();
  REQUIRE(event);
  CHECK(event->data.size() == k_max_output_bytes);
}

TEST_CASE("an event without end is refused") {
  SseParser lines(100);
  REQUIRE(lines.feed("data: " + std::string(200, 'x')));
  CHECK_FALSE(lines.next());
  CHECK(lines.feed("y").error().code == ErrorCode::daemon_unreachable);

  SseParser many(100);
  for (int i = 0; i < 10; ++i) {
    REQUIRE(many.feed("data: 0123456789\n"));
    CHECK_FALSE(many.next());
  }
  CHECK_FALSE(many.feed("data: x\n"));
}

} // namespace mrun::cli
