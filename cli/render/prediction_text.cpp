#include "cli/render/prediction_text.h"

#include <fmt/format.h>

#include "cli/predict/summary.h"
#include "cli/render/age.h"
#include "cli/render/json_text.h"
#include "cli/render/table.h"
#include "common/clock.h"
#include "common/terminal_text.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_shown_text_bytes = 2000;
constexpr std::size_t k_shown_uri_bytes = 40;

std::string text_of(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end() || found->is_null()) return "";
  return printable(found->is_string() ? found->get<std::string>() : canonical_json(*found),
                   k_shown_text_bytes);
}

Json member(const Json& object, const char* key) {
  return object.is_object() ? object.value(key, Json()) : Json();
}

std::string age_of(const Json& row) {
  const auto created_ns = parse_rfc3339(text_of(row, "created_at"));
  return created_ns ? age_text(*created_ns) : "";
}

std::string duration_of(const Json& row, const char* key) {
  const Json value = member(row, key);
  return value.is_number_integer() ? format_duration(value.get<std::int64_t>()) : "";
}

std::string cost_of(const Json& row) {
  const Json cost = member(row, "cost");
  const std::string amount = text_of(cost, "amount");
  return amount.empty() ? "" : fmt::format("{} {}", amount, text_of(cost, "currency"));
}

std::string tags_of(const Json& tags) {
  std::string text;
  if (tags.is_object())
    for (const auto& [key, value] : tags.items())
      text += fmt::format("{}{}={}", text.empty() ? "" : ",", printable(key), text_of(tags, key.c_str()));
  return text;
}

// What a screen can show of a value.
Json shortened(const Json& value) {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    const std::size_t limit = text.starts_with("data:") ? k_shown_uri_bytes : k_shown_text_bytes;
    if (text.size() <= limit) return value;
    return fmt::format("{} ({})", printable(text, limit), format_bytes(text.size()));
  }
  Json copy = value;
  if (copy.is_structured())
    for (Json& item : copy)
      item = shortened(item);
  return copy;
}

std::string block(std::string_view title, const Json& value, bool for_terminal) {
  if (value.is_null()) return "";
  const std::string text = value.is_string() ? value.get<std::string>() : pretty_json(shortened(value));
  return fmt::format("\n{}\n{}\n", title, for_terminal ? terminal_safe(text) : text);
}

} // namespace

Table predictions_table(const Json& rows) {
  Table table{.header = {"ID", "MODEL", "STATUS", "CREATED", "TIME", "DEVICE", "COST", "ERROR"},
              .rows = {},
              .right_aligned = {4, 6},
              .shortened = {1, 5}};
  for (const Json& row : rows)
    table.rows.push_back({text_of(row, "id"), text_of(row, "model"), text_of(row, "status"), age_of(row),
                          duration_of(row, "total_ns"), text_of(row, "device"), cost_of(row),
                          text_of(member(row, "error"), "code")});
  return table;
}

std::string predictions_plain(const Json& rows) {
  std::string text;
  for (const Json& row : rows) {
    for (const char* key : {"id", "model", "version", "status", "created_at", "completed_at", "device",
                            "cold_start", "predict_ns", "total_ns"})
      text += text_of(row, key) + "\t";
    const Json cost = member(row, "cost");
    text += fmt::format("{}\t{}\t{}\t{}\n", text_of(cost, "amount"), text_of(cost, "currency"),
                        text_of(member(row, "error"), "code"), tags_of(member(row, "tags")));
  }
  return text;
}

std::string prediction_text(const Json& prediction, bool for_terminal) {
  std::string text;
  const auto line = [&text](std::string_view name, const std::string& value) {
    if (!value.empty()) text += fmt::format("{:<10}  {}\n", name, value);
  };
  line("id", text_of(prediction, "id"));
  line("model", text_of(prediction, "model"));
  line("version", text_of(prediction, "version"));
  line("status", text_of(prediction, "status"));
  line("error", text_of(prediction, "error"));
  line("hint", text_of(member(prediction, "mrun"), "hint"));
  for (const char* key : {"created", "started", "completed"})
    line(key, text_of(prediction, fmt::format("{}_at", key).c_str()));
  line("deadline", text_of(prediction, "deadline"));
  line("tags", tags_of(member(member(prediction, "mrun"), "tags")));
  if (const Json metrics = member(prediction, "metrics"); metrics.is_object() && !metrics.empty())
    text += "\ntimings\n" + timings_table(metrics);
  text += block("input", member(prediction, "input"), for_terminal);
  text += block("output", shortened(member(prediction, "output")), for_terminal);
  if (!text_of(prediction, "logs").empty())
    text += fmt::format("\nits log: mrun logs {}\n", text_of(prediction, "id"));
  return text;
}

} // namespace mrun::cli
