#include "cli/arguments.h"

#include <doctest/doctest.h>

namespace mrun::cli {
namespace {

constexpr std::string_view k_colors[] = {"red", "green"};
constexpr PositionalSpec k_positionals[] = {{.name = "REF", .help = "x"}};
constexpr FlagSpec k_flags[] = {
    {.name = "input",
     .short_name = 'i',
     .value_name = "K=V",
     .type = FlagType::text,
     .repeatable = true,
     .help = "x"},
    {.name = "limit", .value_name = "N", .type = FlagType::integer, .help = "x"},
    {.name = "wait", .value_name = "TIME", .type = FlagType::duration, .help = "x"},
    {.name = "color", .value_name = "COLOR", .type = FlagType::text, .choices = k_colors, .help = "x"},
    {.name = "output", .short_name = 'o', .value_name = "FILE", .type = FlagType::path, .help = "x"},
    {.name = "force", .short_name = 'f', .help = "x"},
};
constexpr ExampleSpec k_examples[] = {{"test demo/x", "x"}};
constexpr CommandSpec k_command{
    .name = "test", .positionals = k_positionals, .flags = k_flags, .examples = k_examples};

constexpr CommandSpec k_streaming{.name = "watch", .examples = k_examples, .streams = true};

Result<Arguments> parse(std::vector<std::string_view> words) {
  return parse_arguments(k_command, words);
}

void refused(std::vector<std::string_view> words, ErrorCode code, std::string_view text) {
  const auto result = parse(std::move(words));
  REQUIRE_FALSE(result);
  CHECK(result.error().code == code);
  const std::string all = result.error().message + "\n" + std::string(result.error().help());
  CHECK_MESSAGE(all.find(text) != std::string::npos, all);
}

} // namespace

TEST_CASE("flags stand in any place and take values in every form") {
  const auto result =
      parse({"-i", "a=1", "demo/x", "-ib=2", "--input=c=3", "-fq", "--limit", "-7", "--wait=1.5s"});
  REQUIRE(result);
  CHECK(result->values("input") == std::vector<std::string>{"a=1", "b=2", "c=3"});
  CHECK(result->positional(0) == "demo/x");
  CHECK(result->has("force"));
  CHECK(result->has("quiet"));
  CHECK(result->integer("limit") == -7);
  CHECK(result->duration("wait") == std::chrono::milliseconds(1500));
  CHECK_FALSE(result->has("json"));
}

TEST_CASE("`--` ends flags, `-` and negative numbers are values") {
  CHECK(parse({"--", "--force"})->positional(0) == "--force");
  CHECK(parse({"-"})->positional(0) == "-");
  CHECK(parse({"-5"})->positional(0) == "-5");
  CHECK(parse({"x", "-o", "-"})->value("output") == "-");
}

TEST_CASE("help needs no positionals") {
  CHECK(parse({"--help"}));
}

TEST_CASE("what is wrong is named, with the nearest right word") {
  refused({"x", "--inptu", "a"}, ErrorCode::unknown_flag, "the nearest is `--input`");
  refused({"x", "-z"}, ErrorCode::unknown_flag, "`-z`");
  refused({"x", "--limit", "seven"}, ErrorCode::flag_value, "takes a whole number");
  refused({"x", "--limit", "99999999999999999999"}, ErrorCode::flag_value, "takes a whole number");
  refused({"x", "--wait", "soon"}, ErrorCode::flag_value, "500ms");
  refused({"x", "--wait", "-1s"}, ErrorCode::flag_value, "duration");
  refused({"x", "--wait", "1e400"}, ErrorCode::flag_value, "duration");
  refused({"x", "--color", "gren"}, ErrorCode::flag_value, "the nearest is `green`");
  refused({"x", "--force=yes"}, ErrorCode::flag_value, "takes no value");
  refused({"x", "--output"}, ErrorCode::flag_value, "needs a value: FILE");
  refused({"x", "--output="}, ErrorCode::flag_value, "takes a path");
  refused({"x", "-o", "a", "-o", "b"}, ErrorCode::usage, "given twice");
  refused({}, ErrorCode::usage, "needs REF");
  refused({"x", "y"}, ErrorCode::usage, "`y`");
  refused({"x", std::string_view("-i\0=1", 5)}, ErrorCode::flag_value, "NUL");
}

TEST_CASE("durations") {
  CHECK(*parse_duration("t", "250ms") == std::chrono::milliseconds(250));
  CHECK(*parse_duration("t", "3") == std::chrono::seconds(3));
  CHECK(*parse_duration("t", "2m") == std::chrono::minutes(2));
  CHECK(*parse_duration("t", "1h") == std::chrono::hours(1));
  for (const char* bad : {"", "h", "1d", "nan", "inf", "1 s", "36000001"})
    CHECK_MESSAGE(!parse_duration("t", bad), bad);
}

TEST_CASE("--json takes `=stream` in commands that stream, and nothing else anywhere") {
  const auto streamed = parse_arguments(k_streaming, std::vector<std::string_view>{"--json=stream"});
  REQUIRE(streamed);
  CHECK(streamed->has("json"));
  CHECK(streamed->value("json") == "stream");
  const auto plain = parse_arguments(k_streaming, std::vector<std::string_view>{"--json"});
  REQUIRE(plain);
  CHECK(plain->has("json"));
  CHECK_FALSE(plain->value("json"));
  CHECK(parse_arguments(k_streaming, std::vector<std::string_view>{"--json=x"}).error().code ==
        ErrorCode::flag_value);
  refused({"demo/x", "--json=stream"}, ErrorCode::flag_value, "takes no value in `mrun test`");
  refused({"demo/x", "--force=stream"}, ErrorCode::flag_value, "takes no value");
}

} // namespace mrun::cli
