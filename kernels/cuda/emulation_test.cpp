// The emulation itself: it must find the mistakes that it is there for.
#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "kernels/cuda/block.cuh"

using namespace mrun::kernels;
using emulation::EmulationError;

namespace {

void reverse_by_shared(const int* in, int* out, bool with_barrier) {
  MRUN_SHARED(int, values, 64);
  values[threadIdx.x] = in[threadIdx.x];
  if (with_barrier) __syncthreads();
  out[threadIdx.x] = values[63 - threadIdx.x];
}

void reduce(const unsigned* in, unsigned* out) {
  MRUN_SHARED(unsigned, warps, 4);
  const auto sum = [](unsigned a, unsigned b) { return a + b; };
  const unsigned total = block_reduce<128>(in[blockIdx.x * 128 + threadIdx.x], warps, sum);
  if (threadIdx.x == 0) out[blockIdx.x] = total;
}

void barrier_for_some() {
  if (threadIdx.x < 40) __syncthreads();
}

void two_barriers() {
  if (threadIdx.x % 2 == 0)
    __syncthreads();
  else
    __syncthreads();
}

void shuffle_for_some(int* out) {
  out[threadIdx.x] = 0;
  if (threadIdx.x % 32 < 16) out[threadIdx.x] = __shfl_xor_sync(0xffffffffU, 1, 1U);
}

void unwritten_shared(unsigned* out) {
  MRUN_SHARED(unsigned, values, 2);
  if (threadIdx.x == 0) values[0] = blockIdx.x;
  __syncthreads();
  if (threadIdx.x == 0) out[blockIdx.x] = values[1];
}

template<class Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const EmulationError& error) {
    return error.what();
  }
  return "";
}

} // namespace

TEST_CASE("emulation: barriers, shuffles and blocks give one result in any order of threads") {
  std::vector<int> in(64), out(64);
  std::vector<unsigned> numbers(384), sums(3);
  for (unsigned i = 0; i < 384; ++i)
    numbers[i] = i;
  for (int i = 0; i < 64; ++i)
    in[static_cast<std::size_t>(i)] = i;
  for (const emulation::ThreadOrder order : emulation::all_thread_orders()) {
    emulation::set_thread_order(order);
    CHECK(MRUN_LAUNCH(reverse_by_shared, dim3(1), dim3(64), nullptr, in.data(), out.data(), true) ==
          k_cuda_success);
    for (int i = 0; i < 64; ++i)
      CHECK(out[static_cast<std::size_t>(i)] == 63 - i);
    MRUN_LAUNCH(reduce, dim3(3), dim3(128), nullptr, numbers.data(), sums.data());
    CHECK(sums == std::vector<unsigned>{8128, 24512, 40896});
  }
}

TEST_CASE("emulation: a missing barrier shows as results that depend on the order") {
  const std::vector<int> in(64, 5);
  std::set<std::vector<int>> results;
  for (const emulation::ThreadOrder order : emulation::all_thread_orders()) {
    emulation::set_thread_order(order);
    std::vector<int> out(64);
    MRUN_LAUNCH(reverse_by_shared, dim3(1), dim3(64), nullptr, in.data(), out.data(), false);
    results.insert(out);
  }
  CHECK(results.size() > 1);
}

TEST_CASE("emulation: barriers and shuffles that some threads miss are errors with their places") {
  std::vector<int> out(64);
  const std::string some = error_of([] { MRUN_LAUNCH(barrier_for_some, dim3(1), dim3(64), nullptr); });
  CHECK(some.find("a barrier is not reached by the whole block") != std::string::npos);
  CHECK(some.find("thread 40 of block (0, 0, 0) ended") != std::string::npos);
  CHECK(error_of([] { MRUN_LAUNCH(two_barriers, dim3(1), dim3(64), nullptr); }).find("is at line") !=
        std::string::npos);
  CHECK(error_of([&] {
          MRUN_LAUNCH(shuffle_for_some, dim3(1), dim3(64), nullptr, out.data());
        }).find("a shuffle is not reached by the whole warp") != std::string::npos);
}

TEST_CASE("emulation: shared memory that nobody wrote is 0xCD, in every block anew") {
  std::vector<unsigned> out(3);
  MRUN_LAUNCH(unwritten_shared, dim3(3), dim3(32), nullptr, out.data());
  CHECK(out == std::vector<unsigned>(3, 0xCDCDCDCD));
}
