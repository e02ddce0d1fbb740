// One JSON value against one type of the manifest: inputs, defaults, choices and examples go through here.
#pragma once

#include <string>
#include <string_view>

#include "common/error.h"
#include "common/json.h"
#include "packager/manifest.h"

namespace mrun {

// How a file is written where the value stands.
enum class FileForm {
  uri,         // API: data: URI, http(s) URL
  uri_or_path, // command line: the same, or file_argument()
  bundle_path, // manifest: "@path" of the bundle
};

// The value as the model gets it (5.0 of an integer becomes 5). `name` begins the message: input `top_k`.
// Errors: input_type, input_range, input_choice, input_length, input_file.
Result<Json> check_value(const TypeSpec& type, const Json& value, std::string_view name, FileForm files);

// "an integer between 1 and 1000", "a text of 1 to 8192 characters", "a file (image/png)".
std::string describe_type(const TypeSpec& type);

// A regular expression (RE2 syntax, at most 1 KiB), compiled. Error manifest_value: why it can't be used.
Result<std::shared_ptr<const re2::RE2>> compile_pattern(const std::string& pattern);

// Unicode code points of valid UTF-8.
std::size_t code_point_count(std::string_view text);

} // namespace mrun
