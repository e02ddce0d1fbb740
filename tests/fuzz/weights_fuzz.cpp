// Headers of weight files: tensors lie inside the file, in order, and do not overlap.
#include "common/text.h"
#include "packager/weights/gguf_metadata.h"
#include "packager/weights/weight_layout.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

void check_layout(const WeightLayout& layout, std::uint64_t file_bytes) {
  std::uint64_t end = 0;
  for (const TensorPlace& tensor : layout.tensors) {
    MRUN_CHECK(tensor.offset >= end && tensor.offset <= file_bytes);
    MRUN_CHECK(tensor.size_bytes <= file_bytes - tensor.offset);
    end = tensor.offset + tensor.size_bytes;
  }
  if (layout.format == WeightFormat::safetensors && !layout.tensors.empty()) MRUN_CHECK(end == file_bytes);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  const auto layout = read_weight_layout(bytes.size(), fuzz::file_of(bytes));
  MRUN_CHECK(layout.has_value()); // the file can be read, whatever it holds
  if (*layout) check_layout(**layout, bytes.size());
  const auto metadata = read_gguf_metadata(bytes.size(), fuzz::file_of(bytes));
  MRUN_CHECK(metadata.has_value());
  if (!*metadata) return 0;
  for (const auto& [key, text] : (*metadata)->texts)
    MRUN_CHECK(is_valid_utf8(text) && key.size() + text.size() <= bytes.size());
  return 0;
}
