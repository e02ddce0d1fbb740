#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "common/json.h"

using namespace mrun;

namespace {
Result<Json> parse(std::string_view text) {
  return parse_json(text, ErrorCode::body_invalid, "the body");
}
} // namespace

TEST_CASE("valid JSON is parsed and written in canonical form") {
  CHECK(canonical_json(parse(R"({ "b": [1, 2.5, null], "a": "ü" })").value()) ==
        R"({"a":"ü","b":[1,2.5,null]})");
}

TEST_CASE("canonical text is the library's own, with the shortest digits of each number") {
  const auto same = [](const Json& value) {
    CHECK(canonical_json(value) == value.dump(-1, ' ', false, Json::error_handler_t::replace));
  };
  for (int byte = 0; byte < 256; ++byte) {
    same(std::string(1, static_cast<char>(byte)));
    same(std::string("a") + static_cast<char>(byte) + "b\"");
  }
  for (const char* text : {"", "plain", "\"\\/\b\f\n\r\t\v", "grün 日本 🙂", "a\xff\xfe", "\xed\xa0\x80",
                           "\xf4\x90\x80\x80", "\xc3", "\xc3\xa9\x80x\xe2\x82"})
    same(text);
  for (const double number : {0.0, -0.0, 1.0, 0.1, -2.5e-7, 1e15, 1e16, 1e17, 123456.789, 5e-324,
                              1.7976931348623157e308, 9.00719925474099e15, 4.35, 1.0 / 3})
    same(number);
  same(std::numeric_limits<double>::quiet_NaN());
  same(-std::numeric_limits<double>::infinity());
  same(std::numeric_limits<std::int64_t>::min());
  same(std::numeric_limits<std::uint64_t>::max());
  same({{"b", {1, -2, nullptr, true, false, Json::array(), Json::object()}}, {"a\n", {{"ü", "x"}}}});
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const auto number = std::bit_cast<double>(random());
    if (!std::isfinite(number)) continue;
    const std::string text = canonical_json(number), library = Json(number).dump();
    CHECK(parse(text).value() == Json(number));
    CHECK(text.size() <= library.size());
  }
  for (const char* text : {"-0.041204292", "0.02291026", "0.0001", "1e-05", "-1.5e-07", "999999999999999.0",
                           "1e+15", "2.5e+300"})
    CHECK(canonical_json(parse(text).value()) == text);
}

TEST_CASE("duplicate keys, depth, size, trailing text and bad UTF-8 are refused with the place") {
  CHECK(parse(R"({"a":1,"a":2})").error().message == "the body is not valid JSON: key `a` is there twice");
  CHECK(parse(std::string(100, '[')).error().message.find("nested more than 64 levels") != std::string::npos);
  CHECK(parse("{} x").error().message.find("at byte 4") != std::string::npos);
  CHECK(parse("\"\xff\"").error().code == ErrorCode::body_invalid);
  CHECK(parse_json("[1,2,3]", ErrorCode::body_invalid, "the body", {.max_bytes = 3}).error().message ==
        "the body has over 3 bytes");
  CHECK(parse(std::string(1'000'000, '[')).error().code == ErrorCode::body_invalid);
  CHECK(parse("").error().code == ErrorCode::body_invalid);
}

TEST_CASE("typed reads name the key that is wrong") {
  const Json object = {{"name", "x"}, {"count", 3}, {"big", 18446744073709551615ULL}, {"flag", true}};
  CHECK(need_string(object, "name", ErrorCode::body_invalid, "the body").value() == "x");
  CHECK(need_integer(object, "count", ErrorCode::body_invalid, "the body").value() == 3);
  CHECK(json_bool(object, "flag", ErrorCode::body_invalid, "the body").value() == true);
  CHECK(json_string(object, "absent", ErrorCode::body_invalid, "the body").value() == std::nullopt);
  CHECK(need_string(object, "absent", ErrorCode::body_invalid, "the body").error().message ==
        "the body: `absent` is missing");
  CHECK(need_string(object, "count", ErrorCode::body_invalid, "the body").error().message ==
        "the body: `count` is not a string");
  CHECK(need_integer(object, "big", ErrorCode::body_invalid, "the body").error().message ==
        "the body: `big` is not an integer");
  CHECK(json_bool(object, "count", ErrorCode::body_invalid, "the body").error().message ==
        "the body: `count` is not true or false");
}

TEST_CASE("the number of values is bounded, with a code of its own") {
  const JsonLimits limits{k_max_body_bytes, 8, 5, ErrorCode::request_too_large};
  CHECK(parse_json(R"({"a":[1,2,"x"]})", ErrorCode::body_invalid, "it", limits));
  const auto over = parse_json(R"({"a":[1,2,"x",null]})", ErrorCode::body_invalid, "it", limits);
  REQUIRE_FALSE(over);
  CHECK(over.error().code == ErrorCode::request_too_large);
  CHECK(over.error().message == "it: it has over 5 values");
  CHECK(parse_json("[1,2,", ErrorCode::body_invalid, "it", limits).error().code == ErrorCode::body_invalid);
}
