#include "runtime/tensor_json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <concepts>
#include <type_traits>

namespace mrun {
namespace {

template<class T>
void append_number(T value, std::string& out) {
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(end.ptr - buffer.data()));
  out += text;
  if (std::is_floating_point_v<T> && text.find_first_of(".e") == std::string_view::npos)
    out += ".0"; // a float stays one for readers that tell the two apart
}

struct ElementWriter {
  std::string& out;

  void operator()(std::int64_t value) const { append_number(value, out); }
  void operator()(std::uint64_t value) const { append_number(value, out); }
  void operator()(bool value) const { out += value ? "true" : "false"; }
  void operator()(std::floating_point auto value) const {
    if (std::isfinite(value))
      append_number(value, out);
    else
      out += "null";
  }
  template<class T>
  void operator()(std::complex<T> value) const {
    out += '[';
    (*this)(value.real());
    out += ',';
    (*this)(value.imag());
    out += ']';
  }
};

void append_level(const Tensor& tensor, std::span<const std::int64_t> shape, std::size_t& index,
                  std::string& out) {
  if (shape.empty()) return visit_element(tensor, index++, ElementWriter{out});
  out += '[';
  for (std::int64_t i = 0; i < shape.front(); ++i) {
    if (i > 0) out += ',';
    append_level(tensor, shape.subspan(1), index, out);
  }
  out += ']';
}

} // namespace

void append_tensor_json(const Tensor& tensor, std::span<const std::int64_t> shape, std::string& out) {
  std::size_t index = 0;
  out.reserve(out.size() + tensor.element_count() * 10);
  append_level(tensor, shape, index, out);
}

std::span<const std::int64_t> example_shape(const Tensor& tensor) {
  std::span<const std::int64_t> shape = tensor.shape();
  return shape.size() >= 2 && shape.front() == 1 ? shape.subspan(1) : shape;
}

} // namespace mrun
