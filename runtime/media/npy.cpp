#include "runtime/media/npy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <complex>
#include <cstring>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "common/limits.h"
#include "common/text.h"

namespace mrun {
namespace {

constexpr std::string_view k_magic("\x93NUMPY", 6);
constexpr std::size_t k_max_header_bytes = 64 * k_kib;
constexpr std::size_t k_data_alignment = 64;

tl::unexpected<Error> broken(std::string_view why) {
  return fail(ErrorCode::input_file, fmt::format("the .npy file can't be read: {}", why));
}

struct TypeName {
  std::string_view text; // numpy's type string without the byte order
  DType type;
};
constexpr std::array<TypeName, 14> k_types = {{{"f4", DType::f32},
                                               {"f8", DType::f64},
                                               {"f2", DType::f16},
                                               {"i1", DType::i8},
                                               {"i2", DType::i16},
                                               {"i4", DType::i32},
                                               {"i8", DType::i64},
                                               {"u1", DType::u8},
                                               {"b1", DType::boolean},
                                               {"u2", DType::u16},
                                               {"u4", DType::u32},
                                               {"u8", DType::u64},
                                               {"c8", DType::c64},
                                               {"c16", DType::c128}}};

// The header is a Python dict literal of three known keys; this reads just that.
class HeaderScanner {
 public:
  explicit HeaderScanner(std::string_view text) : m_rest(text) {}

  bool take(char expected) {
    space();
    if (!m_rest.starts_with(expected)) return false;
    m_rest.remove_prefix(1);
    return true;
  }
  std::optional<std::string_view> quoted() {
    space();
    const char quote = m_rest.empty() ? '\0' : m_rest.front();
    const std::size_t end = quote == '\'' || quote == '"' ? m_rest.find(quote, 1) : std::string_view::npos;
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view text = m_rest.substr(1, end - 1);
    m_rest.remove_prefix(end + 1);
    return text;
  }
  std::optional<bool> boolean() {
    space();
    for (const auto& [word, value] : {std::pair<std::string_view, bool>{"True", true}, {"False", false}})
      if (m_rest.starts_with(word)) {
        m_rest.remove_prefix(word.size());
        return value;
      }
    return std::nullopt;
  }
  // (), (3,), (3, 4): every number but one is followed by a comma or the end.
  std::optional<std::vector<std::int64_t>> tuple() {
    std::vector<std::int64_t> sizes;
    if (!take('(')) return std::nullopt;
    while (!take(')')) {
      space();
      std::int64_t size = 0;
      const auto [end, error] = std::from_chars(m_rest.data(), m_rest.data() + m_rest.size(), size);
      if (error != std::errc() || size < 0 || sizes.size() >= k_max_tensor_rank) return std::nullopt;
      m_rest.remove_prefix(static_cast<std::size_t>(end - m_rest.data()));
      sizes.push_back(size);
      if (m_rest.starts_with('L')) // Python 2 wrote 3L
        m_rest.remove_prefix(1);
      if (!take(',') && !(space(), m_rest.starts_with(')'))) return std::nullopt;
    }
    return sizes;
  }
  bool at_end() {
    space();
    return m_rest.empty();
  }

 private:
  void space() { m_rest.remove_prefix(std::min(m_rest.find_first_not_of(" \t\r\n"), m_rest.size())); }
  std::string_view m_rest;
};

struct Header {
  std::optional<std::string_view> type;
  std::optional<bool> fortran_order;
  std::optional<std::vector<std::int64_t>> shape;
};

std::optional<Header> scan_header(std::string_view text) {
  HeaderScanner scanner(text);
  Header header;
  if (!scanner.take('{')) return std::nullopt;
  while (!scanner.take('}')) {
    const std::optional<std::string_view> key = scanner.quoted();
    if (!key || !scanner.take(':')) return std::nullopt;
    if (*key == "descr" && !header.type)
      header.type = scanner.quoted();
    else if (*key == "fortran_order" && !header.fortran_order)
      header.fortran_order = scanner.boolean();
    else if (*key == "shape" && !header.shape)
      header.shape = scanner.tuple();
    else
      return std::nullopt;
    scanner.take(',');
  }
  const bool whole = header.type && header.fortran_order && header.shape && scanner.at_end();
  return whole ? std::optional(std::move(header)) : std::nullopt;
}

std::optional<DType> parse_type(std::string_view text) {
  if (text.empty()) return std::nullopt;
  for (const TypeName& known : k_types)
    if (known.text == text.substr(1) && (text[0] == '<' || (text[0] == '|' && dtype_size(known.type) == 1)))
      return known.type;
  return std::nullopt;
}

// nullopt: too many for any file.
std::optional<std::uint64_t> size_of(DType type, const std::vector<std::int64_t>& shape) {
  std::uint64_t bytes = dtype_size(type);
  for (const std::int64_t size : shape)
    if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(size), &bytes)) return std::nullopt;
  return bytes;
}

