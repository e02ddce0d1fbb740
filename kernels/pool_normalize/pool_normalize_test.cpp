#include <doctest/doctest.h>

#include <utility>

#include "kernels/pool_normalize/pool_normalize.cuh"
#include "kernels/pool_normalize/pool_normalize.h"
#include "kernels/pool_normalize/pool_normalize_cases.h"
#include "kernels/tests/support.h"

using namespace mrun::kernels;
using namespace mrun::kernels::test::pool_test;
using test::k_inf;
using test::k_nan;
using test::same_bits;

TEST_CASE("pool_normalize: the mean over the tokens that the mask keeps, batch by batch") {
  const std::vector<float> in = {1, 2, 3, 4, 100, 200, /* second */ 5, 6, 7, 8, 9, 10};
  const std::vector<float> mask = {1, 1, 0, /* second */ 1, 1, 1};
  std::vector<float> out(4);
  mean_pool({in.data(), mask.data(), 2, 3, 2, out.data()});
  CHECK(out == std::vector<float>{2, 3, 7, 8});
  mean_pool({in.data(), nullptr, 1, 2, 2, out.data()});
  CHECK(out[0] == 2);
  CHECK(out[1] == 3);
  const std::vector<float> right = {3, 4, 3, 4};
  pool_normalize({right.data(), nullptr, 1, 2, 2, out.data()}, k_normalize_epsilon);
  CHECK(out[0] == 0.6f);
  CHECK(out[1] == 0.8f);
}

TEST_CASE("pool_normalize: an empty mask gives zeros, not NaN") {
  const std::vector<float> in = {1, 2};
  const float mask = 0;
  std::vector<float> out(2, 9);
  pool_normalize({in.data(), &mask, 1, 1, 2, out.data()}, k_normalize_epsilon);
  CHECK(out == std::vector<float>{0, 0});
}

TEST_CASE("pool_normalize: rows get unit length; a zero row stays zero; in place works; large values do not "
          "overflow") {
  std::vector<float> rows = {3, 4, 0, 0, -2, 0, 3e30f, 4e30f};
  l2_normalize(rows.data(), 4, 2, k_normalize_epsilon, rows.data());
  CHECK(std::vector(rows.begin(), rows.begin() + 6) == std::vector<float>{0.6f, 0.8f, 0, 0, -1, 0});
  CHECK(rows[6] == doctest::Approx(0.6));
  CHECK(rows[7] == doctest::Approx(0.8));
}

TEST_CASE("pool_normalize: each instruction set gives the reference's bits, in one pass and in two") {
  for (const Case& with : cases()) {
    CAPTURE(with.batch);
    CAPTURE(with.tokens);
    CAPTURE(with.width);
    const std::vector<float> expected = with.reference();
    for (const CpuIsa isa : cpu_isas()) {
      CAPTURE(cpu_isa_name(isa));
      std::vector<float> out;
      pool_normalize(with.arguments(out), k_normalize_epsilon, isa);
      CHECK(same_bits(out, expected));
      mean_pool(with.arguments(out), isa);
      l2_normalize(out.data(), with.batch, with.width, k_normalize_epsilon, out.data(), isa);
      CHECK(same_bits(out, expected));
    }
  }
}

TEST_CASE("pool_normalize: the CUDA source, emulated, gives the reference's bits in any order of threads") {
  for (const Case& with : cases()) {
    CAPTURE(with.batch);
    CAPTURE(with.tokens);
    CAPTURE(with.width);
    const std::vector<float> expected = with.reference();
    for (const emulation::ThreadOrder order : emulation::all_thread_orders()) {
      emulation::set_thread_order(order);
      std::vector<float> out;
      const PoolArguments a = with.arguments(out);
      CHECK(launch_pool_normalize(a.in, a.mask, a.batch, a.tokens, a.width, k_normalize_epsilon, a.out,
                                  nullptr) == k_cuda_success);
      CHECK(same_bits(out, expected));
    }
  }
}
