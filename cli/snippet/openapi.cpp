#include <fmt/format.h>

#include "cli/snippet/program.h"
#include "packager/schema.h"

namespace mrun::cli {
namespace {

Json schema_ref(const char* name) {
  return {{"$ref", fmt::format("#/components/schemas/{}", name)}};
}

Json json_content(const char* media_type, Json schema) {
  return {{media_type, {{"schema", std::move(schema)}}}};
}

// What /v1 answers, of which the schema of the model itself says nothing.
Json prediction_schema() {
  const Json text = {{"type", "string"}};
  return {{"title", "Prediction"},
          {"type", "object"},
          {"required", Json::array({"id", "model", "version", "status", "input", "urls", "created_at"})},
          {"properties",
           {{"id", text},
            {"model", text},
            {"version", text},
            {"status", schema_ref("Status")},
            {"input", schema_ref("Input")},
            {"output", {{"allOf", Json::array({schema_ref("Output")})}, {"nullable", true}}},
            {"error", {{"type", "string"}, {"nullable", true}}},
            {"logs", text},
            {"metrics", {{"type", "object"}}},
            {"urls", {{"type", "object"}, {"additionalProperties", text}}},
            {"created_at", {{"type", "string"}, {"format", "date-time"}}},
            {"started_at", {{"type", "string"}, {"format", "date-time"}, {"nullable", true}}},
            {"completed_at", {{"type", "string"}, {"format", "date-time"}, {"nullable", true}}}}}};
}

Json problem_schema() {
  const Json text = {{"type", "string"}};
  return {{"title", "Problem"},
          {"type", "object"},
          {"required", Json::array({"title", "detail", "status"})},
          {"properties",
           {{"title", text},
            {"detail", text},
            {"status", {{"type", "integer"}}},
            {"code", text},
            {"class", text},
            {"hint", text},
            {"retryable", {{"type", "boolean"}}}}}};
}

Json create_operation(const SnippetCall& call, Json sample) {
  const Json body = {{"type", "object"},
                     {"required", Json::array({"version", "input"})},
                     {"properties",
                      {{"version", {{"type", "string"}, {"enum", Json::array({call.version})}}},
                       {"input", schema_ref("Input")}}}};
  Json content = json_content("application/json", body);
  content["application/json"]["example"] = {{"version", call.version}, {"input", std::move(sample)}};
  const Json wait = {{"name", "Prefer"},
                     {"in", "header"},
                     {"description", "wait, or wait=1 to wait=60: answer when it has ended"},
                     {"schema", {{"type", "string"}, {"default", "wait"}}}};
  const Json prediction = json_content("application/json", schema_ref("Prediction"));
  return {{"summary", fmt::format("Run {}", call.model)},
          {"operationId", "predict"},
          {"parameters", Json::array({wait})},
          {"requestBody", {{"required", true}, {"content", std::move(content)}}},
          {"responses",
           {{"201", {{"description", "created, and ended when it was waited for"}, {"content", prediction}}},
            {"202",
             {{"description", "created; it runs on: `getPrediction` says its status until it has ended"},
              {"content", prediction}}},
            {"default",
             {{"description", "it was refused"},
              {"content", json_content("application/problem+json", schema_ref("Problem"))}}}}}};
}

Json get_operation() {
  const Json id = {{"name", "id"}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}};
  return {{"summary", "The prediction as it is now"},
          {"operationId", "getPrediction"},
          {"parameters", Json::array({id})},
          {"responses",
           {{"200",
             {{"description", "the prediction"},
              {"content", json_content("application/json", schema_ref("Prediction"))}}},
            {"default",
             {{"description", "there is none"},
              {"content", json_content("application/problem+json", schema_ref("Problem"))}}}}}};
}

// Without files and secrets, which an example can't hold.
Json plain_values(const SampleInput& input) {
  Json plain = Json::object();
  for (const auto& [name, value] : input.values.items())
    if (input.secrets.contains(name))
      plain[name] = "secret";
    else if (value.is_binary())
      plain[name] = "data:,";
    else if (value.is_array() && !value.empty() && value[0].is_binary())
      plain[name] = Json::array({"data:,"});
    else
      plain[name] = value;
  return plain;
}

} // namespace

Json openapi_program(const SnippetCall& call, const Manifest& manifest) {
  const Json whole = openapi_schema(manifest);
  Json schemas = Json::object();
  for (const auto& [name, schema] : whole.at("components").at("schemas").items())
    if (name != "PredictionRequest" && name != "PredictionResponse" && name != "HTTPValidationError" &&
        name != "ValidationError")
      schemas[name] = schema;
  schemas["Status"]["enum"].push_back("aborted");
  schemas["Prediction"] = prediction_schema();
  schemas["Problem"] = problem_schema();
  return {{"openapi", "3.0.3"},
          {"info", {{"title", call.model}, {"description", manifest.description}, {"version", call.version}}},
          {"servers", Json::array({{{"url", call.url}}})},
          {"security", Json::array({{{"token", Json::array()}}})},
          {"paths",
           {{"/v1/predictions", {{"post", create_operation(call, plain_values(call.input))}}},
            {"/v1/predictions/{id}", {{"get", get_operation()}}}}},
          {"components",
           {{"schemas", std::move(schemas)},
            {"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}}}}};
}

} // namespace mrun::cli
