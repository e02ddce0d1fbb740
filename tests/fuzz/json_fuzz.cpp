// What is taken as JSON is written and read again without a change.
#include "common/json.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = parse_json(fuzz::text_of(data, size), ErrorCode::body_invalid, "the input",
                                {.max_bytes = 64 * k_kib, .max_values = 10'000});
  if (!value) {
    fuzz::check_error(value.error());
    return 0;
  }
  const std::string text = canonical_json(*value);
  const auto again = parse_json(text, ErrorCode::body_invalid, "its own text");
  MRUN_CHECK(again.has_value() && *again == *value && canonical_json(*again) == text);
  return 0;
}
