// YAML under limits, as a tree whose every node knows its line and column.
//
// yaml-cpp's own nodes are not used: they resolve aliases, take duplicate keys and recurse. This tree is
// built from the parser's events, so that a hostile text is refused before anything grows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/json.h"

namespace mrun {

struct YamlPlace {
  int line = 1; // from 1
  int column = 1;
};

struct YamlNode {
  enum class Kind { null, scalar, sequence, map };
  struct Key {
    std::string text;
    YamlPlace place;
  };

  Kind kind = Kind::null;
  YamlPlace place;
  std::string text;            // scalar
  bool quoted = false;         // scalar: written in quotes or as a block, hence a string
  std::vector<YamlNode> items; // sequence; map: the values, in the order of `keys`
  std::vector<Key> keys;       // map: unique, in the order written

  const YamlNode* find(std::string_view key) const; // map; nullptr when absent
};

// The error codes that a reader of YAML uses, so that the manifest and the configuration share the code.
struct YamlErrors {
  ErrorCode syntax;
  ErrorCode limit;
};

// One document; refused: anchors, aliases, tags, merge keys, several documents, keys that are not plain text
// or are there twice, text that is not UTF-8, NUL, and more than the limits of common/limits.h. An empty text
// is a null. Messages begin with `file_name:line:column: `.
Result<YamlNode> parse_yaml(std::string_view text, std::string_view file_name, YamlErrors errors);

// `mrun.yaml:12:3: message`
tl::unexpected<Error> fail_at(std::string_view file_name, YamlPlace place, ErrorCode code,
                              std::string_view message, std::string hint = {});

// The YAML 1.2 core schema: null, true, false, decimal integers and floats; everything else is a string.
// Numbers that neither int64, uint64 nor a finite double holds are an error of code `bad_number`.
Result<Json> yaml_to_json(const YamlNode& node, std::string_view file_name, ErrorCode bad_number);

} // namespace mrun
