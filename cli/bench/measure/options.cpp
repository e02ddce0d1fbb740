#include "cli/bench/measure/options.h"

#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun::bench {
namespace {

constexpr std::size_t k_max_runs = 10'000;
constexpr std::size_t k_max_concurrency = 900;
constexpr std::size_t k_max_steps = 50;
constexpr double k_max_rate = 100'000;
constexpr std::int64_t k_hour_ns = 3'600'000'000'000;

tl::unexpected<Error> bad_value(std::string_view flag, std::string_view value, std::string_view allowed) {
  return fail(ErrorCode::flag_value,
              fmt::format("--{} has the value `{}`: {}", flag, printable(value, 60), allowed));
}

// 0 to `limit`.
Result<double> number(std::string_view flag, std::string_view text, double limit, std::string_view allowed) {
  double value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size() || !(value >= 0) || value > limit)
    return bad_value(flag, text, allowed);
  return value;
}

Result<double> positive_number(std::string_view flag, std::string_view text, double limit,
                               std::string_view allowed) {
  MRUN_ASSIGN(const double value, number(flag, text, limit, allowed));
  if (value == 0) return bad_value(flag, text, allowed);
  return value;
}

Result<std::size_t> whole_number(std::string_view flag, std::string_view text, std::size_t limit,
                                 std::string_view allowed) {
  MRUN_ASSIGN(const double value, positive_number(flag, text, static_cast<double>(limit), allowed));
  if (value != std::floor(value)) return bad_value(flag, text, allowed);
  return static_cast<std::size_t>(value);
}

// "5%", "0.05": 0.05; 0 too.
Result<double> ratio_or_none(std::string_view flag, std::string_view text) {
  constexpr std::string_view k_allowed = "a ratio is written 5% or 0.05";
  const bool percent = text.ends_with('%');
  MRUN_ASSIGN(const double value,
              number(flag, percent ? text.substr(0, text.size() - 1) : text, 1000, k_allowed));
  if (!percent && value >= 1) return bad_value(flag, text, k_allowed);
  return percent ? value / 100 : value;
}

Result<double> ratio(std::string_view flag, std::string_view text) {
  MRUN_ASSIGN(const double value, ratio_or_none(flag, text));
  if (value == 0) return bad_value(flag, text, "it has to be more than 0");
  return value;
}

Result<std::size_t> count_flag(const cli::Arguments& arguments, std::string_view flag, std::size_t otherwise,
                               std::size_t limit) {
  const auto value = arguments.integer(flag);
  if (!value) return otherwise;
  if (*value < 1 || static_cast<unsigned long long>(*value) > limit)
    return bad_value(flag, std::to_string(*value), fmt::format("1 to {} are allowed", limit));
  return static_cast<std::size_t>(*value);
}

Result<std::int64_t> time_flag(const cli::Arguments& arguments, std::string_view flag,
                               std::int64_t otherwise) {
  const auto value = arguments.duration(flag);
  if (!value) return otherwise;
  if (value->count() <= 0 || value->count() > k_hour_ns)
    return bad_value(flag, *arguments.value(flag), "more than 0 and at most 1 h");
  return value->count();
}

