#include "runtime/engines/torch/device.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include "common/limits.h"

namespace mrun::torch_engine {
namespace {

constexpr std::int32_t k_dl_cpu = 1; // DLPack's numbers, mrun_predictor.h
constexpr std::int32_t k_dl_cuda = 2;
constexpr std::size_t k_staging_bytes = 64 * k_mib;
// A piece of this size is sent as it is: filling a pinned buffer first gains nothing.
constexpr std::size_t k_small_bytes = 64 * k_kib;

c10::Stream pool_stream(c10::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

// Bytes from the first to the last element of a strided tensor.
std::size_t reach_bytes(const at::Tensor& tensor) {
  if (tensor.numel() == 0) return 0;
  std::int64_t last = 0;
  for (std::int64_t i = 0; i < tensor.dim(); ++i)
    last += (tensor.size(i) - 1) * tensor.stride(i);
  return (static_cast<std::size_t>(last) + 1) * tensor.element_size();
}

at::Tensor bytes_at(void* data, std::size_t size, c10::Device device) {
  return at::from_blob(data, {static_cast<std::int64_t>(size)},
                       at::TensorOptions().dtype(at::kByte).device(device));
}

Result<c10::Device> open_cuda(std::int32_t index) {
  if (!at::detail::getCUDAHooks().hasCUDA())
    return fail(ErrorCode::device_unavailable, "there is no GPU that LibTorch can use",
                "`nvidia-smi` says whether the driver works; `--device cpu` runs without one");
  at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);
  const int count = c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).deviceCount();
  if (index < 0 || index >= count)
    return fail(ErrorCode::device_unavailable,
                fmt::format("there is no device cuda:{}: this machine has {} (cuda:0{})", index, count,
                            count > 1 ? fmt::format(" to cuda:{}", count - 1) : ""));
  return c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index));
}

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

} // namespace

Result<c10::Device> open_device(const mrun_model& description) {
  if (description.device_type == k_dl_cpu) return c10::Device(c10::DeviceType::CPU);
  if (description.device_type == k_dl_cuda) return open_cuda(description.device_id);
  return fail(ErrorCode::engine_unsupported,
              fmt::format("the torch engine has no device of type {}", description.device_type),
              "use --device cpu");
}

c10::Device device_of(const LoadOptions& options) {
  return options.device_type == k_dl_cpu
             ? c10::Device(c10::DeviceType::CPU)
             : c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(options.device_id));
}

// By the driver's own interface: LibTorch's needs CUDA's headers.
Result<std::string> compute_capability(c10::Device device) {
  constexpr int k_major = 75, k_minor = 76; // CUdevice_attribute, cuda.h
  using GetDevice = int (*)(int* device, int ordinal);
  using GetAttribute = int (*)(int* value, int attribute, int device);
  void* driver = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  const auto get_device =
      driver == nullptr ? nullptr : reinterpret_cast<GetDevice>(::dlsym(driver, "cuDeviceGet"));
  const auto get_attribute =
      driver == nullptr ? nullptr : reinterpret_cast<GetAttribute>(::dlsym(driver, "cuDeviceGetAttribute"));
  int handle = 0, major = 0, minor = 0;
  if (get_device == nullptr || get_attribute == nullptr || get_device(&handle, device.index()) != 0 ||
      get_attribute(&major, k_major, handle) != 0 || get_attribute(&minor, k_minor, handle) != 0)
    return fail(ErrorCode::device_error, "the CUDA driver does not say what GPU this is");
  return fmt::format("{}{}", major, minor);
}

struct StreamScope::State {
  c10::Stream stream;
  c10::StreamGuard guard;
  explicit State(c10::Device device) : stream(pool_stream(device)), guard(stream) {}
};

StreamScope::StreamScope(c10::Device device) {
  if (!device.is_cpu()) m_state = std::make_unique<State>(device);
}
StreamScope::~StreamScope() = default;

