// What parts of a benchmark are called where their predictions are counted.
#pragma once

#include <string>
#include <string_view>

namespace mrun::bench {

inline constexpr std::string_view k_probe_part = "first prediction"; // before anything is measured
inline constexpr std::string_view k_cold_part = "cold";
inline constexpr std::string_view k_warmup_part = "warm-up";
inline constexpr std::string_view k_warm_part = "warm";
inline constexpr std::string_view k_load_prefix = "load "; // and the step's name

// Of the model or of its baseline.
inline std::string part_name(std::string_view part, bool is_baseline) {
  return std::string(part) + (is_baseline ? ", baseline" : "");
}

} // namespace mrun::bench
