#include "packager/schema_diff.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace mrun;

namespace {

Manifest manifest(std::string_view inputs, std::string_view output) {
  const std::string text =
      fmt::format("mrun: 1\nname: demo/echo\nlicense: MIT\nengine: echo\nfiles: []\ninputs: {}\noutput: {}\n",
                  inputs, output);
  const Result<Manifest> parsed = parse_manifest(text, "mrun.yaml");
  INFO((parsed ? std::string() : parsed.error().message));
  REQUIRE(parsed);
  return *parsed;
}

// "place aspect words", with a `!` before what breaks callers.
std::vector<std::string> lines(const std::vector<SchemaChange>& changes) {
  std::vector<std::string> out;
  for (const SchemaChange& change : changes)
    out.push_back(fmt::format("{}{} {}: {}", change.breaks ? "!" : "", change.place,
                              schema_aspect_name(change.aspect), change.words));
  return out;
}

using Lines = std::vector<std::string>;

Lines of_inputs(std::string_view before, std::string_view after) {
  return lines(diff_schemas(manifest(before, "{type: any}"), manifest(after, "{type: any}")));
}
// The change of one input `x`.
Lines of_input(std::string_view before, std::string_view after) {
  return of_inputs(fmt::format("{{x: {}}}", before), fmt::format("{{x: {}}}", after));
}
Lines of_output(std::string_view before, std::string_view after) {
  return lines(diff_schemas(manifest("{}", before), manifest("{}", after)));
}

} // namespace

TEST_CASE("the same schema has no changes, whatever its words and order are") {
  CHECK(of_inputs("{a: {type: string, description: one}, b: {type: integer, default: 1}}",
                  "{b: {type: integer, default: 1}, a: {type: string, description: two}}")
            .empty());
  CHECK(of_output("{type: array, length: 3}", "{type: array, min_length: 3, max_length: 3}").empty());
}

TEST_CASE("inputs come and go") {
  CHECK(of_inputs("{a: {type: string}}", "{}") == Lines{"!inputs.a removed: no longer taken"});
  CHECK(of_inputs("{}", "{a: {type: integer, ge: 1, le: 9}}") ==
        Lines{"!inputs.a added: new, required: an integer between 1 and 9"});
  CHECK(of_inputs("{}", "{a: {type: string, optional: true}}") ==
        Lines{"inputs.a added: new, may be left out: a text"});
  CHECK(of_inputs("{}", "{a: {type: integer, default: 3}}") ==
        Lines{"inputs.a added: new, may be left out: an integer"});
}

TEST_CASE("what may be left out") {
  CHECK(of_input("{type: integer, default: 3}", "{type: integer}") ==
        Lines{"!inputs.x required: now required"});
  CHECK(of_input("{type: integer}", "{type: integer, optional: true}") ==
        Lines{"inputs.x required: may now be left out"});
  CHECK(of_input("{type: integer, default: 3}", "{type: integer, default: 4}") ==
        Lines{"inputs.x default: default 4, was default 3"});
  CHECK(of_input("{type: integer, default: 3}", "{type: integer, optional: true}") ==
        Lines{"inputs.x default: no default, was default 3"});
  CHECK(of_input("{type: integer, optional: true}", "{type: integer, default: 3}") ==
        Lines{"!inputs.x required: null is no longer taken", "inputs.x default: default 3, was no default"});
  CHECK(of_input("{type: integer}", "{type: integer, deprecated: true}") ==
        Lines{"inputs.x deprecated: now deprecated"});
}

TEST_CASE("an input's type may be widened, an output's narrowed") {
  const Lines widened = {"inputs.x type: number, was integer"};
  CHECK(of_input("{type: integer}", "{type: number}") == widened);
  CHECK(of_input("{type: number}", "{type: integer}") == Lines{"!inputs.x type: integer, was number"});
  CHECK(of_input("{type: string}", "{type: any}") == Lines{"inputs.x type: any, was string"});
  CHECK(of_input("{type: any}", "{type: string}") == Lines{"!inputs.x type: string, was any"});
  CHECK(of_input("{type: string}", "{type: secret}") == Lines{"inputs.x type: secret, was string"});
  CHECK(of_input("{type: string, max_length: 5}", "{type: file}") ==
        Lines{"!inputs.x type: file, was string"});
  CHECK(of_output("{type: integer}", "{type: number}") == Lines{"!output type: number, was integer"});
  CHECK(of_output("{type: number}", "{type: integer}") == Lines{"output type: integer, was number"});
  CHECK(of_output("{type: any}", "{type: string}") == Lines{"output type: string, was any"});
  CHECK(of_output("{type: string}", "{type: any}") == Lines{"!output type: any, was string"});
}

