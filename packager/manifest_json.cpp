// The manifest as the worker and the API see it.
#include "packager/manifest.h"

namespace mrun {
namespace {

template<class T>
void put(Json& object, const char* key, const std::optional<T>& value) {
  if (value) object[key] = *value;
}

Json bound_json(double value) {
  const bool whole =
      value >= -9.0e15 && value <= 9.0e15 && value == static_cast<double>(static_cast<std::int64_t>(value));
  return whole ? Json(static_cast<std::int64_t>(value)) : Json(value);
}

Json type_json(const TypeSpec& type) {
  Json out = {{"type", value_type_name(type.type)}};
  if (!type.description.empty()) out["description"] = type.description;
  if (type.ge) out["ge"] = bound_json(*type.ge);
  if (type.le) out["le"] = bound_json(*type.le);
  put(out, "min_length", type.min_length);
  put(out, "max_length", type.max_length);
  put(out, "length", type.length);
  put(out, "max_bytes", type.max_bytes);
  if (!type.pattern.empty()) out["pattern"] = type.pattern;
  if (!type.choices.empty()) out["choices"] = type.choices;
  if (!type.accept.empty()) out["accept"] = type.accept;
  if (!type.items.empty()) out["items"] = type_json(type.items[0]);
  if (!type.properties.empty()) {
    Json properties = Json::object();
    Json order = Json::array();
    for (const auto& [name, property] : type.properties) {
      properties[name] = type_json(property);
      order.push_back(name);
    }
    out["properties"] = std::move(properties);
    out["properties_order"] = std::move(order); // objects of ours are sorted by key
  }
  if (type.iterator) out["iterator"] = true;
  if (type.concatenate) out["concatenate"] = true;
  return out;
}

Json input_json(const InputSpec& input) {
  Json out = type_json(input.type);
  out["name"] = input.name;
  if (input.default_value) out["default"] = *input.default_value;
  if (input.optional) out["optional"] = true;
  if (input.deprecated) out["deprecated"] = true;
  return out;
}

Json requires_json(const Manifest& manifest) {
  Json out = Json::object();
  out["devices"] = manifest.devices;
  put(out, "memory_mib", manifest.memory_mib);
  return out;
}

} // namespace

Json manifest_json(const Manifest& manifest) {
  Json inputs = Json::array();
  for (const InputSpec& input : manifest.inputs)
    inputs.push_back(input_json(input));
  Json examples = Json::array();
  for (const Example& example : manifest.examples)
    examples.push_back({{"name", example.name}, {"input", example.input}, {"expect", example.expect}});
  Json out = {{"mrun", manifest.format},
              {"name", manifest.name},
              {"description", manifest.description},
              {"license", manifest.license},
              {"task", manifest.task},
              {"engine", manifest.engine},
              {"model", manifest.model},
              {"files", manifest.files},
              {"inputs", std::move(inputs)},
              {"output", type_json(manifest.output)},
              {"pre", manifest.pre},
              {"post", manifest.post},
              {"requires", requires_json(manifest)},
              {"concurrency", manifest.concurrency},
              {"warmup", manifest.warmup},
              {"network", manifest.network},
              {"options", manifest.engine_options},
              {"examples", std::move(examples)}};
  out["batching"] = {{"max", manifest.max_batch}};
  out["meter"] = {{"unit", manifest.meter_unit}};
  out["threads"] = manifest.threads == 0 ? Json("auto") : Json(manifest.threads);
  return out;
}

} // namespace mrun
