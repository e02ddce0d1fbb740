#include <array>
#include <cmath>

#include <ATen/Dispatch.h>

#include "runtime/engines/torch/detection/operators.h"
#include "runtime/engines/torch/detection/regions.h"

namespace mrun::torch_engine {
namespace {

struct Axis {
  std::int64_t size, kernel, stride, pad, dilation, out;

  Axis(std::int64_t size_, std::int64_t kernel_, std::int64_t stride_, std::int64_t pad_,
       std::int64_t dilation_)
      : size(size_),
        kernel(kernel_),
        stride(stride_),
        pad(pad_),
        dilation(dilation_),
        out(0) {
    constexpr std::int64_t k_max = std::int64_t{1} << 30;
    TORCH_CHECK(size > 0 && kernel > 0 && kernel <= k_max && stride > 0 && stride <= k_max && pad >= 0 &&
                    pad <= k_max && dilation > 0 && dilation <= k_max,
                "a kernel of ", kernel, " with stride ", stride, ", padding ", pad, " and dilation ",
                dilation, " does not fit ", size, " pixels");
    out = (size + 2 * pad - (dilation * (kernel - 1) + 1)) / stride + 1;
    TORCH_CHECK(size + 2 * pad >= dilation * (kernel - 1) + 1, "the kernel is larger than the padded input");
  }
};

struct Shape {
  Axis y, x;
  std::int64_t channels, offset_groups;

  std::int64_t taps() const { return y.kernel * x.kernel; }
  std::int64_t out() const { return y.out * x.out; }
};

void check_sizes(const at::Tensor& tensor, const char* name, at::IntArrayRef sizes, const at::Tensor& input) {
  TORCH_CHECK(tensor.sizes() == sizes, name, " must have shape ", sizes, ", it has ", tensor.sizes());
  TORCH_CHECK(tensor.scalar_type() == input.scalar_type(), name, " is ", tensor.scalar_type(),
              ", the input is ", input.scalar_type());
}

// A plane of the picture between its pixels; 0 outside.
template<class T>
T between_pixels(const T* plane, std::int64_t height, std::int64_t width, T y, T x) {
  if (!(y > -1 && y < rounded<T>(height) && x > -1 && x < rounded<T>(width))) return 0; // nor a NaN
  const auto top = static_cast<std::int64_t>(std::floor(y)), left = static_cast<std::int64_t>(std::floor(x));
  const std::int64_t bottom = top + 1, right = left + 1;
  const T down = y - rounded<T>(top), along = x - rounded<T>(left);
  const T up = rounded<T>(1) - down, back = rounded<T>(1) - along;
  const auto at = [&](std::int64_t row, std::int64_t column) {
    const bool inside = row >= 0 && row < height && column >= 0 && column < width;
    return inside ? plane[row * width + column] : T(0);
  };
  return up * back * at(top, left) + up * along * at(top, right) + down * back * at(bottom, left) +
         down * along * at(bottom, right);
}

// The taps of every output pixel of a block of pictures, a row for each channel and tap: `columns` [C * kh *
// kw, pictures * oh * ow]. `mask` may be nullptr.
template<class T>
void gather_taps(const Shape& shape, std::int64_t pictures, const T* input, const T* offset, const T* mask,
                 T* columns) {
  const std::int64_t plane = shape.y.size * shape.x.size;
  const std::int64_t rows = shape.channels * pictures;
  at::parallel_for(0, rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t channel = i / pictures, picture = i % pictures;
      const std::int64_t group =
          picture * shape.offset_groups + channel / (shape.channels / shape.offset_groups);
      const T* pixels = input + (picture * shape.channels + channel) * plane;
      for (std::int64_t tap = 0; tap < shape.taps(); ++tap) {
        const T* down = offset + (group * shape.taps() + tap) * 2 * shape.out();
        const T* along = down + shape.out();
        const T* weight = mask == nullptr ? nullptr : mask + (group * shape.taps() + tap) * shape.out();
        T* column = columns + ((channel * shape.taps() + tap) * pictures + picture) * shape.out();
        const std::int64_t tap_y = tap / shape.x.kernel * shape.y.dilation - shape.y.pad;
        const std::int64_t tap_x = tap % shape.x.kernel * shape.x.dilation - shape.x.pad;
        for (std::int64_t at = 0; at < shape.out(); ++at) {
          const T y = rounded<T>(at / shape.x.out * shape.y.stride + tap_y) + down[at];
          const T x = rounded<T>(at % shape.x.out * shape.x.stride + tap_x) + along[at];
          const T value = between_pixels(pixels, shape.y.size, shape.x.size, y, x);
          column[at] = weight == nullptr ? value : weight[at] * value;
        }
      }
    }
  });
}