TEST_CASE("ranges and lengths") {
  CHECK(of_input("{type: integer, le: 100}", "{type: integer, le: 50}") ==
        Lines{"!inputs.x range: at most 50, was at most 100"});
  CHECK(of_input("{type: integer, le: 50}", "{type: integer, le: 100}") ==
        Lines{"inputs.x range: at most 100, was at most 50"});
  CHECK(of_input("{type: integer}", "{type: integer, ge: 0}") ==
        Lines{"!inputs.x range: at least 0, was without bounds"});
  CHECK(of_input("{type: number, ge: 0, le: 1}", "{type: number, ge: 0.5, le: 2}") ==
        Lines{"!inputs.x range: 0.5 to 2, was 0 to 1"});
  CHECK(of_output("{type: number, ge: 0, le: 1}", "{type: number, ge: 0, le: 2}") ==
        Lines{"!output range: 0 to 2, was 0 to 1"});
  CHECK(of_output("{type: number, ge: 0}", "{type: number, ge: 0, le: 2}") ==
        Lines{"output range: 0 to 2, was at least 0"});
  CHECK(of_input("{type: string, max_length: 9}", "{type: string, max_length: 8}") ==
        Lines{"!inputs.x length: at most 8 characters, was at most 9 characters"});
  CHECK(of_output("{type: array, length: 384}", "{type: array, length: 512}") ==
        Lines{"!output length: exactly 512 items, was exactly 384 items"});
}

TEST_CASE("choices and patterns") {
  CHECK(of_input("{type: string, choices: [a, b]}", "{type: string, choices: [b, c]}") ==
        Lines{R"(!inputs.x choices: without "a")", R"(inputs.x choices: also "c")"});
  CHECK(of_input("{type: string}", "{type: string, choices: [a]}") ==
        Lines{R"(!inputs.x choices: now only one of "a")"});
  CHECK(of_input("{type: string, choices: [a]}", "{type: string}") ==
        Lines{R"(inputs.x choices: no longer only one of "a")"});
  CHECK(of_output("{type: string, choices: [a]}", "{type: string, choices: [a, b]}") ==
        Lines{R"(!output choices: also "b")"});
  CHECK(of_input("{type: string}", "{type: string, pattern: '^a'}") ==
        Lines{"!inputs.x pattern: must now match ^a"});
  CHECK(of_input("{type: string, pattern: '^a'}", "{type: string, pattern: '^b'}") ==
        Lines{"!inputs.x pattern: must match ^b, was ^a"});
  CHECK(of_input("{type: string, pattern: '^a'}", "{type: string}") ==
        Lines{"inputs.x pattern: need no longer match ^a"});
}

TEST_CASE("files") {
  CHECK(of_input("{type: file, accept: [image/png]}", "{type: file, accept: ['image/*']}") ==
        Lines{"inputs.x accept: image/*, was image/png"});
  CHECK(of_input("{type: file}", "{type: file, accept: [image/png]}") ==
        Lines{"!inputs.x accept: image/png, was any media type"});
  CHECK(of_input("{type: file, max_bytes: 2048}", "{type: file, max_bytes: 1024}") ==
        Lines{"!inputs.x max_bytes: at most 1.0 KiB, was at most 2.0 KiB"});
  CHECK(of_output("{type: file, accept: [image/png]}", "{type: file, accept: [image/jpeg]}") ==
        Lines{"!output accept: image/jpeg, was image/png"});
}

TEST_CASE("lists and objects are looked into") {
  CHECK(of_input("{type: array, items: {type: integer}}", "{type: array, items: {type: number}}") ==
        Lines{"inputs.x.items type: number, was integer"});
  CHECK(of_input("{type: array}", "{type: array, items: {type: number}}") ==
        Lines{"!inputs.x.items type: number, was any"});
  const std::string_view point = "{type: object, properties: {x: {type: number}}}";
  const std::string_view place = "{type: object, properties: {x: {type: number}, y: {type: number}}}";
  CHECK(of_output(point, place) == Lines{"output.properties.y added: new: a number"});
  CHECK(of_output(place, point) == Lines{"!output.properties.y removed: no longer given"});
  CHECK(of_input(point, place) == Lines{"!inputs.x.properties.y added: new, required: a number"});
  CHECK(of_input(place, point) == Lines{"!inputs.x.properties.y removed: no longer taken"});
  CHECK(of_input("{type: object}", point) == Lines{"!inputs.x type: now an object with fixed keys"});
  CHECK(of_output("{type: object}", point) == Lines{"output type: now an object with fixed keys"});
}

TEST_CASE("an output that comes in another way breaks callers") {
  CHECK(of_output("{type: string}", "{type: string, iterator: true}") ==
        Lines{"!output streaming: a list, piece by piece, was one value"});
  CHECK(of_output("{type: string, iterator: true}", "{type: string, concatenate: true}") ==
        Lines{"!output streaming: pieces of one text, was a list, piece by piece"});
}
