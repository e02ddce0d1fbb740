#include "kernels/cuda/emulation.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

// Saves the callee-saved registers and the stack pointer in *from, and goes on where `to` was saved.
extern "C" void mrun_fiber_switch(void** from, void* to);
asm(R"(
.text
.globl mrun_fiber_switch
.type mrun_fiber_switch, @function
mrun_fiber_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size mrun_fiber_switch, .-mrun_fiber_switch
.section .note.GNU-stack,"",@progbits
.text
)");

namespace mrun::kernels::emulation {
namespace {

constexpr std::size_t k_stack_bytes = std::size_t{64} << 10;
constexpr unsigned k_warp = 32;

enum class State { runnable, at_barrier, at_shuffle, ended };

struct Fiber {
  void* stack_pointer = nullptr;
  std::unique_ptr<std::byte[]> stack;
  State state = State::runnable;
  int line = 0; // of the barrier or shuffle where it waits
  std::uint64_t slot = 0;
  Coordinates at;
};

class Block {
 public:
  Block(const std::function<void()>& body, dim3 size, ThreadOrder order)
      : m_body(body),
        m_fibers(std::size_t{size.x} * size.y * size.z),
        m_order(m_fibers.size()) {
    std::iota(m_order.begin(), m_order.end(), 0U);
    if (order.kind == ThreadOrder::Kind::reverse) std::reverse(m_order.begin(), m_order.end());
    if (order.kind == ThreadOrder::Kind::shuffled)
      std::shuffle(m_order.begin(), m_order.end(), std::mt19937(order.seed));
  }

  void run(uint3 block, dim3 block_size, dim3 grid_size);
  void yield(State state, int line);

  Fiber& current() { return m_fibers[m_current]; }
  Fiber& lane(unsigned mask) { return m_fibers[(m_current & ~std::size_t{31}) | ((m_current & 31) ^ mask)]; }
  bool has_lane(unsigned mask) const {
    return ((m_current & ~std::size_t{31}) | ((m_current & 31) ^ mask)) < m_fibers.size();
  }
  std::map<const void*, std::unique_ptr<std::byte[]>> shared;

 private:
  static void entry();
  void start(Fiber& fiber);
  void resume(std::size_t index);
  bool release_warps();
  bool release_block();
  [[noreturn]] void fail(const char* what, const Fiber& a, const Fiber& b) const;

