#include "cli/bench/measure/cost.h"

#include <fmt/format.h>

#include "common/text.h"

namespace mrun::bench {
namespace {

// The mean, when all of them say, in one currency.
class CostSum {
 public:
  void add(const std::optional<Money>& amount, const std::string& currency, const std::string& why) {
    ++m_count;
    if (!amount) return refuse(why.empty() ? "the daemon names no amount that can be read" : why);
    if (m_count > 1 && currency != m_currency)
      return refuse(
          fmt::format("predictions cost {} and {}", printable(m_currency, 8), printable(currency, 8)));
    m_currency = currency;
    const auto next = m_sum.plus(*amount);
    if (!next) return refuse("the sum is too large");
    m_sum = *next;
  }
  std::optional<Money> per_1000() {
    if (m_count == 0 || !m_reason.empty()) return std::nullopt;
    const auto mean = m_sum.times(1000, m_count);
    if (!mean) refuse("the sum is too large");
    return mean ? std::optional(*mean) : std::nullopt;
  }
  const std::string& currency() const { return m_currency; }
  const std::string& reason() const { return m_reason; } // the first one

 private:
  void refuse(const std::string& why) {
    if (m_reason.empty()) m_reason = why;
  }
  Money m_sum;
  std::int64_t m_count = 0;
  std::string m_currency;
  std::string m_reason;
};

std::vector<const Sample*> costed_samples(const BenchResult& result) {
  std::vector<const Sample*> samples;
  if (result.warm)
    for (const Sample& sample : result.warm->samples)
      samples.push_back(&sample);
  for (const LoadStep& step : result.load)
    for (const Sample& sample : step.samples)
      if (sample.outcome == Outcome::succeeded) samples.push_back(&sample);
  return samples;
}

} // namespace

void add_cost(BenchResult& result) {
  const std::vector<const Sample*> samples = costed_samples(result);
  if (samples.empty()) return;
  CostSum own;
  CostSum reference;
  for (const Sample* sample : samples) {
    const ServerReport& server = sample->server;
    own.add(server.cost, server.cost_currency, server.cost_reason);
    reference.add(server.reference, server.reference_name, {});
  }
  CostFacts facts;
  facts.per_1000 = own.per_1000();
  if (facts.per_1000) facts.currency = own.currency();
  facts.reason = own.reason();
  facts.reference_per_1000 = reference.per_1000();
  if (facts.reference_per_1000) facts.reference_name = reference.currency();
  result.cost = std::move(facts);
}

} // namespace mrun::bench
