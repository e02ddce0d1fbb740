// What `mrun predict` reads and when it tries again.
#include <fstream>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "cli/predict/input_lines.h"
#include "cli/predict/retry.h"
#include "common/limits.h"

namespace mrun::cli {
namespace {

using namespace std::chrono_literals;

// A pipe with that text in it, and nobody who writes more.
InputLines piped(const std::string& text) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  REQUIRE(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  auto lines = InputLines::open("-", ends[0]);
  ::close(ends[0]);
  REQUIRE(lines);
  return std::move(*lines);
}

std::string all_of(InputLines lines) {
  std::string all;
  while (true) {
    const auto next = lines.next();
    if (next && !*next) return all;
    all += next ? canonical_json(**next) : "error";
    all += " ";
  }
}

Error error_of(ErrorCode code) {
  return fail(code, "x").value();
}

} // namespace

TEST_CASE("inputs are a line each, or one object over several lines") {
  CHECK(all_of(piped("{\"a\":1}\n{\"a\":2}")) == "{\"a\":1} {\"a\":2} ");
  CHECK(all_of(piped("\n  \n{\"a\":1}\r\n\n")) == "{\"a\":1} ");
  CHECK(all_of(piped("\xEF\xBB\xBF{\"a\":1}\n")) == "{\"a\":1} ");
  CHECK(all_of(piped("{\n  \"a\": [\n1]\n}\n")) == "{\"a\":[1]} ");
  CHECK(all_of(piped("")).empty());
  // A line that is wrong is one, and the next is read all the same.
  CHECK(all_of(piped("{\"a\":1}\nnot json\n[1]\n{\"a\":2}\n")) == "{\"a\":1} error error {\"a\":2} ");
  CHECK(all_of(piped("{\"a\":\n{\"a\":2}\n")) == "error {\"a\":2} ");
}

TEST_CASE("a wrong line is named, with what to write") {
  InputLines lines = piped("{}\n[]\n");
  REQUIRE(lines.next());
  const auto wrong = lines.next();
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == ErrorCode::input_file);
  CHECK(wrong.error().message.find("standard input:2") == 0);
  CHECK(wrong.error().hint.find("one JSON object") != std::string::npos);
  CHECK_FALSE(lines.rewind()); // a pipe
  CHECK(InputLines::open("/nonexistent/x", 0).error().code == ErrorCode::input_file);
}

TEST_CASE("a line without an end is refused, not read for ever") {
  std::string path = "/tmp/mrun-lines-XXXXXX";
  const int fd = ::mkstemp(path.data());
  REQUIRE(fd >= 0);
  ::close(fd);
  std::ofstream(path) << std::string(k_max_body_bytes + 2, 'x');
  auto lines = InputLines::open(path, 0);
  REQUIRE(lines);
  const auto long_one = lines->next();
  REQUIRE_FALSE(long_one);
  CHECK(long_one.error().message.find("has over") != std::string::npos);
  const auto after = lines->next();
  REQUIRE(after);
  CHECK_FALSE(after->has_value());
  CHECK(lines->rewind());
  ::unlink(path.c_str());
}

TEST_CASE("what may pass by itself is tried again, later each time, as often as asked") {
  Retry retry(3);
  CHECK(retry.next(error_of(ErrorCode::queue_full)) == 500ms);
  CHECK(retry.next(error_of(ErrorCode::worker_crashed)) == 1000ms);
  CHECK(retry.next(error_of(ErrorCode::queue_full), 7s) == 7000ms);
  CHECK_FALSE(retry.next(error_of(ErrorCode::queue_full)));
  Retry other(100);
  CHECK_FALSE(other.next(error_of(ErrorCode::input_type)));
  CHECK_FALSE(other.next(error_of(ErrorCode::cancelled)));
  CHECK_FALSE(other.next(error_of(ErrorCode::client_timeout))); // the user's own limit
  for (int i = 0; i < 20; ++i)
    CHECK(*other.next(error_of(ErrorCode::draining)) <= 30s);
}

} // namespace mrun::cli
