// Reading typed values out of the YAML tree of a manifest. Internal to the packager.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/json.h"
#include "packager/manifest.h"
#include "packager/yaml_tree.h"

namespace mrun {

// Holds the file's name, which begins each message. Every read names the key in its error.
// An absent key leaves `out` as it is and is no error, so that the default is what `out` held.
class ManifestReader {
 public:
  explicit ManifestReader(std::string_view file_name) : m_file_name(file_name) {}

  tl::unexpected<Error> refuse(YamlPlace place, ErrorCode code, std::string_view message,
                               std::string hint = {}) const {
    return fail_at(m_file_name, place, code, message, std::move(hint));
  }
  tl::unexpected<Error> refuse_value(YamlPlace place, std::string_view message, std::string hint = {}) const {
    return refuse(place, ErrorCode::manifest_value, message, std::move(hint));
  }

  // `node` is a map and has no other keys than `allowed`. Errors: manifest_value, manifest_unknown_key
  // (nearest name).
  Result<void> need_map(const YamlNode& node, std::string_view what,
                        std::initializer_list<std::string_view> allowed) const;
  Result<void> need_sequence(const YamlNode& node, std::string_view what) const;

  Result<void> read_string(const YamlNode& map, std::string_view key, std::string& out) const;
  Result<void> read_integer(const YamlNode& map, std::string_view key, std::int64_t least, std::int64_t most,
                            std::int64_t& out) const;
  Result<void> read_bool(const YamlNode& map, std::string_view key, bool& out) const;
  // A list of non-empty strings, without repeats.
  Result<void> read_strings(const YamlNode& map, std::string_view key, std::vector<std::string>& out) const;
  Result<std::string> string_of(const YamlNode& node, std::string_view what) const;
  Result<Json> json_of(const YamlNode& node) const {
    return yaml_to_json(node, m_file_name, ErrorCode::manifest_value);
  }

 private:
  std::string_view m_file_name;
};

// `a, b, c` for messages.
std::string join_names(const std::vector<std::string>& names);
// What a YAML or JSON value is, for messages: "the number 5", "a list", "nothing".
std::string describe_value(const Json& value);
// [A-Za-z_][A-Za-z0-9_]*, at most 128 characters.
bool is_identifier(std::string_view text);

// The parts of a manifest, one file each. `key`: what the type is the value of.
Result<TypeSpec> read_type(const ManifestReader& reader, const YamlNode& node, std::string_view what,
                           std::string_view key);
Result<std::vector<InputSpec>> read_inputs(const ManifestReader& reader, const YamlNode& node);
Result<TypeSpec> read_output(const ManifestReader& reader, const YamlNode& node);
// pre, post: structure, names and files. Error manifest_step.
Result<void> read_steps(const ManifestReader& reader, const YamlNode* pre, const YamlNode* post,
                        Manifest& manifest);
Result<void> read_examples(const ManifestReader& reader, const YamlNode* examples, const YamlNode* warmup,
                           Manifest& manifest);

} // namespace mrun