void StreamScope::wait() const {
  if (m_state != nullptr) m_state->stream.synchronize();
}

struct WeightUpload::State {
  struct Buffer {
    at::Tensor memory;
    std::optional<c10::Event> sent; // the last copy out of it
  };
  struct Seen {
    at::Tensor source; // keeps the memory, so that no other tensor gets its address
    at::Tensor copy;
  };

  c10::Device device;
  c10::Stream stream;
  c10::StreamGuard guard;
  std::array<Buffer, 2> buffers;
  std::size_t next = 0;
  std::unordered_multimap<const void*, Seen> seen;

  explicit State(c10::Device to) : device(to), stream(pool_stream(to)), guard(stream) {}
  void send(const char* from, char* to, std::size_t size);
};

void WeightUpload::State::send(const char* from, char* to, std::size_t size) {
  if (size <= k_small_bytes) { // pageable memory: the driver has copied it when this returns
    // LibTorch has no const tensors; it is only read.
    bytes_at(to, size, device).copy_(bytes_at(const_cast<char*>(from), size, at::kCPU)); // NOLINT
    return;
  }
  Buffer& buffer = buffers[next];
  next = 1 - next;
  if (!buffer.memory.defined())
    buffer.memory = at::empty({static_cast<std::int64_t>(k_staging_bytes)},
                              at::TensorOptions().dtype(at::kByte).pinned_memory(true));
  if (buffer.sent) buffer.sent->synchronize();
  std::memcpy(buffer.memory.data_ptr(), from, size);
  bytes_at(to, size, device)
      .copy_(buffer.memory.narrow(0, 0, static_cast<std::int64_t>(size)), /*non_blocking=*/true);
  buffer.sent.emplace(device.type());
  buffer.sent->record(stream);
}

WeightUpload::WeightUpload(c10::Device device) {
  if (!device.is_cpu()) m_state = std::make_unique<State>(device);
}

WeightUpload::~WeightUpload() {
  if (m_state != nullptr) m_state->stream.synchronize();
}

at::Tensor WeightUpload::upload(const at::Tensor& tensor) {
  if (m_state == nullptr) return tensor;
  const auto [first, last] = m_state->seen.equal_range(tensor.data_ptr());
  for (auto found = first; found != last; ++found)
    if (const at::Tensor& source = found->second.source; source.scalar_type() == tensor.scalar_type() &&
                                                         source.sizes() == tensor.sizes() &&
                                                         source.strides() == tensor.strides())
      return found->second.copy;
  at::Tensor copy =
      at::empty_strided(tensor.sizes(), tensor.strides(), tensor.options().device(m_state->device));
  const std::size_t size = reach_bytes(tensor);
  for (std::size_t done = 0; done < size;) {
    const std::size_t piece = std::min(size - done, k_staging_bytes);
    m_state->send(static_cast<const char*>(tensor.data_ptr()) + done,
                  static_cast<char*>(copy.data_ptr()) + done, piece);
    done += piece;
  }
  if (size > 0) m_state->seen.emplace(tensor.data_ptr(), State::Seen{tensor, copy});
  return copy;
}

at::Tensor to_device(at::Tensor tensor, c10::Device device) {
  if (device.is_cpu()) return tensor;
  if (tensor.nbytes() <= k_small_bytes) return tensor.to(device);
  return tensor.pin_memory().to(device, /*non_blocking=*/true);
}

Error error_of(const c10::Error& error) {
  const std::string message = first_line(error.what_without_backtrace());
  const auto says = [&](std::string_view words) { return message.find(words) != std::string::npos; };
  const bool no_memory = dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
                         says("not enough memory") || says("can't allocate memory");
  const bool broken = says("CUDA error:") || says("CUDA driver error:");
  return fail(no_memory ? ErrorCode::out_of_memory
              : broken  ? ErrorCode::device_error
                        : ErrorCode::prediction_failed,
              message)
      .value();
}

} // namespace mrun::torch_engine
