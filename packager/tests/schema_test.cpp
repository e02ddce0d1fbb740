#include <doctest/doctest.h>

#include <limits>

#include "packager/schema.h"
#include "packager/tests/support.h"

using namespace mrun;

namespace {

constexpr std::string_view k_manifest = R"(mrun: 1
name: demo/all
engine: echo
inputs:
  text: {type: string, min_length: 1, max_length: 5}
  top_k: {type: integer, default: 5, ge: 1, le: 1000}
  scale: {type: number, optional: true, ge: 0.5}
  mode: {type: string, default: fast, choices: [fast, slow, best]}
  code: {type: string, optional: true, pattern: "^[a-z]+$"}
  image: {type: file, optional: true, accept: [image/png, audio/*], max_bytes: 10}
  token: {type: secret, optional: true, deprecated: true}
  flag: {type: boolean, default: false}
  list: {type: array, items: {type: integer, ge: 0}, max_length: 3, optional: true}
  pictures: {type: array, items: {type: file}, optional: true}
  box: {type: object, optional: true, properties: {x: {type: number}, y: {type: number}}}
  extra: {type: any, optional: true}
output: {type: string, concatenate: true}
)";

Manifest manifest() {
  return parse_manifest(k_manifest, "m").value();
}

// The input with "text" filled in, so that each case shows one fault.
Result<Json> check(Json input) {
  if (!input.contains("text")) input["text"] = "x";
  return check_input(manifest(), input);
}

void refused(const Json& input, ErrorCode code, std::string_view message, std::string_view hint = {}) {
  const Result<Json> checked = check(input);
  CAPTURE(canonical_json(input));
  REQUIRE_FALSE(checked);
  CAPTURE(checked.error().message);
  CAPTURE(checked.error().hint);
  CHECK(checked.error().code == code);
  CHECK(checked.error().message == message);
  CHECK(checked.error().hint.find(hint) != std::string::npos);
}

Result<Json> arguments(std::initializer_list<std::string_view> words) {
  std::vector<InputArgument> list;
  for (const std::string_view word : words) {
    Result<InputArgument> argument = parse_input_argument(word);
    if (!argument) return tl::unexpected<Error>(argument.error());
    list.push_back(*argument);
  }
  return input_from_arguments(manifest(), list);
}

} // namespace

TEST_CASE("defaults are filled in, optional inputs stay out") {
  CHECK(check(Json::object()).value() ==
        Json{{"text", "x"}, {"top_k", 5}, {"mode", "fast"}, {"flag", false}});
  CHECK(check({{"scale", nullptr}}).value().contains("scale") == false);
  CHECK(check({{"extra", {1, "a", nullptr}}}).value()["extra"] == Json{1, "a", nullptr});
}

TEST_CASE("the first fault of an input names the input, what was given and what is allowed") {
  refused({{"top_k", 5000}}, ErrorCode::input_range, "input `top_k` is 5000, it must be between 1 and 1000");
  refused({{"top_k", 1001.0}}, ErrorCode::input_range,
          "input `top_k` is 1001, it must be between 1 and 1000");
  refused({{"scale", 0.25}}, ErrorCode::input_range, "input `scale` is 0.25, it must be at least 0.5");
  refused({{"top_k", "5"}}, ErrorCode::input_type,
          "input `top_k` is the text \"5\", it must be an integer between 1 and 1000");
  refused({{"top_k", 1.5}}, ErrorCode::input_type,
          "input `top_k` is the number 1.5, it must be an integer between 1 and 1000");
  refused({{"top_k", nullptr}}, ErrorCode::input_type,
          "input `top_k` is nothing, it must be an integer between 1 and 1000");
  refused({{"top_k", true}}, ErrorCode::input_type,
          "input `top_k` is true, it must be an integer between 1 and 1000");
  refused({{"top_k", UINT64_MAX}}, ErrorCode::input_range,
          "input `top_k` is 18446744073709551615, integers go up to 9223372036854775807");
  refused({{"top_k", 1e300}}, ErrorCode::input_type,
          "input `top_k` is the number 1e+300, it must be an integer between 1 and 1000");
  refused({{"scale", std::numeric_limits<double>::quiet_NaN()}}, ErrorCode::input_type,
          "input `scale` is the number null, it must be a number at least 0.5");
  refused({{"txt", "a"}}, ErrorCode::input_unknown, "demo/all has no input `txt`", "the nearest is `text`");
  refused({{"zzzzzzzz", "a"}}, ErrorCode::input_unknown, "demo/all has no input `zzzzzzzz`",
          "its inputs are `text`, `top_k`");
  refused({{"text", ""}}, ErrorCode::input_length,
          "input `text` has 0 characters, it must have 1 to 5 characters");
  refused({{"text", "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"}}, ErrorCode::input_length,
          "input `text` has 6 characters, it must have 1 to 5 characters");
  refused({{"text", 5}}, ErrorCode::input_type,
          "input `text` is the number 5, it must be a text of 1 to 5 characters");
  refused({{"text", "\xff"}}, ErrorCode::input_type, "input `text` is not valid UTF-8");
  refused({{"mode", "fats"}}, ErrorCode::input_choice,
          "input `mode` is \"fats\", it must be one of \"fast\", \"slow\", \"best\"",
          "the nearest is \"fast\"");
  refused({{"code", "A"}}, ErrorCode::input_length, "input `code` is \"A\", it must match ^[a-z]+$");
  refused({{"flag", "true"}}, ErrorCode::input_type,
          "input `flag` is the text \"true\", it must be true or false");
  refused({{"list", {1, 2, 3, 4}}}, ErrorCode::input_length,
          "input `list` has 4 items, it must have at most 3 items");
  refused({{"list", {1, -1}}}, ErrorCode::input_range, "input `list`, item 1, is -1, it must be at least 0");
  refused({{"list", 1}}, ErrorCode::input_type,
          "input `list` is the number 1, it must be a list of at most 3 items");
  refused({{"box", {{"x", 1}}}}, ErrorCode::input_type, "input `box` has no key `y`: a number");
  refused({{"box", {{"x", 1}, {"y", 1}, {"z", 1}}}}, ErrorCode::input_type,
          "input `box` has a key `z`, its keys are x, y");
  refused({{"box", "x"}}, ErrorCode::input_type, "input `box` is the text \"x\", it must be an object");
  CHECK(check_input(manifest(), Json::object()).error().code == ErrorCode::input_missing);
  CHECK(check_input(manifest(), Json::object()).error().message ==
        "input `text` is missing: a text of 1 to 5 characters");
  CHECK(check_input(manifest(), Json::object()).error().hint == "add -i text=…");
  CHECK(check_input(manifest(), Json::array()).error().code == ErrorCode::input_type);
}

TEST_CASE("numbers at the edges keep their value") {
  CHECK(check({{"top_k", 7.0}}).value()["top_k"].is_number_integer());
  CHECK(check({{"top_k", 1000}}));
  CHECK(check({{"scale", 1}}).value()["scale"] == 1);
  CHECK(check(
      {{"text",
        "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80"}})); // 5 code
                                                                                                // points
  const Manifest open =
      parse_manifest("mrun: 1\nname: a/b\nengine: echo\ninputs: {n: {type: integer}}\noutput: {type: any}\n",
                     "m")
          .value();
  CHECK(check_input(open, {{"n", INT64_MIN}}).value()["n"] == INT64_MIN);
  CHECK(check_input(open, {{"n", INT64_MAX}}).value()["n"] == INT64_MAX);
  CHECK(check_input(open, {{"n", -0.0}}).value()["n"] == 0);
}

TEST_CASE("a file is a data: URI or a URL, of an accepted type and size") {
  CHECK(check({{"image", "data:image/png;base64,AAAA"}}));
  CHECK(check({{"image", "data:audio/wav;base64,AAAA"}}));
  CHECK(check({{"image", "data:;base64,AAAA"}}));
  CHECK(check({{"image", "https://example.org/a.png"}}));
  refused({{"image", "cat.png"}}, ErrorCode::input_file,
          "input `image` is \"cat.png\", it must be a file (image/png, audio/*)", "data: URI");
  refused({{"image", "data:text/html,<b>"}}, ErrorCode::input_file,
          "input `image` is of type text/html, it must be a file (image/png, audio/*)");
  refused({{"image", "data:image/png"}}, ErrorCode::input_file,
          "input `image` is a data: URI without a comma");
  refused({{"image", "data:image/png;base64," + std::string(40, 'A')}}, ErrorCode::input_file,
          "input `image` has 30 B, at most 10 B are allowed");
  refused({{"image", {{"$file", "/etc/passwd"}}}}, ErrorCode::input_type,
          "input `image` is an object, it must be a file (image/png, audio/*)");
  refused({{"image", "file:///etc/passwd"}}, ErrorCode::input_file,
          "input `image` is \"file:///etc/passwd\", it must be a file (image/png, audio/*)");
}

TEST_CASE("a pattern made to backtrack takes linear time") {
  const Manifest slow = parse_manifest("mrun: 1\nname: a/b\nengine: echo\ninputs: {t: {type: string, "
                                       "pattern: '^(a+)+$'}}\noutput: {type: any}\n",
                                       "m")
                            .value();
  CHECK(check_input(slow, {{"t", std::string(100'000, 'a') + "b"}}).error().code == ErrorCode::input_length);
}

TEST_CASE("an -i argument is key=value, key=@file, key=@@text or key:=JSON") {
  CHECK(parse_input_argument("a=b=c").value().value == "b=c");
  CHECK(parse_input_argument("a=@x.png").value().kind == InputArgument::Kind::file);
  CHECK(parse_input_argument("a=@@x").value().value == "@x");
  CHECK(parse_input_argument("a:=[1]").value().kind == InputArgument::Kind::json);
  CHECK(parse_input_argument("a=x:=y").value().value == "x:=y");
  CHECK(parse_input_argument("a=").value().value.empty());
  for (const char* text : {"a", "=b", ":=1", "", "a=@"})
    CHECK(parse_input_argument(text).error().code == ErrorCode::input_syntax);
}

TEST_CASE("arguments are typed by the schema") {
  mrun::testing::Folder folder;
  folder.write("t.txt", "hi");
  folder.write("bad.txt", "\xff");
  folder.write("list.json", "[1,2]");
  const std::string at = folder.path.string();
  CHECK(arguments({"text=12", "top_k=7", "scale=1.5", "flag=true"}).value() ==
        Json{{"text", "12"}, {"top_k", 7}, {"scale", 1.5}, {"flag", true}});
  CHECK(arguments({"text=a", "list=1", "list=2"}).value()["list"] == Json{1, 2});
  CHECK(arguments({"text=a", "list:=[3]"}).value()["list"] == Json{3});
  CHECK(arguments({"text=a", "list=@" + at + "/list.json"}).value()["list"] == Json{1, 2});
  CHECK(arguments({"text=a", "image=@cat.png"}).value()["image"] == file_argument("cat.png"));
  CHECK(arguments({"text=a", "image=data:image/png;base64,AA=="}));
  CHECK(arguments({"text=a", "pictures=@1.png", "pictures=@2.png"}).value()["pictures"] ==
        Json::array({file_argument("1.png"), file_argument("2.png")}));
  CHECK(arguments({"text=@" + at + "/t.txt"}).value()["text"] == "hi");
  CHECK(arguments({"text=@@x"}).value()["text"] == "@x");
  CHECK(arguments({"text=a", "top_k=5.0"}).value()["top_k"] == 5);
  CHECK(arguments({"text=a", "top_k=five"}).error().code == ErrorCode::input_type);
  CHECK(arguments({"text=a", "top_k="}).error().code == ErrorCode::input_type);
  CHECK(arguments({"text=a", "top_k=1e999"}).error().code == ErrorCode::input_type);
  CHECK(arguments({"text=a", "flag=yes"}).error().message ==
        "input `flag` is \"yes\", it must be true or false");
  CHECK(arguments({"text=a", "box=1"}).error().hint == "write -i box:='JSON'");
  CHECK(arguments({"text=a", "image=cat.png"}).error().hint == "write -i image=@cat.png");
  CHECK(arguments({"text=a", "text=b"}).error().message == "input `text` is given twice");
  CHECK(arguments({"text=a", "extra:={"}).error().code == ErrorCode::input_syntax);
  CHECK(arguments({"txt=a"}).error().hint == "the nearest is `text`");
  CHECK(arguments({"top_k=1"}).error().code == ErrorCode::input_missing);
  CHECK(arguments({"text=@" + at + "/none.txt"}).error().code == ErrorCode::input_file);
  CHECK(arguments({"text=@" + at + "/bad.txt"}).error().code == ErrorCode::input_file);
  CHECK(arguments({"text=\xff"}).error().code == ErrorCode::input_type);
  CHECK(arguments({"text=abcdef"}).error().code == ErrorCode::input_length);
}

TEST_CASE("a missing input shows the model's own example") {
  const std::string text =
      read_file(std::string(MRUN_TEST_DATA) + "/mobilenet.yaml", 1 << 20, ErrorCode::io, ErrorCode::io)
          .value();
  const Manifest mobilenet = parse_manifest(text, "m").value();
  CHECK(check_input(mobilenet, Json::object()).error().hint == "add -i image=@examples/coffee.png");
}

TEST_CASE("the OpenAPI document has Cog's shapes") {
  const Json schemas = openapi_schema(manifest())["components"]["schemas"];
  const Json& input = schemas["Input"];
  CHECK(input["title"] == "Input");
  CHECK(input["required"] == Json{"text"});
  const Json& properties = input["properties"];
  CHECK(properties["text"] ==
        Json{{"type", "string"}, {"title", "Text"}, {"x-order", 0}, {"minLength", 1}, {"maxLength", 5}});
  CHECK(properties["top_k"] == Json{{"type", "integer"},
                                    {"title", "Top K"},
                                    {"x-order", 1},
                                    {"default", 5},
                                    {"minimum", 1},
                                    {"maximum", 1000}});
  CHECK(properties["scale"] ==
        Json{{"type", "number"}, {"title", "Scale"}, {"x-order", 2}, {"minimum", 0.5}, {"nullable", true}});
  CHECK(properties["mode"] == Json{{"allOf", Json::array({{{"$ref", "#/components/schemas/mode"}}})},
                                   {"x-order", 3},
                                   {"default", "fast"}});
  CHECK(schemas["mode"] == Json{{"title", "mode"},
                                {"description", "An enumeration."},
                                {"enum", {"fast", "slow", "best"}},
                                {"type", "string"}});
  CHECK(properties["code"]["pattern"] == "^[a-z]+$");
  CHECK(properties["image"] == Json{{"type", "string"},
                                    {"format", "uri"},
                                    {"title", "Image"},
                                    {"x-order", 5},
                                    {"nullable", true},
                                    {"x-cog-accept", "image/png,audio/*"}});
  CHECK(properties["token"]["x-cog-secret"] == true);
  CHECK(properties["token"]["format"] == "password");
  CHECK(properties["token"]["deprecated"] == true);
  CHECK(properties["list"]["items"] == Json{{"type", "integer"}, {"minimum", 0}});
  CHECK(properties["list"]["maxItems"] == 3);
  CHECK(schemas["Output"] == Json{{"title", "Output"},
                                  {"type", "array"},
                                  {"items", {{"type", "string"}}},
                                  {"x-cog-array-type", "iterator"},
                                  {"x-cog-array-display", "concatenate"}});
  for (const char* name :
       {"PredictionRequest", "PredictionResponse", "Status", "HTTPValidationError", "ValidationError"})
    CHECK(schemas.contains(name));
  CHECK(schemas["Status"]["enum"] == Json{"starting", "processing", "succeeded", "canceled", "failed"});
}

TEST_CASE("the whole OpenAPI document of an example is as it was") {
  const std::string text =
      read_file(std::string(MRUN_TEST_DATA) + "/mobilenet.yaml", 1 << 20, ErrorCode::io, ErrorCode::io)
          .value();
  const std::string golden = read_file(std::string(MRUN_TEST_DATA) + "/mobilenet.openapi.json", 1 << 20,
                                       ErrorCode::io, ErrorCode::io)
                                 .value();
  CHECK(openapi_schema(parse_manifest(text, "m").value()).dump(1) + "\n" == golden);
}
