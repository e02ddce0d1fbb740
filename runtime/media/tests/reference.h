// The pictures of reference.json.
#pragma once

#include <map>
#include <string>

#include "common/fd.h"
#include "common/json.h"
#include "common/text.h"

namespace mrun::test {

inline std::string decoded(const Json& text) {
  std::string bytes;
  MRUN_CHECK(base64_decode(text.get<std::string>(), bytes));
  return bytes;
}

struct ReferencePicture {
  std::string file, pixels, upright;
  std::vector<std::int64_t> upright_shape;
};

inline std::map<std::string, ReferencePicture> reference_pictures() {
  const auto text = read_file(MRUN_MEDIA_REFERENCE, k_mib, ErrorCode::io, ErrorCode::io);
  MRUN_CHECK(text.has_value());
  const auto json = parse_json(*text, ErrorCode::io, "reference.json");
  MRUN_CHECK(json.has_value());
  std::map<std::string, ReferencePicture> pictures;
  for (const auto& [name, item] : json->items())
    pictures[name] = {decoded(item["file"]), decoded(item["pixels"]), decoded(item["upright"]),
                      item["upright_shape"]};
  return pictures;
}

} // namespace mrun::test
