// How long a model takes, and how much it gives, by the size of its inputs: fitted to a few measured runs.
// Times are measured, so doubles; no money is computed here.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace mrun {

// What a quantity may hang on: numbers among the inputs, lengths of texts, sizes of files.
using Drivers = std::map<std::string, double>;

struct Sample {
  Drivers drivers;
  double value = 0; // ≥ 0
};

struct Fitted {
  double typical = 0, worst = 0;
  bool beyond = false; // farther out than twice what was measured
};

// value = base + slope · driver, by least squares, or the mean. The driver (one input, or the product of two)
// is the one that predicts left-out samples best, if it beats the mean by a tenth; without that, none.
class Fit {
 public:
  // At least one sample.
  static Fit of(const std::vector<Sample>& samples);
  // `worst`: the typical value times the largest ratio of measured to fitted.
  Fitted at(const Drivers& drivers) const;
  // "" for a mean.
  const std::string& driver() const { return m_driver; }
  std::size_t sample_count() const { return m_count; }

 private:
  std::string m_driver;
  double m_base = 0, m_slope = 0, m_worst_ratio = 1, m_most = 0;
  std::size_t m_count = 0;
};

} // namespace mrun
