#include <cmath>
#include <doctest/doctest.h>

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
