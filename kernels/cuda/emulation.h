// CUDA on a CPU, for tests: each thread of a block is a fiber, a block after the other runs on the calling
// thread.
//
// Finds what a GPU would hide: results that depend on the order of threads (run a launch under each order of
// all_thread_orders() and compare the bits), barriers and shuffles that not all threads reach, reading of
// shared memory that nobody wrote (it is filled with 0xCD), accesses out of bounds (build with
// AddressSanitizer; each shared array is an allocation of its own). x86-64 only. Not emulated: tensor cores,
// asynchronous copies, streams.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <stdexcept>
#include <type_traits>

struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_size = 1, unsigned y_size = 1, unsigned z_size = 1)
      : x(x_size),
        y(y_size),
        z(z_size) {}
};

namespace mrun::kernels::emulation {

// In which order the threads of a block get their turns.
struct ThreadOrder {
  enum class Kind { forward, reverse, shuffled } kind = Kind::forward;
  std::uint32_t seed = 0;
};
std::span<const ThreadOrder> all_thread_orders();
// For the launches of this thread from now on.
void set_thread_order(ThreadOrder order);

// A kernel broke a rule: threads of one block wait at different places, or some ended while others wait.
class EmulationError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Coordinates {
  uint3 thread, block;
  dim3 block_size, grid_size;
};
const Coordinates& coordinates(); // of the running fiber

void launch(dim3 grid, dim3 block, const std::function<void()>& body); // throws EmulationError

// The block's shared array of that key, `size` bytes; filled with 0xCD when the block first asks.
void* shared_array(const void* key, std::size_t size);
void wait_for_block(int line);
// Gives the warp's lane `lane ^ mask` this value and takes its one.
std::uint64_t exchange(std::uint64_t value, unsigned mask, int line);

} // namespace mrun::kernels::emulation

// The names that CUDA's own headers give, in the global namespace as there.
#define __global__
#define __device__
#define threadIdx (::mrun::kernels::emulation::coordinates().thread)
#define blockIdx (::mrun::kernels::emulation::coordinates().block)
#define blockDim (::mrun::kernels::emulation::coordinates().block_size)
#define gridDim (::mrun::kernels::emulation::coordinates().grid_size)
#define __launch_bounds__(...)

using std::sqrt;

inline void __syncthreads(int line = __builtin_LINE()) {
  ::mrun::kernels::emulation::wait_for_block(line);
}

template<class T>
T __shfl_xor_sync(unsigned, T value, unsigned mask, int line = __builtin_LINE()) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = ::mrun::kernels::emulation::exchange(bits, mask, line);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// Fibers never run at the same time.
template<class T>
T atomicAdd(T* address, T value) {
  const T before = *address;
  *address = before + value;
  return before;
}

#define MRUN_SHARED(type, name, count)                                                                       \
  static constexpr char name##_key = 0;                                                                      \
  type* const name =                                                                                         \
      static_cast<type*>(::mrun::kernels::emulation::shared_array(&name##_key, sizeof(type) * (count)))
#define MRUN_LAUNCH(kernel, grid, block, stream, ...)                                                        \
  (static_cast<void>(stream), ::mrun::kernels::emulation::launch(grid, block, [&] { kernel(__VA_ARGS__); }), \
   0)
