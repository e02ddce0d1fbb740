#include "cli/predict/plan.h"

#include <fmt/format.h>

#include "cli/client/daemon_client.h"
#include "cli/predict/batch_inputs.h"
#include "cli/predict/ending.h"
#include "cli/render/json_text.h"
#include "cli/render/table.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::chrono::seconds k_plan_wait{5};
constexpr const char* k_no_daemon = "no daemon is running";

std::string text_of(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_string()
             ? printable(found->get<std::string>())
             : std::string();
}

std::uint64_t number_of(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_number_unsigned()
             ? found->get<std::uint64_t>()
             : 0;
}

// How many inputs there are, each checked; those of a pipe are read to its end.
Result<std::size_t> count_inputs(const PredictTarget& target, const PredictOptions& options) {
  MRUN_ASSIGN(BatchInputs inputs, BatchInputs::open(target.bundle.manifest, options));
  std::size_t count = 0;
  while (std::optional<BatchInput> next = inputs.next()) {
    if (!next->input && !options.keep_going)
      return tl::unexpected<Error>(std::move(next->input.error()).with_note("the input at " + next->place));
    ++count;
  }
  if (count == 0) return fail(ErrorCode::input_file, "the input of --inputs has no input in it");
  return count;
}

Json unknown_plan(const Bundle& bundle, std::size_t count) {
  return {{"schema", "mrun.plan/v1"},
          {"model", bundle.manifest.name},
          {"version", bundle.digest.hex()},
          {"engine", bundle.manifest.engine},
          {"predictions", count},
          {"device", nullptr},
          {"threads", nullptr},
          {"start", nullptr},
          {"queued", nullptr},
          {"unloads", Json::array()},
          {"memory", {{"needed_bytes", nullptr}, {"used_bytes", nullptr}, {"budget_bytes", nullptr}}},
          {"predict_ns", nullptr},
          {"load_ns", nullptr},
          {"cost", nullptr},
          {"cost_reason", k_no_daemon},
          {"load_cost", nullptr},
          {"load_cost_reason", k_no_daemon},
          {"cost_reference", nullptr}};
}

Result<Json> ask_for_plan(const Context& context, const PredictTarget& target, const PredictOptions& options,
                          std::size_t count) {
  const Bundle& bundle = target.bundle;
  Json plan = unknown_plan(bundle, count);
  auto client = DaemonClient::connect(context, Start::never);
  const bool has_daemon = client.has_value();
  if (!client && client.error().code != ErrorCode::daemon_unreachable)
    return tl::unexpected<Error>(std::move(client).error());
  if (client) {
    MRUN_ASSIGN(plan, client->get(fmt::format("/mrun/v1/versions/{}/plan?device={}&predictions={}",
                                              bundle.digest.hex(), percent_encode(options.device), count),
                                  std::chrono::steady_clock::now() + k_plan_wait));
  }
  plan["daemon"] = has_daemon;
  plan["weights_bytes"] = bundle.size_bytes;
  return plan;
}

std::string where_words(const Json& plan) {
  if (text_of(plan, "device").empty()) return fmt::format("not known: {}", k_no_daemon);
  std::string words = text_of(plan, "device");
  if (const std::uint64_t threads = number_of(plan, "threads"); threads > 0)
    words += fmt::format(", {}", count_words(threads, "thread"));
  const std::string start = text_of(plan, "start");
  if (start == "at_once") words += ", at once: it is loaded";
  if (start == "after_load") words += ", after it is loaded";
  if (start == "in_queue")
    words += fmt::format(", when what runs has ended ({} before it in the queue)", number_of(plan, "queued"));
  for (const Json& other : plan.value("unloads", Json::array()))
    if (other.is_string())
      words += fmt::format("; {} is unloaded for it", printable(other.get<std::string>()));
  return words;
}

std::string memory_words(const Json& plan) {
  const Json memory = plan.value("memory", Json());
  if (const std::uint64_t needed = number_of(memory, "needed_bytes"); needed > 0)
    return fmt::format("{}; {} of {} are in use", format_bytes(needed),
                       format_bytes(number_of(memory, "used_bytes")),
                       format_bytes(number_of(memory, "budget_bytes")));
  return fmt::format("its files have {}", format_bytes(number_of(plan, "weights_bytes")));
}

std::string time_words(const Json& plan) {
  const std::uint64_t predict_ns = number_of(plan, "predict_ns");
  const std::uint64_t load_ns = number_of(plan, "load_ns");
  std::string words = predict_ns > 0 ? fmt::format("{} each, as the last one took",
                                                   format_duration(static_cast<std::int64_t>(predict_ns)))
                                     : "not known";
  if (load_ns > 0) words += fmt::format("; loading {}", format_duration(static_cast<std::int64_t>(load_ns)));
  return words;
}

std::string amount_words(const Json& charge, const std::string& reason) {
  const std::string amount = text_of(charge, "amount");
  if (!amount.empty()) return fmt::format("{} {}", amount, text_of(charge, "currency"));
  return reason.empty() ? "unknown" : fmt::format("unknown: {}", reason);
}

std::string cost_words(const Json& plan) {
  std::string words = amount_words(plan.value("cost", Json()), text_of(plan, "cost_reason"));
  const Json load = plan.value("load_cost", Json());
  if (!text_of(load, "amount").empty()) words += fmt::format("; loading {}", amount_words(load, ""));
  return words;
}

std::string plan_text(const Json& plan, const std::string& model) {
  const std::size_t count = number_of(plan, "predictions");
  std::string text =
      fmt::format("would run   {} of {} ({}, engine {})\n", count_words(count, "prediction"),
                  printable(model), text_of(plan, "version").substr(0, 12), text_of(plan, "engine"));
  text += fmt::format("where       {}\n", where_words(plan));
  text += fmt::format("memory      {}\n", memory_words(plan));
  text += fmt::format("time        {}\n", time_words(plan));
  text += fmt::format("cost        {}\n", cost_words(plan));
  const Json reference = plan.value("cost_reference", Json());
  if (!text_of(reference, "amount").empty())
    text += fmt::format("reference   {} at {} {} (not your bill)\n", amount_words(reference, ""),
                        text_of(reference, "provider"), text_of(reference, "sku"));
  return text;
}

Result<int> plan(Context& context, const PredictTarget& target, const PredictOptions& options) {
  MRUN_TRY(request_options(target, options));
  MRUN_ASSIGN(const std::size_t count, count_inputs(target, options));
  MRUN_ASSIGN(const Json plan, ask_for_plan(context, target, options, count));
  if (context.json)
    MRUN_TRY(print_json(context.terminal, plan));
  else
    MRUN_TRY(context.terminal.out(plan_text(plan, target.shown_name)));
  return 0;
}

} // namespace

Result<int> show_plan(Context& context, const PredictTarget& target, const PredictOptions& options) {
  Result<int> done = plan(context, target, options);
  if (done) return done;
  return tl::unexpected<Error>(about_model(std::move(done).error(), target.shown_name));
}

} // namespace mrun::cli