// "p95" → 0.95, "p99.9" → 0.999; nullopt for another word.
std::optional<double> quantile_named(std::string_view name) {
  if (!name.starts_with('p')) return std::nullopt;
  for (const auto& [known, p] :
       {std::pair{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p99.9", 0.999}})
    if (name == known) return p;
  return std::nullopt;
}

struct Assignment {
  std::string_view key;
  std::string_view value;
};
Result<std::vector<Assignment>> assignments(std::string_view flag, std::string_view text) {
  std::vector<Assignment> found;
  for (const std::string_view part : split(text, ',')) {
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos || equals == 0)
      return bad_value(flag, text, "it is a list of name=value");
    found.push_back({trim(part.substr(0, equals)), trim(part.substr(equals + 1))});
  }
  return found;
}

Result<Slo> parse_slo(const std::string& text) {
  Slo slo;
  MRUN_ASSIGN(const auto parts, assignments("slo", text));
  for (const Assignment& part : parts) {
    if (part.key == "error_rate") {
      MRUN_ASSIGN(slo.error_rate, ratio_or_none("slo", part.value)); // 0: none may fail
    } else if (const auto p = quantile_named(part.key)) {
      MRUN_ASSIGN(const auto limit, cli::parse_duration("slo", part.value));
      slo.quantiles_ns[*p] = limit.count();
    } else {
      return bad_value("slo", part.key, "known are p50, p90, p95, p99, p99.9 and error_rate");
    }
  }
  return slo;
}

Result<Tolerances> parse_tolerances(const std::string& text) {
  Tolerances tolerances;
  MRUN_ASSIGN(const auto parts, assignments("max-regress", text));
  for (const Assignment& part : parts) {
    if (part.key != "p50" && part.key != "p95" && part.key != "cold" && part.key != "rss")
      return bad_value("max-regress", part.key, "known are p50, p95, cold and rss");
    MRUN_ASSIGN(tolerances[std::string(part.key)], ratio("max-regress", part.value));
  }
  return tolerances;
}

Result<void> read_mode(const cli::Arguments& arguments, Options& options) {
  const std::string mode = arguments.value("mode").value_or("all");
  const bool loads = arguments.has("concurrency") || arguments.has("rate") || arguments.has("arrival");
  options.cold = mode == "cold" || mode == "all";
  options.warm = mode == "warm" || mode == "all";
  options.load = mode == "load";
  if (loads && !options.load)
    return fail(ErrorCode::usage, "--concurrency, --rate and --arrival belong to a load", "add --mode load");
  const std::string tier = arguments.value("cold").value_or("process");
  for (const Tier known : {Tier::process, Tier::disk, Tier::host, Tier::pull})
    if (tier == tier_name(known)) options.tier = known;
  if (arguments.has("cold") && !options.cold)
    return fail(ErrorCode::usage, fmt::format("--cold belongs to cold starts, and --mode is {}", mode),
                "use --mode cold or --mode all");
  options.drop_caches = arguments.has("drop-caches");
  if (options.tier == Tier::host && !options.drop_caches)
    return fail(ErrorCode::usage, "--cold host empties the page cache of the whole machine",
                "add --drop-caches if everybody on it agrees (it needs root)");
  return {};
}

Result<void> read_load(const cli::Arguments& arguments, Options& options) {
  if (const auto text = arguments.value("concurrency"))
    for (const std::string_view part : split(*text, ',')) {
      MRUN_ASSIGN(const std::size_t clients, whole_number("concurrency", trim(part), k_max_concurrency,
                                                          "it is a list of whole numbers, 1 to 900"));
      options.concurrency.push_back(clients);
    }
  if (const auto text = arguments.value("rate"); text && *text != "auto")
    for (const std::string_view part : split(*text, ',')) {
      MRUN_ASSIGN(const double rate,
                  positive_number("rate", trim(part), k_max_rate,
                                  "it is `auto` or a list of requests per second, at most 100000"));
      options.rates.push_back(rate);
    }
  options.rates_given = !options.rates.empty();
  options.auto_rates = arguments.value("rate").value_or("") == "auto";
  if (options.rates.size() + options.concurrency.size() > k_max_steps)
    return fail(ErrorCode::flag_value, fmt::format("a load has at most {} steps", k_max_steps));
  if (arguments.value("arrival").value_or("poisson") == "constant") options.arrival = Arrival::constant;
  return {};
}

Result<void> read_gate(const cli::Arguments& arguments, Options& options) {
  options.baselines = arguments.values("baseline");
  options.tolerances = {{"p50", 0.05}, {"p95", 0.10}, {"cold", 0.10}};
  if (const auto text = arguments.value("max-regress")) {
    if (options.baselines.empty())
      return fail(ErrorCode::usage, "--max-regress compares, and there is no --baseline");
    MRUN_ASSIGN(options.tolerances, parse_tolerances(*text));
  }
  if (const auto text = arguments.value("confidence")) {
    MRUN_ASSIGN(options.confidence, ratio("confidence", *text));
    if (options.confidence < 0.5 || options.confidence > 0.999)
      return bad_value("confidence", *text, "0.5 to 0.999 are allowed");
  }
  MRUN_ASSIGN(options.blocks, count_flag(arguments, "blocks", options.blocks, 1000));
  options.fail_inconclusive = arguments.has("fail-inconclusive");
  options.pin = arguments.value("pin").value_or("");
  if (!options.pin.empty() && options.baselines.empty())
    return fail(ErrorCode::usage, "--pin names a result of the baseline's files, and there is no --baseline");
  return {};
}

} // namespace

std::string_view tier_name(Tier tier) {
  constexpr std::string_view k_names[] = {"process", "disk", "host", "pull"};
  return k_names[static_cast<std::size_t>(tier)];
}

std::string Slo::text() const {
  std::string text;
  for (const auto& [p, limit_ns] : quantiles_ns)
    text += fmt::format("{}p{:g}≤{}", text.empty() ? "" : ", ", p * 100, format_duration(limit_ns));
  if (error_rate) text += fmt::format("{}error rate≤{:g} %", text.empty() ? "" : ", ", *error_rate * 100);
  return text;
}

Result<Options> parse_options(const cli::Arguments& arguments) {
  Options options;
  MRUN_TRY(read_mode(arguments, options));
  MRUN_TRY(read_load(arguments, options));
  MRUN_TRY(read_gate(arguments, options));
  MRUN_ASSIGN(options.runs, count_flag(arguments, "runs", options.runs, k_max_runs));
  MRUN_ASSIGN(options.duration_ns, time_flag(arguments, "duration", options.duration_ns));
  MRUN_ASSIGN(options.timeout_ns, time_flag(arguments, "timeout", options.timeout_ns));
  if (const auto text = arguments.value("warmup"); text && *text != "auto") {
    MRUN_ASSIGN(options.warmup, whole_number("warmup", *text, k_max_runs,
                                             "it is `auto` or a number of requests, 1 to 10000"));
  }
  if (const auto text = arguments.value("slo")) {
    MRUN_ASSIGN(options.slo, parse_slo(*text));
  }
  const long long seed = arguments.integer("seed").value_or(1);
  if (seed < 0) return bad_value("seed", std::to_string(seed), "it is 0 or more");
  options.seed = static_cast<std::uint64_t>(seed);
  options.strict = arguments.has("strict");
  options.inputs = arguments.values("input");
  options.cases_file = arguments.value("inputs").value_or("");
  options.device = arguments.value("device").value_or("auto");
  if (!options.inputs.empty() && !options.cases_file.empty())
    return fail(ErrorCode::usage, "-i and --inputs exclude each other");
  return options;
}

} // namespace mrun::bench
