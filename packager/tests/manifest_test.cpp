#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "common/text.h"
#include "packager/manifest.h"
#include "packager/tests/support.h"

using namespace mrun;
using mrun::testing::k_small_manifest;

namespace {

struct Case {
  std::string from, to; // replaced in the small manifest
  ErrorCode code;
  std::string message; // a part of it
  std::string hint;    // a part of it
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

void check_refused(const Case& one) {
  CAPTURE(one.to);
  const Result<Manifest> manifest =
      parse_manifest(replaced(std::string(k_small_manifest), one.from, one.to), "mrun.yaml");
  REQUIRE_FALSE(manifest);
  CHECK(manifest.error().code == one.code);
  CAPTURE(manifest.error().message);
  CAPTURE(manifest.error().hint);
  CHECK(manifest.error().message.starts_with("mrun.yaml:"));
  CHECK(manifest.error().message.find(one.message) != std::string::npos);
  CHECK(manifest.error().hint.find(one.hint) != std::string::npos);
}

} // namespace

TEST_CASE("a fault of the top level names line, column, key and what is allowed") {
  const std::vector<Case> cases = {
      {"mrun: 1", "mrun: 2", ErrorCode::manifest_version, "mrun.yaml:1:7: `mrun` is the number 2", ""},
      {"mrun: 1\n", "", ErrorCode::manifest_version, "the key `mrun` is missing", "mrun: 1"},
      {"mrun: 1", "mrun: '1'", ErrorCode::manifest_version, "", ""},
      {"description:", "descripton:", ErrorCode::manifest_unknown_key,
       "mrun.yaml:3:1: a manifest has no key `descripton`", "the nearest is `description`"},
      {"description:", "zzzzzz:", ErrorCode::manifest_unknown_key, "zzzzzz", "its keys are"},
      {"name: demo/small", "name: Demo/small", ErrorCode::manifest_value, "upper-case", "owner/model"},
      {"name: demo/small", "name: small", ErrorCode::manifest_value, "owner/name", ""},
      {"name: demo/small", "name: 12", ErrorCode::manifest_value, "is the number 12, not a text", "quotes"},
      {"name: demo/small\n", "", ErrorCode::manifest_value, "`name` is missing", ""},
      {"license: MIT", "license: ''", ErrorCode::manifest_value, "SPDX", ""},
      {"license: MIT", "license: \"<b>\"", ErrorCode::manifest_value, "SPDX", ""},
      {"license: MIT", "license:", ErrorCode::manifest_value, "is empty", ""},
      {"engine: echo", "engine: torhc", ErrorCode::manifest_value, "no engine `torhc`",
       "torch, native, transformer, process, python, echo"},
      {"engine: echo\n", "", ErrorCode::manifest_value, "`engine` is missing", ""},
      {"engine: echo\nmodel: model.bin", "engine: torch", ErrorCode::manifest_value, "needs the key `model`",
       ""},
      {"model: model.bin", "model: other.bin", ErrorCode::manifest_value, "`files:` does not list", "add it"},
      {"model: model.bin", "model: ../x", ErrorCode::manifest_value, "`..`", ""},
      {"[model.bin,", "[/model.bin,", ErrorCode::manifest_value, "is absolute", "relative"},
      {"[model.bin,", "[model.bin, a/../b,", ErrorCode::manifest_value, "`..`", ""},
      {"[model.bin,", "[model.bin, 'a[b',", ErrorCode::manifest_value, "`[` without", ""},
      {"[model.bin,", "[model.bin, 'a**b',", ErrorCode::manifest_value, "`**` inside", ""},
      {"[model.bin,", "[model.bin, model.bin,", ErrorCode::manifest_value, "twice", ""},
      {"files: [model.bin, \"*.txt\"]", "files: model.bin", ErrorCode::manifest_value, "is not a list", ""},
      {"output: {type: any}", "", ErrorCode::manifest_value, "`output` is missing", ""},
      {"output:", "concurrency: 0\noutput:", ErrorCode::manifest_value,
       "`concurrency` is 0, it must be between 1 and 256", ""},
      {"output:", "threads: lots\noutput:", ErrorCode::manifest_value, "not an integer", "auto"},
      {"output:", "batching: {max: 99999}\noutput:", ErrorCode::manifest_value, "`max` is 99999", ""},
      {"output:", "meter: {unit: 3 USD}\noutput:", ErrorCode::manifest_value, "unit", ""},
      {"output:", "meter: {unit: s, price: 1}\noutput:", ErrorCode::manifest_unknown_key, "price", ""},
      {"output:", "network: all\noutput:", ErrorCode::manifest_value, "none or outbound", ""},
      {"output:", "requires: {devices: [tpu]}\noutput:", ErrorCode::manifest_value, "no device `tpu`",
       "cpu, cuda"},
      {"output:", "requires: {memory_mib: 1.5}\noutput:", ErrorCode::manifest_value, "not an integer", ""},
      {"output:", "options: [1]\noutput:", ErrorCode::manifest_value, "`options` is not a mapping", ""},
      {"output:", "options: {a: .inf}\noutput:", ErrorCode::manifest_value, "no number", ""},
      {"description: A small model", "description: \"" + std::string(20'000, 'x') + "\"",
       ErrorCode::manifest_limit, "`description`", ""},
  };
  for (const Case& one : cases)
    check_refused(one);
  CHECK(parse_manifest("", "m").error().code == ErrorCode::manifest_value);
  CHECK(parse_manifest("- 1", "m").error().code == ErrorCode::manifest_value);
  CHECK(parse_manifest("a: [", "m").error().code == ErrorCode::manifest_syntax);
  CHECK(parse_manifest(std::string(2 << 20, ' '), "m").error().code == ErrorCode::manifest_limit);
}

TEST_CASE("long lists are read in no time") {
  std::string files = "files: [model.bin", choices = "choices: [0";
  for (int i = 1; i < 40'000; ++i) {
    if (i < 10'000) files += ",f" + std::to_string(i);
    choices += "," + std::to_string(i);
  }
  std::string text = replaced(std::string(k_small_manifest), "files: [model.bin, \"*.txt\"", files);
  text = replaced(text, "ge: 1, le: 10", choices + "]");
  const Result<Manifest> manifest = parse_manifest(text, "mrun.yaml");
  INFO((manifest ? std::string() : manifest.error().message));
  REQUIRE(manifest);
  CHECK(manifest->files.size() == 10'000);
  CHECK(manifest->inputs[1].type.choices.size() == 40'000);
}

TEST_CASE("a fault of an input or output names it") {
  const std::string n = "n: {type: integer, default: 3, ge: 1, le: 10}";
  const std::vector<Case> cases = {
      {n, "n: {typ: integer}", ErrorCode::manifest_unknown_key, "input `n` has no key `typ`", "`type`"},
      {n, "n: {}", ErrorCode::manifest_value, "input `n` has no `type`", "string"},
      {n, "n: {type: int}", ErrorCode::manifest_value, "has the type `int`", ""},
      {n, "n: integer", ErrorCode::manifest_value, "mrun.yaml:10:6: input `n` is not a mapping",
       "write `n: {type: integer}`"},
      {n, "n: int", ErrorCode::manifest_value, "is not a mapping", "write `n: {type: T}`, T one of string, "},
      {n, "n:", ErrorCode::manifest_value, "is not a mapping", "write `n: {type: T}`"},
      {n, "n: [integer]", ErrorCode::manifest_value, "is not a mapping", ""},
      {n, "n: {type: array, items: string}", ErrorCode::manifest_value, "`items` is not a mapping",
       "write `items: {type: string}`"},
      {"{type: any}", "{type: object, properties: {a: number}}", ErrorCode::manifest_value,
       "property `a` is not a mapping", "write `a: {type: number}`"},
      {"{type: any}", "string", ErrorCode::manifest_value, "`output` is not a mapping",
       "write `output: {type: string}`"},
      {n, "n: {type: integer, default: 11, le: 10}", ErrorCode::manifest_value,
       "the default of input `n` is 11, it must be at most 10", ""},
      {n, "n: {type: integer, default: x}", ErrorCode::manifest_value, "it must be an integer", ""},
      {n, "n: {type: integer, ge: 5, le: 4}", ErrorCode::manifest_value, "no value would fit", ""},
      {n, "n: {type: integer, ge: x}", ErrorCode::manifest_value, "`ge` is the text \"x\"", ""},
      {n, "n: {type: boolean, ge: 1}", ErrorCode::manifest_value, "`ge` says nothing about the type boolean",
       ""},
      {n, "n: {type: string, max_bytes: 1}", ErrorCode::manifest_value, "says nothing", ""},
      {n, "n: {type: string, min_length: -1}", ErrorCode::manifest_value, "`min_length` is -1", ""},
      {n, "n: {type: string, min_length: 3, max_length: 2}", ErrorCode::manifest_value, "no value would fit",
       ""},
      {n, "n: {type: array, length: 3, max_length: 2}", ErrorCode::manifest_value, "excludes", ""},
      {n, "n: {type: string, pattern: '('}", ErrorCode::manifest_value, "`pattern`", "RE2"},
      {n, "n: {type: string, pattern: '(?=x)'}", ErrorCode::manifest_value, "`pattern`", "look-around"},
      {n, "n: {type: string, pattern: '(a)\\1'}", ErrorCode::manifest_value, "`pattern`", ""},
      {n, "n: {type: string, pattern: '" + std::string(1025, 'a') + "'}", ErrorCode::manifest_value,
       "1025 bytes", ""},
      {n, "n: {type: string, pattern: '((a{100}){100}){100}'}", ErrorCode::manifest_value, "`pattern`", ""},
      {n, "n: {type: string, choices: []}", ErrorCode::manifest_value, "`choices` is empty", ""},
      {n, "n: {type: string, choices: [a, 1]}", ErrorCode::manifest_value, "a choice is the number 1", ""},
      {n, "n: {type: string, choices: [a, a]}", ErrorCode::manifest_value, "twice", ""},
      {n, "n: {type: string, choices: [a], default: b}", ErrorCode::manifest_value, "it must be one of \"a\"",
       ""},
      {n, "n: {type: file, default: x}", ErrorCode::manifest_value, "no default", "optional"},
      {n, "n: {type: integer, optional: maybe}", ErrorCode::manifest_value, "true or false", ""},
      {n, "n: {type: array, items: {type: array, items: {typo: 1}}}", ErrorCode::manifest_unknown_key, "typo",
       ""},
      {n, "a-b: {type: integer}", ErrorCode::manifest_value, "letters, digits and _", ""},
      {n, "output: {type: integer}", ErrorCode::manifest_value, "can't be called `output`", ""},
      {"{type: any}", "{type: number, concatenate: true}", ErrorCode::manifest_value,
       "only pieces of type string", ""},
      {"{type: any}", "{type: object, properties: [a]}", ErrorCode::manifest_value,
       "`properties` is not a mapping", ""},
      {"{type: any}", "{type: any, default: 1}", ErrorCode::manifest_unknown_key, "default", ""},
  };
  for (const Case& one : cases)
    check_refused(one);
  std::string many = "inputs:\n";
  for (int i = 0; i < 257; ++i)
    many += "  i" + std::to_string(i) + ": {type: any}\n";
  check_refused({"inputs:\n  text: {type: string, min_length: 1, max_length: 5}\n  " + n + "\n", many,
                 ErrorCode::manifest_limit, "257 inputs", ""});
}

TEST_CASE("a step reads what is there, writes one value and names files that are packed") {
  const std::vector<Case> cases = {
      {"output:", "pre: [{step: resise, from: text, to: in.x}]\noutput:", ErrorCode::manifest_step,
       "no step `resise`", "the nearest is `resize`"},
      {"output:", "pre: [{from: text}]\noutput:", ErrorCode::manifest_step, "has no `step`", ""},
      {"output:", "pre: [resize]\noutput:", ErrorCode::manifest_step, "not a mapping", ""},
      {"output:", "pre: [{step: resize, to: in.x}]\noutput:", ErrorCode::manifest_step,
       "2 inputs: it needs `from`", ""},
      {"output:", "pre: [{step: resize, from: tex, to: in.x}]\noutput:", ErrorCode::manifest_step,
       "reads `tex`", "the nearest is `text`"},
      {"output:", "pre: [{step: resize, from: out.0, to: in.x}]\noutput:", ErrorCode::manifest_step,
       "before the graph has run", ""},
      {"output:", "pre: [{step: resize, from: 'a b', to: in.x}]\noutput:", ErrorCode::manifest_step,
       "not the name of a value", ""},
      {"output:", "pre: [{step: resize, from: text, to: n}]\noutput:", ErrorCode::manifest_step,
       "overwrite the input `n`", ""},
      {"output:", "post: [{step: softmax, from: out.0, to: out.1}]\noutput:", ErrorCode::manifest_step,
       "belongs to the graph", ""},
      {"output:", "post: [{step: softmax, from: out.0, to: x}]\noutput:", ErrorCode::manifest_step,
       "no post step writes `output`", ""},
      {"output:", "post: [{step: top_k, from: out.0, k: $m, to: output}]\noutput:", ErrorCode::manifest_step,
       "`$m`", "`n`"},
      {"output:", "pre: [{step: tokenize, from: text, tokenizer: t.json, to: in.x}]\noutput:",
       ErrorCode::manifest_step, "`files:` does not list", ""},
      {"output:", "post: [{step: mean_pool, from: out.0, mask: nope, to: output}]\noutput:",
       ErrorCode::manifest_step, "reads `nope`", ""},
      {"output:", "pre: [{step: from_json, form: text, to: in.x}]\noutput:", ErrorCode::manifest_step,
       "mrun.yaml:11:25: step `from_json` has no option `form`", "the nearest is `from`"},
      {"output:", "post:\n  - step: softmax\n    from: out.0\n    axs: 1\n    to: output\noutput:",
       ErrorCode::manifest_step, "mrun.yaml:14:5: step `softmax` has no option `axs`",
       "the nearest is `axis`"},
      {"output:", "post: [{step: l2_normalize, from: out.0, epsilon: 1, to: output}]\noutput:",
       ErrorCode::manifest_step, "no option `epsilon`", "its options are from, to"},
      {"output:", "pre: {step: resize}\noutput:", ErrorCode::manifest_value, "is not a list", ""},
  };
  for (const Case& one : cases)
    check_refused(one);
  const std::string fine = "pre: [{step: tokenize, from: text, tokenizer: t.txt, to: {ids: in.a, mask: "
                           "in.b}}, {step: cast, to: tmp}]\n"
                           "post: [{step: top_k, from: out.0, k: $n, labels: l.txt}, {step: reshape, from: "
                           "[tmp, in.a], to: output}]\noutput:";
  CHECK(parse_manifest(replaced(std::string(k_small_manifest), "output:", fine), "m"));
}

TEST_CASE("a step takes every option that steps.md lists") {
  const std::vector<std::string> steps = {
      "{step: decode_image, from: text, to: a, color: rgb, exif: ignore}",
      "{step: resize, shorter_side: 1, size: [1, 1], filter: box, antialias: true}",
      "{step: center_crop, size: [1, 1]}",
      "{step: normalize, mean: [1], std: [1], layout: nchw}",
      std::string("{step: tokenize, tokenizer: t.txt, max_tokens: 1, pad: none, overflow: error, ") +
          "special_tokens: true, dtype: i64}",
      "{step: softmax, axis: 0}",
      "{step: top_k, k: 1, labels: l.txt}",
      "{step: mean_pool, mask: a}",
      "{step: l2_normalize}",
      "{step: cast, dtype: f32}",
      "{step: from_json, dtype: f32, shape: [1]}",
      "{step: from_npy, shape: [1]}",
      "{step: from_safetensors, tensor: a, shape: [1]}",
      "{step: to_json, batch: keep}",
      "{step: to_npy, batch: keep}",
      "{step: to_safetensors, tensors: {a: a}, batch: keep}",
      "{step: argmax, axis: 0}",
      "{step: reshape, shape: [1]}"};
  std::string list = "pre:\n";
  for (const std::string& step : steps)
    list += "  - " + step + "\n";
  const Result<Manifest> manifest =
      parse_manifest(replaced(std::string(k_small_manifest), "output:", list + "output:"), "m");
  INFO((manifest ? std::string() : manifest.error().message));
  CHECK(manifest);
}

TEST_CASE("examples and warm-ups are checked like a caller's input") {
  const std::vector<Case> cases = {
      {"output:", "examples: [{name: a, input: {text: x, m: 1}}]\noutput:", ErrorCode::manifest_value,
       "no such input", "`n`"},
      {"output:", "examples: [{name: a, input: {n: 1}}]\noutput:", ErrorCode::manifest_value,
       "lacks the input `text`", ""},
      {"output:", "examples: [{name: a, input: {text: toolong}}]\noutput:", ErrorCode::manifest_value,
       "7 characters", ""},
      {"output:", "examples: [{input: {text: x}}]\noutput:", ErrorCode::manifest_value, "needs a `name`", ""},
      {"output:", "examples: [{name: a}]\noutput:", ErrorCode::manifest_value, "no `input`", ""},
      {"output:", "examples: [{name: a, input: {text: x}}, {name: a, input: {text: x}}]\noutput:",
       ErrorCode::manifest_value, "two examples `a`", ""},
      {"output:", "examples: [{name: a, input: {text: x}, expect: {match: 1, close_to: y}}]\noutput:",
       ErrorCode::manifest_value, "either `match` or", ""},
      {"output:", "examples: [{name: a, input: {text: x}, expect: {close_to: y}}]\noutput:",
       ErrorCode::manifest_value, "not in `files:`", ""},
      {"output:", "examples: [{name: a, input: {text: x}, expect: {match: 1, atol: 1}}]\noutput:",
       ErrorCode::manifest_value, "`atol`", ""},
      {"output:", "warmup: [{text: 5}]\noutput:", ErrorCode::manifest_value, "it must be a text", ""},
      {"output:", "warmup: {text: x}\noutput:", ErrorCode::manifest_value, "is not a list", ""},
      {"n: {type: integer, default: 3, ge: 1, le: 10}\n",
       "f: {type: file}\nexamples: [{name: a, input: {text: x, f: \"@x.png\"}}]\n", ErrorCode::manifest_value,
       "not in `files:`", ""},
      {"n: {type: integer, default: 3, ge: 1, le: 10}\n",
       "f: {type: file}\nexamples: [{name: a, input: {text: x, f: x.txt}}]\n", ErrorCode::manifest_value,
       "\"@path\"", ""},
  };
  for (const Case& one : cases)
    check_refused(one);
}

TEST_CASE("the manifest as JSON has every key, inputs in the order written and defaults filled in") {
  const Json json = manifest_json(parse_manifest(k_small_manifest, "m").value());
  CHECK(
      canonical_json(json) ==
      R"({"batching":{"max":1},"concurrency":1,"description":"A small model","engine":"echo","examples":[],"files":["model.bin","*.txt"],)"
      R"("inputs":[{"max_length":5,"min_length":1,"name":"text","type":"string"},{"default":3,"ge":1,"le":10,"name":"n","type":"integer"}],)"
      R"("license":"MIT","meter":{"unit":"runtime_s"},"model":"model.bin","mrun":1,"name":"demo/small","network":"none","options":{},)"
      R"("output":{"type":"any"},"post":[],"pre":[],"requires":{"devices":[]},"task":"","threads":"auto","warmup":[]})");
}

namespace {

// The keys that the reader takes, from its own message about one that it does not.
std::set<std::string> keys_of_hint(const std::string& text) {
  const std::string hint = parse_manifest(text, "m").error().hint;
  const std::size_t at = hint.find(" are ");
  REQUIRE(at != std::string::npos);
  std::set<std::string> keys;
  for (const std::string_view key : split(std::string_view(hint).substr(at + 5), ','))
    keys.emplace(trim(key));
  return keys;
}

std::set<std::string> keys_of(const Json& object) {
  std::set<std::string> keys;
  for (const auto& [key, value] : object.items())
    keys.insert(key);
  return keys;
}

} // namespace

TEST_CASE("the JSON Schema that ships and the reader know the same keys, engines and steps") {
  const Json schema = Json::parse(read_file(std::string(MRUN_TEST_DATA) + "/../../mrun.schema.json", 1 << 20,
                                            ErrorCode::io, ErrorCode::io)
                                      .value());
  const std::string small(k_small_manifest);
  CHECK(keys_of_hint("zzzzzzzzzzzz: 1") == keys_of(schema["properties"]));
  CHECK(keys_of_hint(replaced(small, "{type: integer,", "{zzzzzzzzzzzz: 1,")) ==
        keys_of(schema["$defs"]["input"]["properties"]));
  CHECK(keys_of_hint(replaced(small, "{type: any}", "{zzzzzzzzzzzz: 1}")) ==
        keys_of(schema["$defs"]["output"]["properties"]));
  CHECK(keys_of_hint(replaced(small, "{type: any}", "{type: array, items: {zzzzzzzzzzzz: 1}}")) ==
        keys_of(schema["$defs"]["type"]["properties"]));
  const std::vector<std::string> engines = schema["properties"]["engine"]["enum"];
  CHECK(keys_of_hint(replaced(small, "echo", "zzzzzzzzzzzz")) ==
        std::set<std::string>(engines.begin(), engines.end()));
  const std::vector<std::string> steps = schema["$defs"]["step"]["properties"]["step"]["enum"];
  CHECK(keys_of_hint(replaced(small, "output:", "pre: [{step: zzzzzzzzzzzzzzzzzzzz}]\noutput:")) ==
        std::set<std::string>(steps.begin(), steps.end()));
}
