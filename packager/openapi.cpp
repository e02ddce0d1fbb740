// The OpenAPI 3.0.2 document that Cog makes for a model (replicate/cog pkg/schema/openapi_spec.go,
// schema_type.go).
#include "packager/schema.h"

#include <fmt/format.h>

namespace mrun {
namespace {

constexpr const char* k_info_version = "0.1.0"; // of this document's form

// top_k → "Top K"
std::string title_case(std::string_view name) {
  std::string out;
  bool start = true;
  for (const char c : name) {
    if (c == '_') {
      out += ' ';
      start = true;
      continue;
    }
    out += start && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    start = false;
  }
  return out;
}

std::string_view json_type(ValueType type) {
  switch (type) {
  case ValueType::string:
  case ValueType::file:
  case ValueType::secret:
    return "string";
  case ValueType::integer:
    return "integer";
  case ValueType::number:
    return "number";
  case ValueType::boolean:
    return "boolean";
  case ValueType::array:
    return "array";
  case ValueType::object:
  case ValueType::any:
    return "object";
  }
  return "object";
}

Json number_json(double value) {
  const bool whole =
      value >= -9.0e15 && value <= 9.0e15 && value == static_cast<double>(static_cast<std::int64_t>(value));
  return whole ? Json(static_cast<std::int64_t>(value)) : Json(value);
}

void put_counts(const TypeSpec& type, Json& out) {
  const bool array = type.type == ValueType::array;
  const std::optional<std::uint64_t> least = type.length ? type.length : type.min_length;
  const std::optional<std::uint64_t> most = type.length ? type.length : type.max_length;
  if (least) out[array ? "minItems" : "minLength"] = *least;
  if (most) out[array ? "maxItems" : "maxLength"] = *most;
}

Json type_schema(const TypeSpec& type);

void put_properties(const TypeSpec& type, Json& out) {
  Json properties = Json::object();
  Json required = Json::array();
  std::int64_t order = 0;
  for (const auto& [name, property] : type.properties) {
    Json schema = type_schema(property);
    schema["title"] = title_case(name);
    schema["x-order"] = order++;
    properties[name] = std::move(schema);
    required.push_back(name);
  }
  out["properties"] = std::move(properties);
  out["required"] = std::move(required);
}

Json type_schema(const TypeSpec& type) {
  Json out = {{"type", json_type(type.type)}};
  if (type.type == ValueType::file) out["format"] = "uri";
  if (type.type == ValueType::secret)
    out.update({{"format", "password"}, {"writeOnly", true}, {"x-cog-secret", true}});
  if (!type.description.empty()) out["description"] = type.description;
  if (type.ge) out["minimum"] = number_json(*type.ge);
  if (type.le) out["maximum"] = number_json(*type.le);
  put_counts(type, out);
  if (!type.pattern.empty()) out["pattern"] = type.pattern;
  if (!type.choices.empty()) out["enum"] = type.choices;
  if (type.type == ValueType::array)
    out["items"] = type.items.empty() ? Json{{"type", "object"}} : type_schema(type.items[0]);
  if (type.type == ValueType::object && !type.properties.empty()) put_properties(type, out);
  return out;
}

std::string accept_text(const std::vector<std::string>& accept) {
  std::string out;
  for (const std::string& entry : accept)
    out += (out.empty() ? "" : ",") + entry;
  return out;
}

// The component that holds an input's choices: named like the input, as Cog does, unless that name is taken.
std::string enum_name(const std::string& input) {
  for (const char* taken : {"Input", "Output", "PredictionRequest", "PredictionResponse", "Status",
                            "HTTPValidationError", "ValidationError"})
    if (input == taken) return input + "_choices";
  return input;
}

Json input_property(const InputSpec& input, std::size_t order, Json& components) {
  Json property = type_schema(input.type);
  if (!input.type.choices.empty()) {
    const std::string name = enum_name(input.name);
    components[name] = {{"title", name},
                        {"description", "An enumeration."},
                        {"enum", input.type.choices},
                        {"type", json_type(input.type.type)}};
    property.erase("enum");
    property.erase("type");
    property["allOf"] = Json::array({{{"$ref", "#/components/schemas/" + name}}});
  } else {
    property["title"] = title_case(input.name);
  }
  property["x-order"] = order;
  if (input.default_value) property["default"] = *input.default_value;
  if (input.optional && !input.default_value) property["nullable"] = true;
  if (input.deprecated) property["deprecated"] = true;
  if (!input.type.accept.empty()) property["x-cog-accept"] = accept_text(input.type.accept);
  return property;
}

Json input_schema(const Manifest& manifest, Json& components) {
  Json properties = Json::object();
  Json required = Json::array();
  for (std::size_t i = 0; i < manifest.inputs.size(); ++i) {
    const InputSpec& input = manifest.inputs[i];
    properties[input.name] = input_property(input, i, components);
    if (!input.default_value && !input.optional) required.push_back(input.name);
  }
  Json out = {{"title", "Input"}, {"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) out["required"] = std::move(required);
  return out;
}

Json output_schema(const TypeSpec& output) {
  Json out = type_schema(output);
  if (output.iterator) out = {{"type", "array"}, {"items", std::move(out)}, {"x-cog-array-type", "iterator"}};
  if (output.concatenate) out["x-cog-array-display"] = "concatenate";
  out["title"] = "Output";
  return out;
}

Json titled(const char* title) {
  return {{"title", title}, {"type", "string"}};
}
Json titled_time(const char* title) {
  return {{"title", title}, {"type", "string"}, {"format", "date-time"}};
}
Json schema_ref(const char* name) {
  return {{"$ref", std::string("#/components/schemas/") + name}};
}

void put_fixed_components(Json& components) {
  components["PredictionRequest"] = {{"title", "PredictionRequest"},
                                     {"type", "object"},
                                     {"properties", {{"id", titled("Id")}, {"input", schema_ref("Input")}}}};
  components["PredictionResponse"] = {{"title", "PredictionResponse"},
                                      {"type", "object"},
                                      {"properties",
                                       {{"input", schema_ref("Input")},
                                        {"output", schema_ref("Output")},
                                        {"id", titled("Id")},
                                        {"version", titled("Version")},
                                        {"created_at", titled_time("Created At")},
                                        {"started_at", titled_time("Started At")},
                                        {"completed_at", titled_time("Completed At")},
                                        {"status", titled("Status")},
                                        {"error", titled("Error")},
                                        {"logs", titled("Logs")},
                                        {"metrics", {{"title", "Metrics"}, {"type", "object"}}}}}};
  components["Status"] = {
      {"title", "Status"},
      {"description", "An enumeration."},
      {"enum", Json::array({"starting", "processing", "succeeded", "canceled", "failed"})},
      {"type", "string"}};
  components["HTTPValidationError"] = {
      {"title", "HTTPValidationError"},
      {"type", "object"},
      {"properties",
       {{"detail", {{"title", "Detail"}, {"type", "array"}, {"items", schema_ref("ValidationError")}}}}}};
  const Json location = {
      {"title", "Location"},
      {"type", "array"},
      {"items", {{"anyOf", Json::array({Json{{"type", "string"}}, Json{{"type", "integer"}}})}}}};
  components["ValidationError"] = {
      {"title", "ValidationError"},
      {"required", Json::array({"loc", "msg", "type"})},
      {"type", "object"},
      {"properties", {{"loc", location}, {"msg", titled("Message")}, {"type", titled("Error Type")}}}};
}

Json json_reply(const char* description, Json schema) {
  return {{"description", description}, {"content", {{"application/json", {{"schema", std::move(schema)}}}}}};
}

Json get_operation(const char* summary, const char* id) {
  return {{"get",
           {{"summary", summary},
            {"operationId", id},
            {"responses", {{"200", json_reply("Successful Response", Json::object())}}}}}};
}

Json paths(const Manifest& manifest) {
  const Json invalid = json_reply("Validation Error", schema_ref("HTTPValidationError"));
  Json predict = {
      {"summary", "Predict"},
      {"description", "Run a single prediction on the model"},
      {"operationId", "predict_predictions_post"},
      {"requestBody", {{"content", {{"application/json", {{"schema", schema_ref("PredictionRequest")}}}}}}},
      {"responses",
       {{"200", json_reply("Successful Response", schema_ref("PredictionResponse"))}, {"422", invalid}}}};
  if (manifest.output.iterator) predict["x-cog-streaming"] = true;
  const Json parameter = {
      {"required", true}, {"schema", titled("Prediction Id")}, {"name", "prediction_id"}, {"in", "path"}};
  const Json cancel = {
      {"summary", "Cancel"},
      {"operationId", "cancel_predictions__prediction_id__cancel_post"},
      {"parameters", Json::array({parameter})},
      {"responses", {{"200", json_reply("Successful Response", Json::object())}, {"422", invalid}}}};
  return {{"/", get_operation("Root", "root__get")},
          {"/health-check", get_operation("Healthcheck", "healthcheck_health_check_get")},
          {"/predictions", {{"post", std::move(predict)}}},
          {"/predictions/{prediction_id}/cancel", {{"post", cancel}}}};
}

} // namespace

Json openapi_schema(const Manifest& manifest) {
  Json components = Json::object();
  components["Input"] = input_schema(manifest, components);
  components["Output"] = output_schema(manifest.output);
  put_fixed_components(components);
  return {{"openapi", "3.0.2"},
          {"info", {{"title", "Cog"}, {"version", k_info_version}}},
          {"paths", paths(manifest)},
          {"components", {{"schemas", std::move(components)}}}};
}

} // namespace mrun
