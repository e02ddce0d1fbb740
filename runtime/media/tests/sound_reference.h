// The sounds and results of sound_reference.json.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/json.h"
#include "common/text.h"

namespace mrun::test {

inline std::string bytes_of(const Json& text) {
  std::string bytes;
  MRUN_CHECK(base64_decode(text.get<std::string>(), bytes));
  return bytes;
}

inline std::vector<float> floats_of(const Json& numbers) {
  const std::string bytes = bytes_of(numbers.at("f32"));
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

inline const Json& sound_reference() {
  static const Json json = [] {
    const auto text = read_file(MRUN_SOUND_REFERENCE, k_mib, ErrorCode::io, ErrorCode::io);
    MRUN_CHECK(text.has_value());
    const auto parsed = parse_json(*text, ErrorCode::io, "sound_reference.json");
    MRUN_CHECK(parsed.has_value());
    return *parsed;
  }();
  return json;
}

} // namespace mrun::test