  const std::function<void()>& m_body;
  std::vector<Fiber> m_fibers;
  std::vector<unsigned> m_order;
  std::size_t m_current = 0;
  void* m_scheduler = nullptr;
};

thread_local Block* t_block = nullptr;
thread_local ThreadOrder t_order;

void Block::entry() {
  t_block->m_body();
  t_block->yield(State::ended, 0);
}

void Block::start(Fiber& fiber) {
  if (fiber.stack == nullptr) fiber.stack = std::make_unique_for_overwrite<std::byte[]>(k_stack_bytes);
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(fiber.stack.get(), k_stack_bytes); // what the fiber before left there
#endif
  // What mrun_fiber_switch pops, six registers and the address of entry; entry finds its stack as after a
  // call.
  const auto top = reinterpret_cast<std::uintptr_t>(fiber.stack.get() + k_stack_bytes) & ~std::uintptr_t{15};
  auto* frame = reinterpret_cast<void**>(top) - 8;
  std::fill_n(frame, 8, nullptr);
  frame[6] = reinterpret_cast<void*>(&Block::entry);
  fiber.stack_pointer = frame;
  fiber.state = State::runnable;
}

void Block::resume(std::size_t index) {
  m_current = index;
  mrun_fiber_switch(&m_scheduler, m_fibers[index].stack_pointer);
}

void Block::yield(State state, int line) {
  Fiber& fiber = current();
  fiber.state = state;
  fiber.line = line;
  mrun_fiber_switch(&fiber.stack_pointer, m_scheduler);
}

std::string place(const Fiber& fiber) {
  return "thread " + std::to_string(fiber.at.thread.x) + " of block (" + std::to_string(fiber.at.block.x) +
         ", " + std::to_string(fiber.at.block.y) + ", " + std::to_string(fiber.at.block.z) + ") " +
         (fiber.state == State::ended ? "ended" : "is at line " + std::to_string(fiber.line));
}

void Block::fail(const char* what, const Fiber& a, const Fiber& b) const {
  throw EmulationError(std::string(what) + ": " + place(a) + ", " + place(b));
}

// Lanes of a warp that all wait at one shuffle go on. False when there were none.
bool Block::release_warps() {
  bool released = false;
  for (std::size_t begin = 0; begin < m_fibers.size(); begin += k_warp) {
    const std::span<Fiber> warp(m_fibers.data() + begin,
                                std::min<std::size_t>(k_warp, m_fibers.size() - begin));
    const auto waits = [](const Fiber& fiber) { return fiber.state == State::at_shuffle; };
    const auto first = std::find_if(warp.begin(), warp.end(), waits);
    if (first == warp.end()) continue;
    for (const Fiber& fiber : warp)
      if (!waits(fiber) || fiber.line != first->line)
        fail("a shuffle is not reached by the whole warp", *first, fiber);
    for (Fiber& fiber : warp)
      fiber.state = State::runnable;
    released = true;
  }
  return released;
}

bool Block::release_block() {
  const auto waits = [](const Fiber& fiber) { return fiber.state == State::at_barrier; };
  const auto first = std::find_if(m_fibers.begin(), m_fibers.end(), waits);
  if (first == m_fibers.end()) return false;
  for (const Fiber& fiber : m_fibers)
    if (!waits(fiber) || fiber.line != first->line)
      fail("a barrier is not reached by the whole block", *first, fiber);
  for (Fiber& fiber : m_fibers)
    fiber.state = State::runnable;
  return true;
}

void Block::run(uint3 block, dim3 block_size, dim3 grid_size) {
  shared.clear();
  for (unsigned i = 0; i < m_fibers.size(); ++i) {
    m_fibers[i].at = {{i % block_size.x, i / block_size.x % block_size.y, i / block_size.x / block_size.y},
                      block,
                      block_size,
                      grid_size};
    start(m_fibers[i]);
  }
  do {
    for (const unsigned index : m_order)
      if (m_fibers[index].state == State::runnable) resume(index);
  } while (release_warps() || release_block());
}

} // namespace

std::span<const ThreadOrder> all_thread_orders() {
  static constexpr auto orders = std::to_array<ThreadOrder>({{ThreadOrder::Kind::forward, 0},
                                                             {ThreadOrder::Kind::reverse, 0},
                                                             {ThreadOrder::Kind::shuffled, 1},
                                                             {ThreadOrder::Kind::shuffled, 2}});
  return orders;
}

void set_thread_order(ThreadOrder order) {
  t_order = order;
}

const Coordinates& coordinates() {
  return t_block->current().at;
}

void launch(dim3 grid, dim3 block, const std::function<void()>& body) {
  Block fibers(body, block, t_order);
  t_block = &fibers;
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x)
        fibers.run({x, y, z}, block, grid);
  t_block = nullptr;
}

void* shared_array(const void* key, std::size_t size) {
  std::unique_ptr<std::byte[]>& array = t_block->shared[key];
  if (array == nullptr) {
    array = std::make_unique_for_overwrite<std::byte[]>(size);
    std::memset(array.get(), 0xCD, size);
  }
  return array.get();
}

void wait_for_block(int line) {
  t_block->yield(State::at_barrier, line);
}

std::uint64_t exchange(std::uint64_t value, unsigned mask, int line) {
  Block& block = *t_block;
  block.current().slot = value;
  block.yield(State::at_shuffle, line);
  // A lane that is not there gives its own value, as CUDA does for one outside of the warp.
  const std::uint64_t theirs = block.has_lane(mask) ? block.lane(mask).slot : value;
  block.yield(State::at_shuffle, line); // no slot is written before all have read
  return theirs;
}

} // namespace mrun::kernels::emulation
