// The exact sum of any number of amounts of one currency, beyond the range of a Money.
#pragma once

#include <cstdint>
#include <string>

#include "cost/money.h"

namespace mrun {

class MoneySum {
 public:
  // 9.2 * 10^18 units hold any ledger: it does not overflow.
  void add(Money amount) {
    m_units += amount.pico() / k_pico_per_unit;
    m_pico += amount.pico() % k_pico_per_unit;
    m_units += m_pico / k_pico_per_unit;
    m_pico %= k_pico_per_unit;
  }
  void add(const MoneySum& other) {
    m_units += other.m_units;
    add(Money::from_pico(other.m_pico));
  }
  bool is_zero() const { return m_units == 0 && m_pico == 0; }
  // As Money::text(): "0", "12.5".
  std::string text() const {
    const std::string fraction = Money::from_pico(m_pico).text(); // "0" or "0.…"
    return std::to_string(m_units) + fraction.substr(1);
  }

 private:
  static constexpr std::int64_t k_pico_per_unit = 1'000'000'000'000;
  std::int64_t m_units = 0;
  std::int64_t m_pico = 0; // below one unit
};

} // namespace mrun
