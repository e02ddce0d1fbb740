#include "cost/service_time.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "common/error.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_inputs = 12;     // that are tried at all, and in pairs
constexpr std::size_t k_max_deep_inputs = 6; // in products of three and in sums
constexpr double k_gain = 0.8;               // of the error: what each further factor has to bring it to
constexpr double k_exact = 1e-6;             // errors below it are the arithmetic's
constexpr double k_floor = 0.05;             // of the mean: errors of smaller values count as of one so large
constexpr char k_times = '*';

// One column a term: its value in each sample, as a part of the largest.
struct Term {
  std::string name;
  std::size_t order = 1; // how many factors
  bool is_deep = false;  // of the first inputs only
  double most = 0;
  std::vector<double> column;
};

// A sum of at most two terms.
struct Model {
  std::array<const Term*, 2> terms = {};
  std::size_t count = 0;
  std::size_t order() const {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < count; ++i)
      sum += terms[i]->order;
    return sum;
  }
};

struct Solution {
  double base = 0;
  std::array<double, 2> slopes = {};
  double at(const Model& model, std::size_t sample) const {
    double value = base;
    for (std::size_t i = 0; i < model.count; ++i)
      value += slopes[i] * model.terms[i]->column[sample];
    return value;
  }
};

std::optional<double> value_of(const Drivers& drivers, const std::string& name) {
  double product = 1;
  std::size_t at = 0;
  while (at <= name.size()) {
    const std::size_t end = std::min(name.find(k_times, at), name.size());
    const auto found = drivers.find(name.substr(at, end - at));
    if (found == drivers.end()) return std::nullopt;
    product *= found->second;
    at = end + 1;
  }
  return product;
}

// Gauss with pivots, of `n` ≤ 3 equations. nullopt: not solvable.
std::optional<std::array<double, 3>> solve(std::array<std::array<double, 4>, 3> rows, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t pivot = i;
    for (std::size_t r = i + 1; r < n; ++r)
      if (std::abs(rows[r][i]) > std::abs(rows[pivot][i])) pivot = r;
    if (!(std::abs(rows[pivot][i]) > 1e-9)) return std::nullopt;
    std::swap(rows[i], rows[pivot]);
    for (std::size_t r = 0; r < n; ++r) {
      if (r == i) continue;
      const double factor = rows[r][i] / rows[i][i];
      for (std::size_t c = i; c < 4; ++c)
        rows[r][c] -= factor * rows[i][c];
    }
  }
  std::array<double, 3> values = {};
  for (std::size_t i = 0; i < n; ++i)
    values[i] = rows[i][3] / rows[i][i];
  return values;
}

// The samples' values, and how much the error of each counts.
struct Target {
  std::vector<double> values, weights;
};

Target target_of(const std::vector<Sample>& samples) {
  double mean = 0;
  for (const Sample& sample : samples)
    mean += sample.value / static_cast<double>(samples.size());
  Target target;
  for (const Sample& sample : samples) {
    target.values.push_back(sample.value);
    target.weights.push_back(mean > 0 ? 1 / (sample.value + k_floor * mean) : 1);
  }
  return target;
}

// Without sample `left_out` (none, when it is the size). nullopt: no such sum, or it would fall with a term.
std::optional<Solution> fit_model(const Model& model, const Target& target, std::size_t left_out,
                                  bool has_base = true) {
  const std::size_t first = has_base ? 1 : 0, n = model.count + first;
  if (n == 0) return Solution{};
  std::array<std::array<double, 4>, 3> rows = {};
  double weight_sum = 0;
  for (std::size_t sample = 0; sample < target.values.size(); ++sample) {
    if (sample == left_out) continue;
    std::array<double, 4> line = {};
    if (has_base) line[0] = 1;
    for (std::size_t i = 0; i < model.count; ++i)
      line[first + i] = model.terms[i]->column[sample];
    line[3] = target.values[sample];
    const double weight = target.weights[sample] * target.weights[sample];
    weight_sum += weight;
    for (std::size_t r = 0; r < n; ++r)
      for (const std::size_t c : {0U, 1U, 2U, 3U})
        if (c < n || c == 3) rows[r][c] += weight * line[r] * line[c];
  }
  if (!(weight_sum > 0)) return std::nullopt;
  for (std::size_t r = 0; r < n; ++r)
    for (double& value : rows[r])
      value /= weight_sum;
  const auto solved = solve(rows, n);
  if (!solved) return std::nullopt;
  Solution solution;
  if (has_base) solution.base = (*solved)[0];
  for (std::size_t i = 0; i < model.count; ++i) {
    solution.slopes[i] = (*solved)[first + i];
    if (!(solution.slopes[i] > 0)) return std::nullopt;
  }
  // A base below 0 would make small inputs free.
  if (solution.base < 0) return fit_model(model, target, left_out, false);
  return solution;
}

// The mean relative error of each sample by a fit without it.
std::optional<double> left_out_error(const Model& model, const Target& target) {
  double sum = 0;
  for (std::size_t i = 0; i < target.values.size(); ++i) {
    const std::optional<Solution> solution = fit_model(model, target, i);
    if (!solution) return std::nullopt;
    sum += std::abs(target.values[i] - solution->at(model, i)) * target.weights[i];
  }
  return sum / static_cast<double>(target.values.size());
}

