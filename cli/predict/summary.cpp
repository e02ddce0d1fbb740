#include "cli/predict/summary.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "common/phases.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

struct PhaseTime {
  std::string_view name;
  std::int64_t duration_ns = 0;
};

std::vector<PhaseTime> phases_of(const Json& metrics) {
  std::vector<PhaseTime> phases;
  const auto found = metrics.find("phases_ns");
  if (found == metrics.end() || !found->is_object()) return phases;
  for (const std::string_view name : k_phase_names) {
    const auto phase = found->find(name);
    if (phase != found->end() && phase->is_number_integer())
      phases.push_back({name, phase->get<std::int64_t>()});
  }
  return phases;
}

std::int64_t total_ns(const Json& metrics) {
  std::int64_t sum = 0;
  for (const PhaseTime& phase : phases_of(metrics))
    sum += phase.duration_ns;
  if (sum > 0) return sum;
  const auto total = metrics.find("total_time");
  return total != metrics.end() && total->is_number() ? static_cast<std::int64_t>(total->get<double>() * 1e9)
                                                      : 0;
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? printable(found->get<std::string>(), 120)
                                                     : std::string();
}

// "cold start 31 ms: import 12 ms, build 10 ms"; the three longest. Empty for a warm one.
std::string cold_start_words(const Json& metrics) {
  if (!metrics.contains("cold_start") || metrics["cold_start"] != true) return {};
  std::vector<PhaseTime> parts;
  std::int64_t sum = 0;
  for (const PhaseTime& phase : phases_of(metrics)) {
    if (phase.name == "queue" || phase.name == "predict" || phase.name == "other") continue;
    sum += phase.duration_ns;
    if (phase.duration_ns > 0) parts.push_back(phase);
  }
  std::ranges::stable_sort(parts, std::ranges::greater(), &PhaseTime::duration_ns);
  std::string words = fmt::format("cold start {}", format_duration(sum));
  for (std::size_t i = 0; i < std::min<std::size_t>(3, parts.size()); ++i)
    words +=
        fmt::format("{} {} {}", i == 0 ? ":" : ",", parts[i].name, format_duration(parts[i].duration_ns));
  return words;
}

std::string own_cost_words(const Json& metrics) {
  const auto cost = metrics.find("cost");
  if (cost == metrics.end()) return {};
  if (cost->is_object() && !text_of(*cost, "amount").empty())
    return fmt::format("cost {} {}", text_of(*cost, "amount"), text_of(*cost, "currency"));
  return "cost unknown";
}

std::string reference_words(const Json& metrics) {
  const auto reference = metrics.find("cost_reference");
  if (reference == metrics.end() || !reference->is_object()) return {};
  const std::string who = fmt::format("{} {}", text_of(*reference, "provider"), text_of(*reference, "sku"));
  if (text_of(*reference, "amount").empty()) return fmt::format("{}: unknown", who);
  return fmt::format("{}: {} {}", who, text_of(*reference, "amount"), text_of(*reference, "currency"));
}

std::string bytes_of(const Json& metrics, const char* key) {
  const auto found = metrics.find(key);
  return found != metrics.end() && found->is_number_unsigned() ? format_bytes(found->get<std::uint64_t>())
                                                               : "";
}

} // namespace

std::string summary_line(const Json& metrics) {
  std::string line = format_duration(total_ns(metrics));
  if (const std::string cold = cold_start_words(metrics); !cold.empty()) line += fmt::format(" ({})", cold);
  if (const std::string cost = own_cost_words(metrics); !cost.empty()) line += " · " + cost;
  if (const std::string reference = reference_words(metrics); !reference.empty())
    line += fmt::format(" · for reference {}", reference);
  return line;
}

std::string device_line(const Json& metrics) {
  const auto cold = metrics.find("cold_start");
  const std::string reason = text_of(metrics, "device_reason");
  if (reason.empty() || cold == metrics.end() || !cold->is_boolean() || !cold->get<bool>()) return {};
  return fmt::format("on the {}: {}", text_of(metrics, "device"), reason);
}

std::string timings_table(const Json& metrics) {
  const std::int64_t total = total_ns(metrics);
  std::string text;
  for (const PhaseTime& phase : phases_of(metrics)) {
    if (phase.duration_ns == 0) continue;
    const double share =
        total > 0 ? 100.0 * static_cast<double>(phase.duration_ns) / static_cast<double>(total) : 0;
    text +=
        fmt::format("  {:<14}  {:>10}  {:>5.1f} %\n", phase.name, format_duration(phase.duration_ns), share);
  }
  text += fmt::format("  {:<14}  {:>10}\n", "total", format_duration(total));
  const auto line = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) text += fmt::format("  {:<14}  {}\n", name, value);
  };
  line("device", text_of(metrics, "device"));
  line("peak memory", bytes_of(metrics, "peak_memory_bytes"));
  line("input", bytes_of(metrics, "input_bytes"));
  line("output", bytes_of(metrics, "output_bytes"));
  const std::string own = own_cost_words(metrics);
  const std::string reason = text_of(metrics, "cost_reason");
  line("cost", own.empty() || reason.empty() ? own.substr(own.empty() ? 0 : 5)
                                             : fmt::format("{}: {}", own.substr(5), reason));
  if (const std::string reference = reference_words(metrics); !reference.empty())
    line("reference", fmt::format("{} (not your bill)", reference));
  return text;
}

} // namespace mrun::cli
