#include "kernels/image_resize/image_resize.h"

#include <cstring>
#include <memory>

#include "kernels/image_resize/passes.h"

namespace mrun::kernels {
namespace {

std::size_t bytes(int count, int each) {
  return static_cast<std::size_t>(count) * static_cast<std::size_t>(each);
}

// Rows [row, row + rows) of columns from `column` on.
Pixels part(const Pixels& in, int row, int column, int channels) {
  return {in.data + static_cast<std::size_t>(row) * in.row_bytes + bytes(column, channels), in.row_bytes,
          in.end};
}

void copy_rows(const Pixels& in, std::size_t width_bytes, int rows, std::uint8_t* out) {
  for (std::size_t y = 0; y < static_cast<std::size_t>(rows); ++y)
    std::memcpy(out + y * width_bytes, in.data + y * in.row_bytes, width_bytes);
}

struct Resize {
  Pixels in;
  int channels;
  AxisWeights columns, rows;
  std::uint8_t* out;
  CpuIsa isa;

  // Columns first. A pass that changes nothing is left out.
  void columns_first() {
    const int begin = rows.in_begin(), needed = rows.in_end() - begin;
    const std::size_t width_bytes = bytes(columns.size(), channels);
    std::unique_ptr<std::uint8_t[]> middle;
    Pixels narrow = part(in, begin, columns.identity ? columns.in_begin() : 0, channels);
    if (!columns.identity) {
      std::uint8_t* to = out;
      if (!rows.identity) {
        middle =
            std::make_unique_for_overwrite<std::uint8_t[]>(static_cast<std::size_t>(needed) * width_bytes);
        to = middle.get();
      }
      horizontal_pass(isa, {narrow, needed, channels, &columns, to});
      if (rows.identity) return;
      narrow = {to, width_bytes, to + static_cast<std::size_t>(needed) * width_bytes};
    }
    if (rows.identity) return copy_rows(narrow, width_bytes, rows.size(), out);
    rows.renumber_from(begin);
    vertical_pass(isa, {narrow, width_bytes, &rows, out});
  }

  // Neither axis keeps its size.
  void rows_first() {
    const int begin = columns.in_begin(), needed = columns.in_end() - begin;
    const std::size_t width_bytes = bytes(needed, channels);
    const std::size_t middle_bytes = static_cast<std::size_t>(rows.size()) * width_bytes;
    const auto middle = std::make_unique_for_overwrite<std::uint8_t[]>(middle_bytes);
    vertical_pass(isa, {part(in, 0, begin, channels), width_bytes, &rows, middle.get()});
    columns.renumber_from(begin);
    horizontal_pass(
        isa,
        {{middle.get(), width_bytes, middle.get() + middle_bytes}, rows.size(), channels, &columns, out});
  }
};

} // namespace

void image_resize_window(const ResizeArguments& a, const Window& window, std::uint8_t* out, CpuIsa isa) {
  if (window.width <= 0 || window.height <= 0) return;
  const std::size_t row_bytes = bytes(a.in_width, a.channels);
  Resize resize{{a.in, row_bytes, a.in + static_cast<std::size_t>(a.in_height) * row_bytes},
                a.channels,
                axis_weights(a.in_width, a.out_width, a.filter, window.x, window.x + window.width),
                axis_weights(a.in_height, a.out_height, a.filter, window.y, window.y + window.height),
                out,
                isa};
  if (resizes_rows_first(a) && !resize.columns.identity)
    resize.rows_first();
  else
    resize.columns_first();
}

void image_resize(const ResizeArguments& arguments, std::uint8_t* out, CpuIsa isa) {
  image_resize_window(arguments, {0, 0, arguments.out_width, arguments.out_height}, out, isa);
}

} // namespace mrun::kernels