// Inputs that every sample has and that are not the same in all.
std::vector<std::string> inputs_of(const std::vector<Sample>& samples) {
  std::vector<std::string> names;
  for (const auto& [name, value] : samples.front().drivers) {
    bool is_there = true, differs = false;
    for (const Sample& sample : samples) {
      const auto found = sample.drivers.find(name);
      is_there = is_there && found != sample.drivers.end() && std::isfinite(found->second) &&
                 found->second >= 0 && name.find(k_times) == std::string::npos;
      differs = differs || (is_there && found->second != value);
    }
    if (is_there && differs && names.size() < k_max_inputs) names.push_back(name);
  }
  return names;
}

void add_term(const std::vector<Sample>& samples, std::string name, std::size_t order, bool is_deep,
              std::vector<Term>& terms) {
  Term term{std::move(name), order, is_deep, 0, {}};
  for (const Sample& sample : samples) {
    term.column.push_back(*value_of(sample.drivers, term.name));
    term.most = std::max(term.most, term.column.back());
  }
  if (!(term.most > 0) || !std::isfinite(term.most)) return;
  for (double& value : term.column)
    value /= term.most;
  terms.push_back(std::move(term));
}

std::vector<Term> terms_of(const std::vector<Sample>& samples) {
  const std::vector<std::string> names = inputs_of(samples);
  std::vector<Term> terms;
  for (std::size_t i = 0; i < names.size(); ++i)
    add_term(samples, names[i], 1, i < k_max_deep_inputs, terms);
  for (std::size_t i = 0; i < names.size(); ++i)
    for (std::size_t j = i; j < names.size(); ++j)
      add_term(samples, names[i] + k_times + names[j], 2, j < k_max_deep_inputs, terms);
  for (std::size_t i = 0; i < std::min(names.size(), k_max_deep_inputs); ++i)
    for (std::size_t j = i + 1; j < std::min(names.size(), k_max_deep_inputs); ++j)
      for (std::size_t k = j + 1; k < std::min(names.size(), k_max_deep_inputs); ++k)
        add_term(samples, names[i] + k_times + names[j] + k_times + names[k], 3, true, terms);
  return terms;
}

// The model that predicts left-out samples best.
struct Choice {
  Model model;
  double error = 0, score = 0;

  void consider(const Model& other, const Target& target) {
    const std::optional<double> other_error = mrun::left_out_error(other, target);
    if (!other_error) return;
    const double other_score = score_of(*other_error, other.order());
    if (other_score >= score * (1 - 1e-9)) return;
    *this = {other, *other_error, other_score};
  }
  static double score_of(double error, std::size_t order) {
    return std::max(error, k_exact) / std::pow(k_gain, static_cast<double>(order));
  }
};

Choice choose(const std::vector<Term>& terms, const Target& target) {
  Choice best;
  best.error = left_out_error({}, target).value_or(0);
  best.score = Choice::score_of(best.error, 0);
  for (const Term& term : terms)
    best.consider({{&term, nullptr}, 1}, target);
  if (target.values.size() < 5) return best; // three numbers from four samples are no fit
  for (std::size_t i = 0; i < terms.size(); ++i)
    for (std::size_t j = i + 1; j < terms.size(); ++j)
      if (terms[i].is_deep && terms[j].is_deep) best.consider({{&terms[i], &terms[j]}, 2}, target);
  return best;
}

} // namespace

Fit Fit::of(const std::vector<Sample>& samples) {
  MRUN_CHECK(!samples.empty());
  const Target target = target_of(samples);
  Fit fit;
  fit.m_count = samples.size();
  const std::vector<Term> terms = fit.m_count >= 3 ? terms_of(samples) : std::vector<Term>();
  Choice choice;
  if (fit.m_count >= 3) choice = choose(terms, target);
  std::optional<Solution> solution = fit_model(choice.model, target, fit.m_count);
  if (!solution) solution = fit_model(choice.model = {}, target, fit.m_count);
  MRUN_CHECK(solution);
  fit.m_left_out_error = choice.error;
  fit.m_base = solution->base;
  for (std::size_t i = 0; i < choice.model.count; ++i) {
    const Term& term = *choice.model.terms[i];
    fit.m_parts.push_back({term.name, solution->slopes[i] / term.most, term.most});
  }
  for (std::size_t i = 0; i < fit.m_count; ++i)
    if (const double fitted = solution->at(choice.model, i); fitted > 0)
      fit.m_worst_ratio = std::max(fit.m_worst_ratio, target.values[i] / fitted);
  return fit;
}

Fitted Fit::at(const Drivers& drivers) const {
  Fitted fitted;
  fitted.typical = m_base;
  for (const Part& part : m_parts) {
    const double value = value_of(drivers, part.term).value_or(part.most);
    fitted.typical += part.slope * value;
    fitted.beyond = fitted.beyond || value > 2 * part.most;
  }
  fitted.worst = fitted.typical * m_worst_ratio;
  return fitted;
}

std::string Fit::driver() const {
  std::string text;
  for (const Part& part : m_parts)
    text += (text.empty() ? "" : " + ") + part.term;
  return text;
}

} // namespace mrun
