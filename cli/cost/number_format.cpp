#include "cli/cost/number_format.h"

#include <algorithm>
#include <map>

#include "packager/bundle_file_reader.h"

namespace mrun::cli {

std::string_view number_format_name(std::string_view dtype) {
  if (dtype == "F32") return "fp32";
  if (dtype == "F16") return "fp16";
  if (dtype == "BF16") return "bf16";
  if (dtype == "I8") return "int8";
  return dtype.starts_with("F8_") ? "fp8" : "";
}

Result<std::optional<std::string>> number_format_of(const Store& store, const Bundle& bundle) {
  std::map<std::string, std::uint64_t, std::less<>> bytes;
  for (const BundleFile& file : bundle.files) {
    BundleFileReader reader(store, file);
    MRUN_ASSIGN(const std::optional<WeightLayout> layout,
                read_weight_layout(reader.size(), reader.read_at()));
    if (!layout || layout->format == WeightFormat::zip) continue;
    for (const TensorPlace& tensor : layout->tensors)
      bytes[std::string(number_format_name(tensor.dtype))] += tensor.size_bytes;
  }
  const auto most = std::ranges::max_element(bytes, {}, [](const auto& entry) { return entry.second; });
  if (most == bytes.end() || most->first.empty()) return std::optional<std::string>();
  return std::optional(most->first);
}

} // namespace mrun::cli
