// mrun.yaml, format 1, as types. docs/formats/manifest.md describes every key; share/mrun/mrun.schema.json
// ships.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/json.h"
#include "common/safe_path.h"

namespace re2 {
class RE2;
}

namespace mrun {

enum class ValueType { string, integer, number, boolean, file, secret, array, object, any };
std::string_view value_type_name(ValueType type);

struct PropertySpec;

// The type and constraints of an input, an output, an array's items or an object's property.
struct TypeSpec {
  ValueType type = ValueType::any;
  std::string description;
  std::optional<double> ge, le;                        // integer, number
  std::optional<std::uint64_t> min_length, max_length; // string: code points; array: items
  std::optional<std::uint64_t> length;                 // array: exactly
  std::string pattern;                                 // string: RE2 regular expression
  std::shared_ptr<const re2::RE2> compiled_pattern;    // of `pattern`; shared by the copies of this type
  std::vector<Json> choices;
  std::vector<std::string> accept;        // file: MIME types
  std::optional<std::uint64_t> max_bytes; // file
  std::vector<TypeSpec> items;            // array: zero or one
  std::vector<PropertySpec> properties;   // object, in the order written
  bool iterator = false;                  // output: given piece by piece
  bool concatenate = false;               // output: pieces join to one text
};

struct PropertySpec {
  std::string name;
  TypeSpec type;
};

struct InputSpec {
  std::string name;
  TypeSpec type;
  std::optional<Json> default_value;
  bool optional = false; // may be left out although it has no default
  bool deprecated = false;
};

struct Example {
  std::string name;
  Json input;  // files as "@path" of the bundle
  Json expect; // {match: …} | {close_to: path, atol: x} | null
};

struct Manifest {
  int format = 1;
  std::string name; // owner/model
  std::string description;
  std::string license; // SPDX expression
  std::string task;
  std::string engine;             // torch | native | echo | …
  std::string model;              // the engine's main file; "" for engines without
  std::vector<std::string> files; // globs
  std::vector<InputSpec> inputs;  // in the order written
  TypeSpec output;
  Json pre = Json::array(); // steps, as written
  Json post = Json::array();
  std::vector<std::string> devices; // requires.devices
  std::optional<std::uint64_t> memory_mib;
  int concurrency = 1;
  int max_batch = 1;
  int threads = 0; // 0 = auto
  Json warmup = Json::array();
  std::string meter_unit = "runtime_s";
  std::string network = "none";
  Json engine_options = Json::object(); // `options:`, passed to the engine
  std::vector<Example> examples;
};

// `text`: the YAML; `file_name` begins every message: `mrun.yaml:12:3: …`. Refuses anchors, aliases, tags,
// several documents, duplicate and unknown keys (with the nearest name), and what passes the limits of
// common/limits.h. Errors: manifest_syntax, manifest_unknown_key, manifest_value, manifest_limit,
// manifest_version, manifest_step.
Result<Manifest> parse_manifest(std::string_view text, std::string_view file_name);

// The manifest as JSON, keys as in YAML, defaults filled in: what the worker and the API get.
Json manifest_json(const Manifest& manifest);

} // namespace mrun
