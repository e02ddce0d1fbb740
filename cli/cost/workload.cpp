#include "cli/cost/workload.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr double k_poor_fit = 0.10;

// Measured times to the nanosecond, units to the millionth. A fit that was led astray by a huge input ends at
// what an integer holds.
Exact exact_of_double(double value, std::int64_t parts) {
  constexpr double k_most = 9e18;
  const double scaled = std::clamp(value * static_cast<double>(parts), 0.0, k_most);
  return Exact(static_cast<std::int64_t>(std::llround(std::isnan(scaled) ? k_most : scaled)), parts);
}

enum class Worst { more, any };

Result<Expected> range(std::string_view flag, const std::string& text, Worst direction) {
  const std::size_t dots = text.find("..");
  Result<Exact> typical = parse_exact(text.substr(0, dots), ErrorCode::flag_value);
  Result<Exact> worst =
      dots == std::string::npos ? typical : parse_exact(text.substr(dots + 2), ErrorCode::flag_value);
  if (!typical || !worst || (direction == Worst::more && *worst < *typical))
    return fail(ErrorCode::flag_value, fmt::format("`--{}` has the value `{}`", flag, printable(text, 80)),
                "write N, or TYPICAL..WORST");
  return Expected{*typical, *worst};
}

Result<void> add_assumption(const std::string& text, std::map<std::string, Expected>& given) {
  const std::size_t equals = text.find('=');
  const std::string name = text.substr(0, equals);
  if (equals == std::string::npos || (!is_cost_unit(name) && name != "seconds" && name != "setup"))
    return fail(ErrorCode::flag_value, fmt::format("`--assume` has the value `{}`", printable(text, 80)),
                "names are seconds, setup, image, megapixel, video_s, request, input_tokens, cached_tokens, "
                "output_tokens");
  MRUN_ASSIGN(given[name], range("assume", text.substr(equals + 1), Worst::more));
  return {};
}

// One fitted quantity: of those runs that have it.
class Fits {
 public:
  explicit Fits(const Measurements& measured) {
    std::vector<Sample> seconds;
    std::map<std::string, std::vector<Sample>> units;
    for (const Measurement& run : measured.runs) {
      if (!run.seconds) continue;
      seconds.push_back({run.drivers, *run.seconds});
      for (const auto& [name, value] : run.units)
        units[name].push_back({run.drivers, value});
    }
    if (!seconds.empty()) m_seconds = Fit::of(seconds);
    for (const auto& [name, samples] : units)
      if (samples.size() == seconds.size()) m_units.emplace(name, Fit::of(samples));
  }

  const std::optional<Fit>& seconds() const { return m_seconds; }

  CaseWork at(const Drivers& drivers, bool& is_beyond) const {
    CaseWork work;
    if (m_seconds) {
      const Fitted fitted = m_seconds->at(drivers);
      is_beyond = is_beyond || fitted.beyond;
      work.seconds = Expected{exact_of_double(fitted.typical, 1'000'000'000),
                              exact_of_double(fitted.worst, 1'000'000'000)};
    }
    for (const auto& [name, fit] : m_units) {
      const Fitted fitted = fit.at(drivers);
      set_unit(work.units, name,
               {exact_of_double(fitted.typical, 1'000'000), exact_of_double(fitted.worst, 1'000'000)});
    }
    return work;
  }

 private:
  std::optional<Fit> m_seconds;
  std::map<std::string, Fit> m_units;
};

std::optional<Expected> setup_of(const Measurements& measured) {
  std::vector<double> seconds;
  for (const Measurement& run : measured.runs)
    if (run.setup_seconds) seconds.push_back(*run.setup_seconds);
  if (seconds.empty()) return std::nullopt;
  std::sort(seconds.begin(), seconds.end());
  return Expected{exact_of_double(seconds[(seconds.size() - 1) / 2], 1'000'000'000),
                  exact_of_double(seconds.back(), 1'000'000'000)};
}

void assume(const Assumptions& assumed, CaseWork& work) {
  for (const auto& [name, value] : assumed.given) {
    if (name == "seconds")
      work.seconds = value;
    else if (name != "setup")
      set_unit(work.units, name, value);
  }
  if (!work.units.request) work.units.request = Counted<RequestsUnit>{{1}, {1}};
}

void add_notes(const Fits& fits, bool is_beyond, Workload& result) {
  if (!fits.seconds()) return;
  result.driver = fits.seconds()->driver();
  if (fits.seconds()->sample_count() < 5)
    result.notes.push_back(fmt::format("only {} measured: the worst case is hardly known",
                                       fits.seconds()->sample_count() == 1
                                           ? "1 run was"
                                           : fmt::format("{} runs were", fits.seconds()->sample_count())));
  if (const double error = fits.seconds()->left_out_error(); error > k_poor_fit)
    result.notes.push_back(fmt::format(
        "the fit is poor: of what was measured, a run that is left out is {:.0f} % off on average",
        error * 100));
  if (is_beyond)
    result.notes.push_back(
        fmt::format("{} goes beyond twice what was measured: its time is a guess", result.driver));
}

} // namespace

Result<Assumptions> read_assumptions(const Arguments& arguments) {
  Assumptions assumed;
  for (const std::string& text : arguments.values("assume"))
    MRUN_TRY(add_assumption(text, assumed.given));
  if (const auto text = arguments.value("per-hour")) {
    // Few requests are the dear case of an instance that is always on.
    MRUN_ASSIGN(assumed.per_hour, range("per-hour", *text, Worst::any));
    if (assumed.per_hour->typical == 0 || assumed.per_hour->worst == 0)
      return fail(ErrorCode::flag_value, "`--per-hour` is 0: no request, no cost of one");
  }
  if (const auto time = arguments.duration("keep-warm"))
    assumed.keep_warm_s = Exact(static_cast<std::int64_t>(time->count()), 1'000'000'000);
  const long long instances = arguments.integer("instances").value_or(0);
  if (instances < 0 || instances > 10'000)
    return fail(ErrorCode::flag_value, "`--instances` is not a number from 0 to 10,000");
  assumed.instances = Exact(instances);
  return assumed;
}

Workload make_workload(const std::vector<Case>& cases, const Measurements& measured,
                       const Assumptions& assumed) {
  const Fits fits(measured);
  Workload result;
  bool is_beyond = false;
  for (const Case& one : cases)
    result.work.cases.push_back(fits.at(one.drivers, is_beyond));
  if (cases.empty()) result.work.cases.push_back(fits.at({}, is_beyond));
  for (CaseWork& one : result.work.cases)
    assume(assumed, one);
  result.work.setup_s = setup_of(measured);
  if (const auto given = assumed.given.find("setup"); given != assumed.given.end())
    result.work.setup_s = given->second;
  result.work.per_hour = assumed.per_hour;
  result.work.keep_warm_s = assumed.keep_warm_s;
  result.work.instances = assumed.instances;
  if (!assumed.given.contains("seconds")) add_notes(fits, is_beyond, result);
  return result;
}

std::optional<Expected> total_seconds(const Work& work) {
  Expected sum{0, 0};
  for (const CaseWork& one : work.cases) {
    if (!one.seconds) return std::nullopt;
    sum.typical += one.seconds->typical;
    sum.worst += one.seconds->worst;
  }
  return sum;
}

} // namespace mrun::cli
