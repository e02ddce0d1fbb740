// An upload of POST /v1/files, as the daemon keeps and shows it; its bytes lie in state/files by id.
#pragma once

#include <cstdint>
#include <string>

namespace mrun {

struct UploadedFile {
  std::string id; // begins with its time, as a prediction's does
  std::string name;
  std::string media_type;
  std::uint64_t size_bytes = 0;
  std::string sha256_hex;
  std::int64_t created_ns = 0; // wall clock, ns since 1970
  std::int64_t expires_ns = 0;
};

} // namespace mrun
