#include <cmath>
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "common/limits.h"
#include "packager/yaml_tree.h"

using namespace mrun;

namespace {

constexpr YamlErrors k_errors{ErrorCode::manifest_syntax, ErrorCode::manifest_limit};

Error refused(std::string_view text) {
  Result<YamlNode> node = parse_yaml(text, "f", k_errors);
  REQUIRE_FALSE(node);
  return node.error();
}

Json value(std::string_view text) {
  return yaml_to_json(parse_yaml(text, "f", k_errors).value(), "f", ErrorCode::manifest_value).value();
}

} // namespace

TEST_CASE("scalars follow the core schema and nothing older") {
  CHECK(
      value("a: [1, -1, +2, 1.5, 1e3, .5, true, FALSE, null, ~, yes, off, 0x10, 010, 1_000, '1', \"true\", "
            "1.2.3, -, 12:30]") ==
      Json::parse(
          R"({"a":[1,-1,2,1.5,1000.0,0.5,true,false,null,null,"yes","off","0x10",10,"1_000","1","true","1.2.3","-","12:30"]})"));
  CHECK(value("n: 9223372036854775807\nu: 18446744073709551615") ==
        Json{{"n", INT64_MAX}, {"u", UINT64_MAX}});
  CHECK(value("t: |\n  12\n")["t"] == "12\n");
  CHECK(value("") == Json());
  const Json zero = value("z: -0.0");
  CHECK(std::signbit(zero["z"].get<double>()));
}

TEST_CASE("numbers that no JSON has are refused with their place") {
  for (const char* text :
       {"a: 18446744073709551616", "a: -9223372036854775809", "a: 1e999", "a: .nan", "a: -.inf"}) {
    const Result<Json> json =
        yaml_to_json(parse_yaml(text, "f", k_errors).value(), "f", ErrorCode::manifest_value);
    REQUIRE_FALSE(json);
    CHECK(json.error().message.starts_with("f:1:4: "));
  }
}

TEST_CASE("what makes YAML dangerous is refused at its line and column") {
  CHECK(refused("a: &x 1").message == "f:1:4: anchors (`&name`) are not allowed");
  CHECK(refused("a: 1\nb: *x").code == ErrorCode::manifest_syntax);
  CHECK(refused("a: &x [1]\nb: [*x, *x]").code == ErrorCode::manifest_syntax);
  CHECK(refused("a: !!python/object:os.system x").message.find("tags") != std::string::npos);
  CHECK(refused("a: !!str [1]").message.find("tags") != std::string::npos);
  CHECK(refused("<<: {a: 1}").message == "f:1:1: merge keys (`<<`) are not allowed");
  CHECK(refused("a: 1\n---\nb: 2").message.find("more than one document") != std::string::npos);
  CHECK(refused("a: 1\na: 2").message == "f:2:1: key `a` is there twice");
  CHECK(refused("a: {b: 1, 'b': 2}").message == "f:1:11: key `b` is there twice");
  CHECK(refused("? [a]\n: 1").message.find("a key is not a plain text") != std::string::npos);
  CHECK(refused(": 1").message.find("a key is empty") != std::string::npos);
  CHECK(refused("a: \"x\\0y\"").message.find("NUL") != std::string::npos);
  CHECK(refused(std::string_view("a: 1\n\0b: 2", 10)).message == "f:2:1: there is a control character \\x00");
  CHECK(refused("a: 1\nb: \xff").message == "f:2:1: the line is not valid UTF-8");
  CHECK(refused("a: [1").message.starts_with("f:1:"));
  CHECK(refused("a:\n\tb: 1").code == ErrorCode::manifest_syntax);
  CHECK(refused("a: \"unclosed").code == ErrorCode::manifest_syntax);
  CHECK(refused("%YAML 9.9\n---\na: 1").code == ErrorCode::manifest_syntax);
}

