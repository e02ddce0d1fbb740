#include "daemon/api/prediction_row.h"

#include "common/clock.h"

namespace mrun {
namespace {

Json time_or_null(const std::optional<std::int64_t>& wall_ns) {
  return wall_ns ? Json(rfc3339_utc(*wall_ns)) : Json(nullptr);
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

template<class Value>
Json value_or_null(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json error_or_null(const std::optional<Error>& error) {
  if (!error) return nullptr;
  return {{"code", error_code_text(error->code)}, {"class", error->row().name}, {"message", error->message}};
}

} // namespace

Json prediction_row_json(const PredictionRow& row) {
  return {{"id", row.id},
          {"model", row.model},
          {"version", row.version},
          {"status", status_name(row.status)},
          {"created_at", rfc3339_utc(row.created_ns)},
          {"started_at", time_or_null(row.started_ns)},
          {"completed_at", time_or_null(row.completed_ns)},
          {"deadline", time_or_null(row.deadline_ns)},
          {"error", error_or_null(row.error)},
          {"device", text_or_null(row.device)},
          {"cold_start", value_or_null(row.cold_start)},
          {"predict_ns", value_or_null(row.predict_ns)},
          {"total_ns", value_or_null(row.total_ns)},
          {"cost",
           {{"amount", text_or_null(row.amount)},
            {"currency", text_or_null(row.currency)},
            {"reason", text_or_null(row.cost_reason)}}},
          {"tags", Json(row.tags)}};
}

} // namespace mrun
