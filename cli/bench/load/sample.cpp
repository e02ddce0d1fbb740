#include "cli/bench/load/sample.h"

#include <fmt/format.h>

#include "cli/client/reply_limit.h"
#include "common/text.h"
#include "daemon/api/prediction.h"

namespace mrun::bench {
namespace {

constexpr ErrorCode k_code = ErrorCode::daemon_unreachable;
constexpr std::string_view k_what = "the daemon's reply";
constexpr std::size_t k_problem_bytes = 300;

std::int64_t integer_of(const Json& object, const char* key) {
  return json_integer(object, key, k_code, k_what).value_or(std::nullopt).value_or(0);
}

std::string text_of(const Json& object, const char* key) {
  return json_string(object, key, k_code, k_what).value_or(std::nullopt).value_or("");
}

std::optional<std::uint64_t> counter_of(const Json& object, const char* key) {
  const auto value = json_integer(object, key, k_code, k_what).value_or(std::nullopt);
  if (!value || *value < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*value);
}

std::optional<Money> amount_of(const Json& metrics, const char* key) {
  const auto charge = metrics.find(key);
  if (charge == metrics.end() || !charge->is_object()) return std::nullopt;
  const std::string text = text_of(*charge, "amount");
  if (text.empty()) return std::nullopt;
  const auto money = Money::parse(text, k_code);
  return money ? std::optional(*money) : std::nullopt;
}

void read_metrics(const Json& metrics, ServerReport& report) {
  if (const auto phases = metrics.find("phases_ns"); phases != metrics.end() && phases->is_object())
    for (std::size_t i = 0; i < k_phase_names.size(); ++i)
      report.phases.duration_ns[i] = integer_of(*phases, std::string(k_phase_names[i]).c_str());
  report.total_ns = report.phases.sum_ns();
  report.cold_start = json_bool(metrics, "cold_start", k_code, k_what).value_or(std::nullopt).value_or(false);
  report.worker_pid = static_cast<int>(integer_of(metrics, "worker_pid"));
  report.peak_memory_bytes = counter_of(metrics, "peak_memory_bytes").value_or(0);
  report.read_bytes = counter_of(metrics, "read_bytes");
  report.major_faults = counter_of(metrics, "major_faults");
  report.device = text_of(metrics, "device");
  report.cost = amount_of(metrics, "cost");
  if (report.cost) report.cost_currency = text_of(metrics.at("cost"), "currency");
  if (!report.cost) report.cost_reason = printable(text_of(metrics, "cost_reason"), k_problem_bytes);
  report.reference = amount_of(metrics, "cost_reference");
  if (report.reference) {
    const Json& row = metrics.at("cost_reference");
    report.reference_name =
        fmt::format("{} at {}/{}", printable(text_of(row, "currency"), 8),
                    printable(text_of(row, "provider"), 40), printable(text_of(row, "sku"), 40));
  }
}

void refuse(Sample& sample, Outcome outcome, std::string_view words) {
  sample.outcome = outcome;
  sample.problem = printable(words, k_problem_bytes);
}

} // namespace

void read_prediction(const Json& prediction, Sample& sample) {
  const std::string status = text_of(prediction, "status");
  PredictionStatus known{};
  if (!find_status(status, known) || !is_terminal(known))
    return refuse(sample, Outcome::unanswered,
                  fmt::format("the prediction had not ended: its status is `{}`", printable(status, 40)));
  if (const auto metrics = prediction.find("metrics"); metrics != prediction.end() && metrics->is_object())
    read_metrics(*metrics, sample.server);
  if (known == PredictionStatus::succeeded) {
    sample.outcome = Outcome::succeeded;
    return;
  }
  const std::string words = text_of(prediction, "error");
  refuse(sample, Outcome::failed, words.empty() ? status : words);
}

void read_reply(int status, std::string_view body, Sample& sample) {
  sample.http_status = status;
  const auto json = parse_json(body, k_code, k_what, {.max_bytes = cli::k_max_reply_bytes});
  if (!json || !json->is_object())
    return refuse(sample, Outcome::unanswered, fmt::format("status {} and no JSON object", status));
  if (status < 400) return read_prediction(*json, sample);
  const Outcome outcome = status == 429 || status == 503 ? Outcome::refused : Outcome::failed;
  const auto error = error_of_problem(*json);
  refuse(sample, outcome,
         error ? fmt::format("{}: {}", error_code_text(error->code), error->message)
               : fmt::format("status {}", status));
}

} // namespace mrun::bench
