#include "cli/bench/load/saturation.h"

#include "cli/bench/stats/trend.h"

namespace mrun::bench {
namespace {

constexpr std::size_t k_points = 20;
constexpr double k_significant_t = 4;
constexpr double k_least_growth = 10; // requests in flight

} // namespace

void SaturationWatch::add(double in_flight, double latency_ns) {
  m_times.push_back(static_cast<double>(m_times.size()));
  m_in_flight.push_back(in_flight);
  m_latency_ns.push_back(latency_ns);
}

bool SaturationWatch::saturated() const {
  if (m_times.size() < k_points) return false;
  const auto last = [](const Samples& all) { return std::span(all).last(k_points); };
  const Slope queue = fit_slope(last(m_times), last(m_in_flight));
  const Slope latency = fit_slope(last(m_times), last(m_latency_ns));
  if (queue.t < k_significant_t || latency.t < k_significant_t) return false;
  constexpr double k_span = k_points - 1;
  const double mean_latency = mean_of(last(m_latency_ns));
  return queue.per_unit * k_span > k_least_growth && latency.per_unit * k_span > mean_latency / 3;
}

} // namespace mrun::bench
