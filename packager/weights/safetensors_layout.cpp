// safetensors (github.com/huggingface/safetensors, "Format"): u64 header length, a JSON header, the data.
//
// The header may have 100 MB and a million tensors, so it is read event by event: nothing grows but the list.
#include <array>
#include <limits>
#include <unordered_set>

#include "common/json.h"
#include "common/little_endian.h"
#include "packager/weights/layout_readers.h"

namespace mrun {
namespace {

constexpr std::uint64_t k_length_bytes = 8;

struct TypeBits {
  std::string_view name;
  std::uint64_t bits;
};
constexpr std::array<TypeBits, 21> k_types = {
    {{"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
     {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
     {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
     {"F64", 64},    {"I64", 64},    {"U64", 64}}};
constexpr std::uint64_t k_complex64_bits = 64; // "C64"

std::optional<std::uint64_t> bits_of(std::string_view type) {
  if (type == "C64") return k_complex64_bits;
  for (const TypeBits& known : k_types)
    if (known.name == type) return known.bits;
  return std::nullopt;
}

// {"NAME": {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]}, "__metadata__": {"k": "v"}}
class HeaderEvents : public nlohmann::json_sax<Json> {
 public:
  std::vector<TensorPlace> take() { return std::move(m_tensors); }

  bool null() override { return false; }
  bool boolean(bool) override { return false; }
  bool number_integer(number_integer_t) override { return false; } // a negative one
  bool number_float(number_float_t, const string_t&) override { return false; }
  bool binary(binary_t&) override { return false; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (m_list == List::shape) {
      m_tensor.shape.push_back(value);
      return m_tensor.shape.size() <= k_max_rank;
    }
    if (m_list != List::offsets || m_offset_count == 2) return false;
    m_offsets[m_offset_count++] = value;
    return true;
  }
  bool string(string_t& value) override {
    if (m_in_metadata) return true;
    if (m_depth != 2 || m_key != "dtype" || m_list != List::none) return false;
    m_tensor.dtype = std::move(value);
    return true;
  }
  bool start_object(std::size_t) override { return m_list == List::none && ++m_depth <= 2; }
  bool key(string_t& value) override {
    if (m_depth == 2) {
      m_key = std::move(value);
      return true;
    }
    m_in_metadata = value == "__metadata__";
    if (value.size() > k_max_tensor_name_bytes || m_names.size() == k_max_tensors) return false;
    m_tensor = {};
    m_tensor.name = value;
    m_offset_count = 0;
    return m_names.insert(std::move(value)).second;
  }
  bool end_object() override {
    if (m_depth-- != 2 || std::exchange(m_in_metadata, false)) return true;
    return add_tensor();
  }
  bool start_array(std::size_t) override {
    if (m_in_metadata || m_depth != 2 || m_list != List::none) return false;
    m_list = m_key == "shape" ? List::shape : m_key == "data_offsets" ? List::offsets : List::none;
    return m_list != List::none;
  }
  bool end_array() override {
    m_list = List::none;
    return true;
  }

 private:
  static constexpr std::size_t k_max_rank = 64;
  enum class List { none, shape, offsets };

  // The extent is what shape and type say.
  bool add_tensor() {
    const std::optional<std::uint64_t> bits = bits_of(m_tensor.dtype);
    if (!bits || m_offset_count != 2 || m_offsets[0] > m_offsets[1]) return false;
    std::uint64_t total = *bits;
    for (const std::uint64_t extent : m_tensor.shape)
      if (__builtin_mul_overflow(total, extent, &total)) return false;
    if (total % 8 != 0 || total / 8 != m_offsets[1] - m_offsets[0]) return false;
    m_tensor.offset = m_offsets[0];
    m_tensor.size_bytes = total / 8;
    m_tensors.push_back(std::move(m_tensor));
    return true;
  }

  int m_depth = 0;
  bool m_in_metadata = false;
  List m_list = List::none;
  std::string m_key;
  TensorPlace m_tensor;
  std::array<std::uint64_t, 2> m_offsets{};
  std::size_t m_offset_count = 0;
  std::unordered_set<std::string> m_names;
  std::vector<TensorPlace> m_tensors;
};

// The data belongs to the tensors without a gap.
bool fills(const std::vector<TensorPlace>& tensors, std::uint64_t begin, std::uint64_t end) {
  for (const TensorPlace& tensor : tensors) {
    if (tensor.offset != begin) return false;
    begin += tensor.size_bytes;
  }
  return begin == end;
}

} // namespace

Result<std::optional<WeightLayout>> read_safetensors_layout(std::uint64_t file_bytes, const ReadAt& read_at) {
  if (file_bytes < k_length_bytes) return std::nullopt;
  MRUN_ASSIGN(const std::string length, read_at(0, k_length_bytes));
  const auto header_bytes = read_little_endian<std::uint64_t>(length, 0);
  if (header_bytes > k_max_weight_header_bytes || header_bytes > file_bytes - k_length_bytes)
    return std::nullopt;
  MRUN_ASSIGN(const std::string header, read_at(k_length_bytes, header_bytes));
  HeaderEvents events;
  if (!header.starts_with('{') || !Json::sax_parse(header, &events)) return std::nullopt;
  WeightLayout layout{WeightFormat::safetensors, events.take()};
  const std::uint64_t data = k_length_bytes + header_bytes;
  for (TensorPlace& tensor : layout.tensors)
    if (__builtin_add_overflow(tensor.offset, data, &tensor.offset)) return std::nullopt;
  if (!order_tensors(layout.tensors, data, file_bytes) || !fills(layout.tensors, data, file_bytes))
    return std::nullopt;
  return layout;
}

} // namespace mrun
