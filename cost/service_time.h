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

// value = base + Σ slope · term, by least squares of the relative errors, or the mean. A term is one input,
// its square, or the product of two or three; there are at most two. Of all such sums the one is taken that
// predicts left-out samples best, where each further factor has to earn its place; base and slopes are never
// below 0, since more work takes no less time.
class Fit {
 public:
  // At least one sample.
  static Fit of(const std::vector<Sample>& samples);
  // `worst`: the typical value times the largest ratio of measured to fitted.
  Fitted at(const Drivers& drivers) const;
  // "height*width", "steps + characters"; "" for a mean.
  std::string driver() const;
  // How far left-out samples are off on average, as a part of what was measured: 0.1 is 10 %. 0 below three
  // samples.
  double left_out_error() const { return m_left_out_error; }
  std::size_t sample_count() const { return m_count; }

 private:
  struct Part {
    std::string term;
    double slope = 0, most = 0; // of the term, among the samples
  };
  std::vector<Part> m_parts;
  double m_base = 0, m_worst_ratio = 1, m_left_out_error = 0;
  std::size_t m_count = 0;
};

} // namespace mrun