// How many pictures are multiplied at once: the largest divisor of the batch up to 32, as torchvision's.
std::int64_t block_size(std::int64_t batch) {
  std::int64_t size = std::min<std::int64_t>(batch, 32);
  while (batch % size != 0)
    --size;
  return size;
}

} // namespace

at::Tensor deform_conv2d(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& offset,
                         const at::Tensor& mask, const at::Tensor& bias, std::int64_t stride_h,
                         std::int64_t stride_w, std::int64_t pad_h, std::int64_t pad_w,
                         std::int64_t dilation_h, std::int64_t dilation_w, std::int64_t groups,
                         std::int64_t offset_groups, bool use_mask) {
  TORCH_CHECK(input.dim() == 4 && weight.dim() == 4, "input and weight must have 4 axes");
  const std::int64_t batch = input.size(0), channels = input.size(1), out_channels = weight.size(0);
  TORCH_CHECK(groups > 0 && offset_groups > 0 && out_channels % groups == 0 && channels % groups == 0 &&
                  channels % offset_groups == 0,
              channels, " channels and ", out_channels, " outputs can't be split into ", groups,
              " groups and ", offset_groups, " groups of offsets");
  const Shape shape{Axis(input.size(2), weight.size(2), stride_h, pad_h, dilation_h),
                    Axis(input.size(3), weight.size(3), stride_w, pad_w, dilation_w), channels,
                    offset_groups};
  check_sizes(weight, "weight", {out_channels, channels / groups, shape.y.kernel, shape.x.kernel}, input);
  check_sizes(offset, "offset", {batch, offset_groups * 2 * shape.taps(), shape.y.out, shape.x.out}, input);
  check_sizes(bias, "bias", {out_channels}, input);
  if (use_mask)
    check_sizes(mask, "mask", {batch, offset_groups * shape.taps(), shape.y.out, shape.x.out}, input);
  at::Tensor output = at::empty({batch, out_channels, shape.y.out, shape.x.out}, input.options());
  if (output.numel() == 0) return output;

  const std::int64_t block = block_size(batch);
  const at::Tensor pixels = input.contiguous(), moves = offset.contiguous();
  const at::Tensor factors = use_mask ? mask.contiguous() : at::Tensor();
  const at::Tensor kernels = weight.reshape({groups, out_channels / groups, -1});
  at::Tensor columns =
      at::empty({groups, channels / groups * shape.taps(), block * shape.out()}, input.options());
  for (std::int64_t first = 0; first < batch; first += block) {
    const auto part = [&](const at::Tensor& tensor) { return tensor.narrow(0, first, block); };
    AT_DISPATCH_FLOATING_TYPES_AND_HALF(input.scalar_type(), "deform_conv2d", [&] {
      gather_taps(shape, block, part(pixels).const_data_ptr<scalar_t>(),
                  part(moves).const_data_ptr<scalar_t>(),
                  use_mask ? part(factors).const_data_ptr<scalar_t>() : nullptr,
                  columns.mutable_data_ptr<scalar_t>());
    });
    // [groups, out / groups, block * oh * ow], one product a group as torchvision multiplies.
    std::vector<at::Tensor> products;
    for (std::int64_t group = 0; group < groups; ++group)
      products.push_back(at::mm(kernels[group], columns[group]));
    part(output).copy_(
        at::cat(products).view({out_channels, block, shape.y.out, shape.x.out}).transpose(0, 1));
  }
  return output.add_(bias.view({1, out_channels, 1, 1}));
}

} // namespace mrun::torch_engine