TEST_CASE("a quote that is not closed is refused where it begins") {
  const auto open_at = [](const std::string& text, std::string_view place) {
    CAPTURE(text);
    const Error error = refused(text);
    CHECK(error.code == ErrorCode::manifest_syntax);
    CHECK(error.message == fmt::format("f:{}: the quote that begins here is not closed", place));
  };
  for (const std::string end : {"", "\n", "\r\n", "\nb: c\n", "\n\n# d"}) {
    open_at("a: \"x" + end, "1:4");
    open_at("a: 'x" + end, "1:4");
    open_at("a: \"x\\\"" + end, "1:4");
    open_at("a: 'it''s" + end, "1:4");
    open_at("a: '''" + end, "1:4");
    open_at("n: 1\na: [x, 'y]" + end, "2:8");
    open_at("n: 1\na: {k: \"y}" + end, "2:8");
    open_at("- {k: 'y" + end, "1:7");
    open_at("a: 1\n\"b: 2" + end, "2:1");
    open_at("{'a: 2" + end, "1:2");
    open_at("? \"a" + end, "1:3");
    open_at("a: ! \"x" + end, "1:6");
    open_at("a: ! # \"c\"\n  'x" + end, "2:3");
    open_at("a: \"x\" \"y" + end, "1:8");
    open_at("\xef\xbb\xbf"
            "a: '\xc3\xa4'\nb: \"x" +
                end,
            "2:4");
  }
  open_at("a: \"x\\", "1:4");
  open_at("a: \"x\\\n", "1:4");
  CHECK(
      value("a: \"x\\\\\"\nb: 'it''s'\nc: ''''\nd: \"it's\n  two\"\n'e': ['\"', \"]\"]\nf: ! 'x'\n"
            "g: |\n  \"open\nh: >-\n  'open\ni: it's\nj: ! \"y\"") ==
      Json::parse(
          R"({"a":"x\\","b":"it's","c":"'","d":"it's two","e":["\"","]"],"f":"x","g":"\"open\n","h":"'open","i":"it's","j":"y"})"));
}

TEST_CASE("a fault of the syntax is said in plain words, with a hint") {
  const auto says = [](std::string_view text, std::string_view message, std::string_view hint) {
    CAPTURE(text);
    const Error error = refused(text);
    CHECK(error.code == ErrorCode::manifest_syntax);
    CHECK(error.message == message);
    CHECK(error.hint == hint);
  };
  for (const char* text : {"a:\n\tb: 1\n", "a: 1\n\tb: 2\n", "a: |\n\tx\n"})
    says(text, "f:2:1: the line is indented with a tab", "indent with spaces");
  says("a:\n  b: 1\n  \tc: 2\n", "f:3:3: the line is indented with a tab", "indent with spaces");
  const std::string_view alike =
      "indent the keys of one mapping alike, and write a text that has `: ` in quotes";
  says("a: 1\n  b: 2\n", "f:2:4: a `:` can't be here", alike);
  says("a: b: c\t\n", "f:1:5: a `:` can't be here", alike);
  const std::string_view keys = "indent the keys of one mapping alike, and check the quotes before it";
  says("a:\n  b: 1\n c: 2\n", "f:3:2: what begins here does not continue the mapping above", keys);
  says("a: \"x\nb: \"y\"\n", "f:2:5: what begins here does not continue the mapping above", keys);
  const std::string_view brace = "add a `}`, or the `,` between two entries";
  says("a: {b: 1\nc: 2\n", "f:1:4: the `{` that begins here is not closed before line 2, column 2", brace);
  says("a: {b: \"1\" c: 2}", "f:1:4: the `{` that begins here is not closed before line 1, column 12", brace);
  says("- {b: 1\n- {b: 2}\n", "f:1:3: the `{` that begins here is not closed before line 2, column 3", brace);
  says("- {b: 1", "f:1:3: the `{` that begins here is not closed before line 2, column 1", brace);
  says("a: [1, [2]\n", "f:1:4: the `[` that begins here is not closed before line 2, column 1",
       "add a `]`, or the `,` between two entries");
  says("a: @x\n", "f:1:4: unknown token", "");
  says("{a: 1}: 2", "f:1:1: a key is not a plain text", "");
}

TEST_CASE("size, depth and number of values have limits") {
  CHECK(refused(std::string(k_max_manifest_bytes + 1, ' ')).code == ErrorCode::manifest_limit);
  CHECK(refused("a: " + std::string(65, '[') + std::string(65, ']')).code == ErrorCode::manifest_limit);
  CHECK(refused(std::string(300'000, '[') + std::string(300'000, ']')).code == ErrorCode::manifest_limit);
  std::string maps;
  for (int i = 0; i < 1000; ++i)
    maps += "{a: ";
  CHECK(refused(maps + std::string(1000, '}')).code == ErrorCode::manifest_limit);
  std::string block;
  for (std::size_t i = 0; i < 80; ++i)
    block += std::string(i, ' ') + "a:\n";
  CHECK(refused(block + std::string(80, ' ') + "b").code == ErrorCode::manifest_limit);
  std::string dashes;
  for (int i = 0; i < 200; ++i)
    dashes += "- ";
  CHECK(refused(dashes + "x").code == ErrorCode::manifest_limit);
  std::string many = "a: [";
  for (int i = 0; i < 100'001; ++i)
    many += "1,";
  CHECK(refused(many + "]").code == ErrorCode::manifest_limit);
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'j'; ++c)
    bomb += std::string(1, c) + ": &" + c + " [*" + static_cast<char>(c - 1) + ",*" +
            static_cast<char>(c - 1) + "]\n";
  CHECK(refused(bomb).code == ErrorCode::manifest_syntax);
}

TEST_CASE("hostile repetitions end quickly one way or the other") {
  for (const char* piece : {"{",  "[", "? ", "- ",    "a: ", "!",   "&",   "*",  "|\n", "'",
                            "\"", "#", "%",  "---\n", "{a",  "[a:", "\n ", ": ", ",",   "a: [\n"}) {
    std::string text;
    while (text.size() < 60'000)
      text += piece;
    CAPTURE(piece);
    const Result<YamlNode> node = parse_yaml(text, "f", k_errors);
    if (!node) {
      const bool known =
          node.error().code == ErrorCode::manifest_syntax || node.error().code == ErrorCode::manifest_limit;
      CHECK(known);
    }
  }
}
