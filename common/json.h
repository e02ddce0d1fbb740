// JSON at the edges: parsed under limits, written in one canonical form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/limits.h"

namespace mrun {

using Json = nlohmann::json; // object keys sorted: dump() is canonical

struct JsonLimits {
  std::size_t max_bytes = k_max_body_bytes;
  std::size_t max_depth = k_max_json_depth;
  std::size_t max_values = SIZE_MAX;                   // of any kind, keys not counted
  ErrorCode too_many_values = ErrorCode::body_invalid; // the code for more than that
};

// Strict RFC 8259 text: one value, valid UTF-8, no duplicate keys, bounded depth, size and number of values.
// `code` is the error's code (body_invalid, bundle_invalid, …); the message begins with `what` and names the
// byte offset. Too large or too deep has the code `code` as well.
Result<Json> parse_json(std::string_view text, ErrorCode code, std::string_view what,
                        const JsonLimits& limits = {});

// Compact, keys sorted, UTF-8 as it is (invalid sequences become U+FFFD): the same bytes on any machine.
std::string canonical_json(const Json& value);

// Typed reads of untrusted objects. An absent or null member gives `nullopt`; a wrong type is an error that
// names `what` and the key.
Result<std::optional<std::string>> json_string(const Json& object, const char* key, ErrorCode code,
                                               std::string_view what);
Result<std::optional<std::int64_t>> json_integer(const Json& object, const char* key, ErrorCode code,
                                                 std::string_view what);
Result<std::optional<bool>> json_bool(const Json& object, const char* key, ErrorCode code,
                                      std::string_view what);
// The same for members that must be there.
Result<std::string> need_string(const Json& object, const char* key, ErrorCode code, std::string_view what);
Result<std::int64_t> need_integer(const Json& object, const char* key, ErrorCode code, std::string_view what);

} // namespace mrun
