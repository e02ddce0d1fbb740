#include "cli/bench/report/words.h"

#include <cmath>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun::bench {

std::string time_words(double ns) {
  constexpr std::pair<double, std::string_view> k_units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}};
  for (const auto& [size, unit] : k_units) {
    const double value = ns / size;
    if (std::abs(value) < 0.9995) continue;
    const int digits = std::abs(value) < 9.995 ? 2 : std::abs(value) < 99.95 ? 1 : 0;
    return fmt::format("{:.{}f} {}", value, digits, unit);
  }
  return fmt::format("{:.0f} ns", ns);
}

std::string quantile_name(double p) {
  return fmt::format("p{:g}", p * 100);
}

std::string quantile_value(const Quantile& quantile) {
  return quantile.enough ? time_words(quantile.value) : "–";
}

std::string quantile_words(const Quantile& quantile, std::size_t n) {
  if (quantile.enough) return fmt::format("{} {}", quantile_name(quantile.p), time_words(quantile.value));
  return fmt::format("{} – (needs n≥{}, have {})", quantile_name(quantile.p), quantile.needed, n);
}

std::string percent_words(double ratio) {
  const double percent = (ratio - 1) * 100;
  return fmt::format("{:+.1f} %", std::abs(percent) < 0.05 ? 0.0 : percent);
}

std::string value_words(const CompareRow& row, double value) {
  return row.unit == "bytes" ? format_bytes(static_cast<std::uint64_t>(value)) : time_words(value);
}

std::string verdict_words(const CompareRow& row) {
  const Judgement& judgement = row.judgement;
  std::string words(verdict_name(judgement.verdict));
  if (!judgement.reason.empty()) words += fmt::format(" ({})", judgement.reason);
  if (!row.gated) words += ", not gated";
  return words;
}

std::string judged_words(const BenchResult& result) {
  if (result.partial) return "PARTIAL";
  return result.valid() ? "VALID" : "INVALID";
}

std::vector<PhaseShare> phases_of_run(const ColdRun& run) {
  std::vector<PhaseShare> shares;
  for (std::size_t i = 0; i < k_phase_names.size(); ++i) {
    auto ns = static_cast<double>(run.sample.server.phases.duration_ns[i]);
    if (k_phase_names[i] == "fetch") ns += static_cast<double>(run.fetch_ns);
    shares.push_back({std::string(k_phase_names[i]), ns});
  }
  shares.push_back({"client", static_cast<double>(run.client_ns())});
  return shares;
}

std::vector<PhaseShare> phase_shares(const ColdPart& part) {
  std::vector<PhaseShare> sums;
  for (const ColdRun& run : part.runs) {
    std::vector<PhaseShare> shares = phases_of_run(run);
    if (sums.empty()) {
      sums = std::move(shares);
      continue;
    }
    for (std::size_t i = 0; i < sums.size(); ++i)
      sums[i].mean_ns += shares[i].mean_ns;
  }
  for (PhaseShare& share : sums)
    share.mean_ns /= static_cast<double>(part.runs.size());
  std::erase_if(sums, [](const PhaseShare& share) { return share.mean_ns == 0; });
  return sums;
}

namespace {

template<class Read>
std::optional<double> median_known(const ColdPart& part, Read read) {
  Samples known;
  for (const ColdRun& run : part.runs)
    if (const auto value = read(run)) known.push_back(static_cast<double>(*value));
  if (known.empty()) return std::nullopt;
  return median_of(std::move(known));
}

} // namespace

std::optional<double> median_read_bytes(const ColdPart& part) {
  return median_known(part, [](const ColdRun& run) { return run.sample.server.read_bytes; });
}
std::optional<double> median_major_faults(const ColdPart& part) {
  return median_known(part, [](const ColdRun& run) { return run.sample.server.major_faults; });
}

std::string cost_words(const CostFacts& cost) {
  std::string words = cost.per_1000 ? fmt::format("{} {}", cost.per_1000->text(), printable(cost.currency, 8))
                                    : fmt::format("unknown ({})", cost.reason);
  if (cost.reference_per_1000)
    words += fmt::format(" · for reference {} {} (not your bill)", cost.reference_per_1000->text(),
                         cost.reference_name);
  return words;
}

} // namespace mrun::bench
