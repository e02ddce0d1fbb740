// data: URIs: what is taken holds the bytes that it would be written with.
#include "common/text.h"
#include "daemon/service/data_uri.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  DataUri uri;
  if (!parse_data_uri(text, uri)) return 0;
  MRUN_CHECK(is_data_uri(text) && uri.bytes.size() <= size);
  MRUN_CHECK(uri.media_type.find_first_of(";,") == std::string::npos);
  DataUri again;
  const std::string written = "data:" + uri.media_type + ";base64," + base64_encode(uri.bytes);
  MRUN_CHECK(parse_data_uri(written, again) && again.bytes == uri.bytes &&
             again.media_type == uri.media_type);
  return 0;
}
