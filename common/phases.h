// The phases of a prediction, everywhere by these names (DECISIONS "Phases"); they add up to the total.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace mrun {

enum class Phase : std::uint8_t { queue, fetch, spawn, import, map, build, copy, warmup, predict, other };

inline constexpr std::array<std::string_view, 10> k_phase_names = {
    "queue", "fetch", "spawn", "import", "map", "build", "copy", "warmup", "predict", "other"};

struct Phases {
  std::array<std::int64_t, k_phase_names.size()> duration_ns{};

  std::int64_t& operator[](Phase phase) { return duration_ns[static_cast<std::size_t>(phase)]; }
  std::int64_t operator[](Phase phase) const { return duration_ns[static_cast<std::size_t>(phase)]; }
  std::int64_t sum_ns() const {
    std::int64_t sum = 0;
    for (const std::int64_t part : duration_ns)
      sum += part;
    return sum;
  }
  // Puts into `other` what the named phases leave of `total_ns` (never below 0).
  void close(std::int64_t total_ns) {
    (*this)[Phase::other] = 0;
    const std::int64_t rest = total_ns - sum_ns();
    (*this)[Phase::other] = rest > 0 ? rest : 0;
  }
};

// The phase of that name; false when there is none.
constexpr bool find_phase(std::string_view name, Phase& phase) {
  for (std::size_t i = 0; i < k_phase_names.size(); ++i)
    if (k_phase_names[i] == name) {
      phase = static_cast<Phase>(i);
      return true;
    }
  return false;
}

} // namespace mrun