// Column-major to row-major: walks the output in order and keeps the source position by strides.
void reorder(const std::byte* in, const std::vector<std::int64_t>& shape, std::size_t item, std::byte* out,
             std::size_t count) {
  std::vector<std::size_t> strides(shape.size()), index(shape.size());
  std::size_t stride = 1;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    strides[axis] = stride;
    stride *= static_cast<std::size_t>(shape[axis]);
  }
  std::size_t at = 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(out + i * item, in + at * item, item);
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      at += strides[axis];
      if (++index[axis] < static_cast<std::size_t>(shape[axis])) break;
      at -= strides[axis] * index[axis];
      index[axis] = 0;
    }
  }
}

} // namespace

Result<Tensor> read_npy(std::string_view bytes) {
  if (!bytes.starts_with(k_magic) || bytes.size() < 10) return broken("it does not begin with \\x93NUMPY");
  const auto byte = [&](std::size_t i) { return std::size_t{static_cast<unsigned char>(bytes[i])}; };
  const std::size_t version = byte(6);
  if (version < 1 || version > 3)
    return broken(fmt::format("version {} of the format is not known", version));
  const std::size_t start = version == 1 ? 10 : 12;
  if (bytes.size() < start) return broken("it ends inside of the header");
  const std::size_t length = byte(8) | byte(9) << 8 | (version == 1 ? 0 : byte(10) << 16 | byte(11) << 24);
  if (length > k_max_header_bytes)
    return broken(fmt::format("its header has {} bytes, at most {} are allowed", length, k_max_header_bytes));
  if (bytes.size() - start < length) return broken("it ends inside of the header");
  const std::optional<Header> header = scan_header(bytes.substr(start, length));
  if (!header) return broken("its header is not understood (structured types are not read)");
  const std::optional<DType> type = parse_type(*header->type);
  if (!type)
    return broken(
        fmt::format("type `{}` is not read, only little-endian f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 c8 c16 b1",
                    printable(*header->type, 20)));
  const std::string_view data = bytes.substr(start + length);
  const std::optional<std::uint64_t> size = size_of(*type, *header->shape);
  if (!size) return broken(fmt::format("shape {} is too large", shape_text(*header->shape)));
  if (*size != data.size())
    return broken(fmt::format("{} of shape {} is {} bytes, the file has {}", dtype_name(*type),
                              shape_text(*header->shape), *size, data.size()));
  auto tensor = Tensor::make(*type, *header->shape);
  if (!tensor) return broken(tensor.error().message);
  if (*header->fortran_order && header->shape->size() > 1)
    reorder(reinterpret_cast<const std::byte*>(data.data()), *header->shape, dtype_size(*type),
            static_cast<std::byte*>(tensor->data()), tensor->element_count());
  else if (!data.empty())
    std::memcpy(tensor->data(), data.data(), data.size());
  return tensor;
}

Result<std::string> write_npy(const Tensor& tensor) {
  if (tensor.dtype() == DType::bf16 || is_f8(tensor.dtype())) { // NumPy has none of them
    MRUN_ASSIGN(const Tensor wide, to_f32(tensor));
    return write_npy(wide);
  }
  if (tensor.dtype() == DType::c32) {
    MRUN_ASSIGN(Tensor wide, Tensor::make(DType::c64, tensor.shape()));
    const std::span<const std::uint32_t> from = tensor.as<std::uint32_t>();
    std::ranges::transform(from, wide.as<std::complex<float>>().begin(), [](std::uint32_t bits) {
      const auto parts = std::bit_cast<std::array<std::uint16_t, 2>>(bits);
      return std::complex<float>(f16_to_f32(parts[0]), f16_to_f32(parts[1]));
    });
    return write_npy(wide);
  }
  const auto type = std::find_if(k_types.begin(), k_types.end(),
                                 [&](const TypeName& known) { return known.type == tensor.dtype(); });
  std::string shape = fmt::format("{}", fmt::join(tensor.shape(), ", "));
  if (tensor.shape().size() == 1) shape += ',';
  std::string header = fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}), }}",
                                   dtype_size(tensor.dtype()) == 1 ? '|' : '<', type->text, shape);
  const std::size_t unpadded = k_magic.size() + 4 + header.size() + 1;
  header.append((k_data_alignment - unpadded % k_data_alignment) % k_data_alignment, ' ');
  header += '\n';
  std::string out(k_magic);
  out += {'\x01', '\x00', static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  out += header;
  out.append(static_cast<const char*>(tensor.data()), tensor.size_bytes());
  return out;
}

} // namespace mrun
