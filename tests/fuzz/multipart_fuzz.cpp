// Forms: however the body is cut into packets, the same parts come out.
#include <algorithm>
#include <tuple>

#include "daemon/http/multipart.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

struct Part {
  MultipartPart head;
  std::string bytes;
};

class Collector : public MultipartListener {
 public:
  Result<void> on_part(const MultipartPart& part) override {
    MRUN_CHECK(!part.name.empty());
    parts.push_back({part, {}});
    return {};
  }
  Result<void> on_data(std::string_view bytes) override {
    MRUN_CHECK(!parts.empty() && !bytes.empty());
    parts.back().bytes += bytes;
    return {};
  }
  std::vector<Part> parts;
};

Result<std::vector<Part>> read(const std::string& boundary, std::string_view body, std::size_t piece) {
  Collector collector;
  MultipartParser parser(boundary, collector);
  for (; !body.empty(); body.remove_prefix(std::min(piece, body.size())))
    MRUN_TRY(parser.put(body.substr(0, piece)));
  MRUN_TRY(parser.finish());
  return std::move(collector.parts);
}

bool same(const Part& a, const Part& b) {
  return std::tie(a.head.name, a.head.file_name, a.head.content_type, a.bytes) ==
         std::tie(b.head.name, b.head.file_name, b.head.content_type, b.bytes);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::string_view> texts = fuzz::texts_of(fuzz::text_of(data, size), 2);
  const auto boundary = multipart_boundary(texts[0]);
  if (!boundary) {
    fuzz::check_error(boundary.error());
    return 0;
  }
  const auto parts = read(*boundary, texts[1], std::max<std::size_t>(size, 1));
  const auto again = read(*boundary, texts[1], 1 + size % 11);
  MRUN_CHECK(parts.has_value() == again.has_value());
  if (parts)
    MRUN_CHECK(std::ranges::equal(*parts, *again, same));
  else
    fuzz::check_error(parts.error());
  return 0;
}
