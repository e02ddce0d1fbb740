#include "daemon/service/phases_json.h"

#include <fmt/format.h>

namespace mrun {

Json phases_json(const Phases& phases) {
  Json json = Json::object();
  for (std::size_t i = 0; i < k_phase_names.size(); ++i)
    json[std::string(k_phase_names[i])] = phases.duration_ns[i];
  return json;
}

std::string phases_text(const Phases& phases) {
  std::string text;
  for (std::size_t i = 0; i < k_phase_names.size(); ++i)
    if (phases.duration_ns[i] > 0)
      text += fmt::format("{}{}={:.3f}ms", text.empty() ? "" : ",", k_phase_names[i],
                          static_cast<double>(phases.duration_ns[i]) / 1e6);
  return text.empty() ? "none" : text;
}

std::string amount_text(const Charge& charge) {
  return charge.amount ? fmt::format("{} {}", charge.amount->text(), charge.currency) : "unknown";
}

} // namespace mrun
