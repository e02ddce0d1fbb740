#include <doctest/doctest.h>

#include <vector>

#include "common/clock.h"
#include "common/terminal_text.h"
#include "common/text.h"

using namespace mrun;

TEST_CASE("split, trim and lower") {
  CHECK(split("a,,b", ',') == std::vector<std::string_view>{"a", "", "b"});
  CHECK(trim("  a b\n") == "a b");
  CHECK(lower_ascii("ÄbC") == "Äbc");
}

TEST_CASE("UTF-8 is checked to the letter of RFC 3629") {
  CHECK(is_valid_utf8("aß水🙂"));
  for (const char* bad :
       {"\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8", "\xc3"})
    CHECK_FALSE(is_valid_utf8(bad));
}

TEST_CASE("a terminal acts on nothing that somebody else wrote") {
  CHECK(terminal_safe("a\tb\r\nc\n\u00e9 \u2014 \U0001F98A") == "a\tb\r\nc\n\u00e9 \u2014 \U0001F98A");
  CHECK(terminal_safe("\x1b]0;t\x07\rx\x7f\xff") == "\\x1b]0;t\\x07\\x0dx\\x7f\\xff");
  CHECK(terminal_safe("\u009b2J\u00a0") == "\\xc2\\x9b2J\u00a0");
  CHECK(terminal_safe("").empty());
}

TEST_CASE("text from elsewhere is made printable") {
  CHECK(printable("\u009b2J\u00a0") == "\\xc2\\x9b2J\u00a0");
  CHECK(printable("a\x1b[31m\n\xff") == "a\\x1b[31m\\x0a\\xff");
  CHECK(printable(std::string(300, 'x'), 10) == "xxxxxxxxxx…");
}

TEST_CASE("the nearest name is suggested only when it is near") {
  const std::vector<std::string> names = {"prompt", "width", "top_k"};
  CHECK(nearest("promt", names) == "prompt");
  CHECK(nearest("widht", names) == "width");
  CHECK(nearest("TOP_K", names) == "top_k");
  CHECK(nearest("zebra", names).empty());
  CHECK(edit_distance("ab", "ba") == 1);
}

TEST_CASE("sizes, durations and times read well") {
  CHECK(format_bytes(1023) == "1023 B");
  CHECK(format_bytes(91541504) == "87.3 MiB");
  CHECK(format_duration(830'000) == "830 µs");
  CHECK(format_duration(42'300'000) == "42 ms");
  CHECK(format_duration(1'840'000'000) == "1.8 s");
  CHECK(rfc3339_utc(1'700'000'000'123'456'789) == "2023-11-14T22:13:20.123456Z");
  CHECK(rfc3339_utc(0) == "1970-01-01T00:00:00.000000Z");
  CHECK(rfc3339_utc(1'709'251'199'999'999'999) == "2024-02-29T23:59:59.999999Z");
  CHECK(rfc3339_utc(4'107'542'400'000'000'000) == "2100-03-01T00:00:00.000000Z");
}

TEST_CASE("base64 goes both ways and refuses what is not base64") {
  for (const std::string& text : {std::string(), std::string("f"), std::string("fo"), std::string("foo"),
                                  std::string("\0\xff\x80", 3)}) {
    std::string back;
    CHECK(base64_decode(base64_encode(text), back));
    CHECK(back == text);
  }
  std::string out;
  for (const char* bad : {"a", "ab=c", "====", "a===", "ab\n=", "_-__"})
    CHECK_FALSE(base64_decode(bad, out));
}

TEST_CASE("RFC 3339 dates and times are read, and nothing else") {
  constexpr std::int64_t k_day = 86'400'000'000'000;
  CHECK(parse_rfc3339("1970-01-01") == 0);
  CHECK(parse_rfc3339("1970-01-02T00:00:00Z") == k_day);
  CHECK(parse_rfc3339("1970-01-01T00:00:00.5Z") == 500'000'000);
  CHECK(parse_rfc3339("1970-01-01t01:00:00.0000000019+01:00") == 1);
  CHECK(parse_rfc3339("1970-01-01 00:00:00-00:30") == 1'800'000'000'000);
  CHECK(parse_rfc3339("2024-02-29").has_value());
  for (const std::int64_t time_ns : {std::int64_t{0}, std::int64_t{1'700'000'000'123'456'000}})
    CHECK(parse_rfc3339(rfc3339_utc(time_ns)) == time_ns);
  for (const char* bad : {"",
                          "1970",
                          "1970-1-1",
                          "2023-02-29",
                          "1970-13-01",
                          "1970-00-01",
                          "1969-12-31",
                          "2201-01-01",
                          "1970-01-01T",
                          "1970-01-01T00:00:00",
                          "1970-01-01T24:00:00Z",
                          "1970-01-01T00:60:00Z",
                          "1970-01-01T00:00:00.Z",
                          "1970-01-01T00:00:00+1:00",
                          "1970-01-01T00:00:00+24:00",
                          "1970-01-01x",
                          "1970-01-01T00:00:00Zx",
                          "-970-01-01",
                          "+970-01-01",
                          " 1970-01-01"})
    CHECK_FALSE_MESSAGE(parse_rfc3339(bad), bad);
}
