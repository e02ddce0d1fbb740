#include <doctest/doctest.h>

#include "runtime/engines/process/messages.h"

using namespace mrun;
using namespace mrun::process;

namespace {

std::string refusal(std::string_view line) {
  const auto parsed = parse_line(line);
  REQUIRE_MESSAGE(!parsed, std::string(line));
  CHECK(parsed.error().code == ErrorCode::prediction_failed);
  return parsed.error().message;
}

Line good(std::string_view line) {
  const auto parsed = parse_line(line);
  REQUIRE_MESSAGE(parsed, parsed.error().message);
  return *parsed;
}

} // namespace

TEST_CASE("every message of a program is read") {
  CHECK(good(R"({"ready": true})").what == Say::ready);
  CHECK(good(R"({"error": "no GPU"})").what == Say::refused);
  CHECK(good(R"({"error": "no GPU"})").text == "no GPU");
  const Line output = good(R"({"id": 7, "output": {"a": [1, null]}})");
  CHECK(output.what == Say::output);
  CHECK(output.id == 7);
  CHECK(output.value == Json{{"a", {1, nullptr}}});
  CHECK(good(R"({"id": 7, "output": null})").value.is_null());
  CHECK(good(R"({"id": 7, "text": "gr\u00fc"})").text == "grü");
  const Line file = good(R"({"id": 7, "file": "a/b.png", "media_type": "image/png"})");
  CHECK(file.what == Say::file);
  CHECK(file.text == "a/b.png");
  CHECK(file.media_type == "image/png");
  const Line log = good(R"({"log": "loading", "level": "debug"})");
  CHECK_FALSE(log.id);
  CHECK(log.level == "debug");
  const Line metric = good(R"({"id": 7, "metric": "tokens", "value": 1.5})");
  CHECK(metric.text == "tokens");
  CHECK(metric.number == 1.5);
  const Line done = good(R"({"id": 18446744073709551615, "done": "failed", "error": "why"})");
  CHECK(done.id == UINT64_MAX);
  CHECK(done.end == End::failed);
  CHECK(done.text == "why");
  CHECK(good(R"({"id": 7, "done": "succeeded", "more": 1})").end == End::succeeded);
  CHECK(good(R"({"id": 7, "done": "canceled"})").end == End::canceled);
}

TEST_CASE("anything else is refused with what it is") {
  CHECK(refusal("hello") == "the program wrote a line that is no JSON object: `hello`");
  CHECK(refusal("").find("no JSON object") != std::string::npos);
  CHECK(refusal("[1]").find("no JSON object") != std::string::npos);
  CHECK(refusal(R"({"id": 1, "metric": "x", "value": NaN})").find("no JSON object") != std::string::npos);
  CHECK(refusal(R"({"id": 7})").find("says neither") != std::string::npos);
  CHECK(refusal(R"({"output": 1})").find("has no `id`") != std::string::npos);
  CHECK(refusal(R"({"id": -1, "output": 1})").find("never given") != std::string::npos);
  CHECK(refusal(R"({"id": "7", "output": 1})").find("never given") != std::string::npos);
  for (const char* wrong :
       {R"({"ready": false})", R"({"id": 1, "text": 5})", R"({"id": 1, "file": null})",
        R"({"id": 1, "file": "a", "media_type": 5})", R"({"id": 1, "log": "a", "level": "loud"})",
        R"({"id": 1, "metric": "a"})", R"({"id": 1, "metric": "a", "value": "5"})",
        R"({"id": 1, "metric": 5, "value": 5})", R"({"id": 1, "done": "maybe"})",
        R"({"id": 1, "done": "failed", "error": 5})", R"({"error": 5})"})
    CHECK(refusal(wrong).find("wrong kind") != std::string::npos);
  CHECK(refusal(std::string(10'000, 'x')).size() < 300);
  CHECK(refusal("\x1b[31m\xff").find('\x1b') == std::string::npos);
}

TEST_CASE("what the program reads is one line") {
  CHECK(predict_line(7, {{"text", "a\nb"}}, "/tmp/7") ==
        "{\"folder\":\"/tmp/7\",\"input\":{\"text\":\"a\\nb\"},\"predict\":7}\n");
  CHECK(cancel_line(7) == "{\"cancel\":7}\n");
}
