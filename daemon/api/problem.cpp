#include "common/error.h"
#include "daemon/api/prediction.h"

namespace mrun {

Json problem_json(const Error& error) {
  const ErrorRow& row = error.row();
  Json json = {{"title", row.title},        {"detail", error.message},
               {"status", row.http_status}, {"code", error_code_text(error.code)},
               {"class", row.name},         {"hint", error.help()},
               {"retryable", row.retryable}};
  if (!error.notes.empty()) json["notes"] = error.notes;
  return json;
}

Json own_prediction_json(Prediction prediction, std::string_view base_url) {
  Json own = Json::object();
  if (prediction.error) {
    const Error& error = *prediction.error;
    const ErrorRow& row = error.row();
    own = {{"code", error_code_text(error.code)},
           {"class", row.name},
           {"message", error.message},
           {"hint", error.help()},
           {"retryable", row.retryable},
           {"log_path", prediction.log_path},
           {"last_log_lines", prediction.last_log_lines}};
  }
  if (!prediction.tags.empty()) own["tags"] = tags_json(prediction.tags);
  Json json = prediction_json(std::move(prediction), base_url);
  if (!own.empty()) json["mrun"] = std::move(own);
  return json;
}

std::optional<Error> error_of_problem(const Json& problem) {
  if (!problem.is_object()) return std::nullopt;
  const auto text = [&problem](const char* key) {
    const auto found = problem.find(key);
    return found != problem.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const ErrorRow* row = find_error_row(text("code"));
  if (row == nullptr) row = find_error_row(text("class"));
  if (row == nullptr) return std::nullopt;
  Error error;
  error.code = row->code;
  error.message = text("detail");
  if (error.message.empty()) error.message = text("message");
  error.hint = text("hint");
  if (const auto notes = problem.find("notes"); notes != problem.end() && notes->is_array())
    for (const Json& note : *notes)
      if (note.is_string()) error.notes.push_back(note.get<std::string>());
  return error;
}

} // namespace mrun
