// A PyTorch file as `mrun inspect FILE` and `mrun pack` look at it: a report that is JSON and can be shown,
// whatever the archive says of itself; no range outside of the file is asked for.
#include "runtime/engines/torch/inspect/file_report.h"
#include "runtime/engines/torch/tests/bytes_file.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

void check_all_shown(const Json& value) {
  if (value.is_string()) fuzz::check_shown(value.get_ref<const std::string&>());
  if (!value.is_structured()) return;
  for (const auto& [key, item] : value.items()) {
    fuzz::check_shown(key);
    check_all_shown(item);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(fuzz::text_of(data, size));
  const mrun_file file = test::file_of(bytes);
  const auto archive = torch_engine::Archive::open(file);
  if (!archive) {
    fuzz::check_error(archive.error());
    return 0;
  }
  const Result<Json> report = torch_engine::report_archive(*archive, {});
  if (!report) {
    fuzz::check_error(report.error());
    return 0;
  }
  MRUN_CHECK(parse_json(canonical_json(*report), ErrorCode::internal, "report").has_value());
  check_all_shown(*report);
  return 0;
}
