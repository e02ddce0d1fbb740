#include "cli/cost/measurements.h"

#include <fmt/format.h>

#include "cli/render/table.h"
#include "common/fd.h"
#include "common/limits.h"
#include "common/text.h"
#include "cost/estimate.h"
#include "daemon/api/tags.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_max_file_bytes = 64 * k_mib;
constexpr double k_most_ns = 1e18; // 31 years
constexpr double k_most_units = 1e12;

std::optional<double> number_of(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_string() ? found->get<std::string>()
                                                                           : std::string();
}

Result<Json> ledger_rows(DaemonClient& client, const std::string& query) {
  MRUN_ASSIGN(const Json page, client.get("/mrun/v1/ledger?" + query));
  return page.value("rows", Json::array());
}

std::optional<Measurement> measurement_of(const Manifest& manifest, const Json& row, const Json& prediction) {
  const std::optional<double> predict_ns = number_of(row, "duration_ns");
  const Json input = prediction.value("input", Json());
  if (!predict_ns || !input.is_object()) return std::nullopt;
  const std::optional<double> input_bytes = number_of(prediction.value("metrics", Json()), "input_bytes");
  return Measurement{drivers_of(manifest, input, input_bytes), *predict_ns / 1e9, std::nullopt,
                     units_of(row.value("units", Json()))};
}

// Of the device that the newest line names: times of two devices are not of one kind.
bool is_of_device(const Json& row, std::string& device) {
  const std::string here = text_of(row, "device");
  if (device.empty()) device = here;
  return here == device;
}

Result<void> add_loads(DaemonClient& client, const Digest& version, Measurements& found) {
  MRUN_ASSIGN(const Json rows,
              ledger_rows(client, fmt::format("version={}&kind=setup&status=succeeded&limit={}",
                                              version.hex(), k_max_measurements)));
  for (const Json& row : rows)
    if (const auto duration_ns = number_of(row, "duration_ns");
        duration_ns && is_of_device(row, found.device)) {
      Measurement load;
      load.setup_seconds = *duration_ns / 1e9;
      found.runs.push_back(std::move(load));
    }
  return {};
}

Result<Measurement> measurement_of_line(const Manifest& manifest, const Json& line,
                                        const std::string& place) {
  const auto input = line.find("input");
  const std::optional<double> predict_ns = number_of(line, "predict_ns"),
                              setup_ns = number_of(line, "setup_ns");
  const auto is_no_time = [](const std::optional<double>& ns) {
    return ns && !(*ns >= 0 && *ns <= k_most_ns);
  };
  const bool is_senseless = is_no_time(predict_ns) || is_no_time(setup_ns);
  if ((!predict_ns && !setup_ns) || is_senseless)
    return fail(ErrorCode::cost_unknown,
                fmt::format("{}: neither `predict_ns` nor `setup_ns` is a time", place));
  Measurement measured;
  if (input != line.end() && input->is_object()) measured.drivers = drivers_of(manifest, *input);
  if (predict_ns) measured.seconds = *predict_ns / 1e9;
  if (setup_ns) measured.setup_seconds = *setup_ns / 1e9;
  const Json units = line.value("units", Json::object());
  if (!units.is_object())
    return fail(ErrorCode::cost_unknown, fmt::format("{}: `units` is not an object", place));
  for (const auto& [name, value] : units.items()) {
    if (!is_cost_unit(name))
      return fail(ErrorCode::cost_unknown,
                  fmt::format("{}: there is no unit `{}`", place, printable(name, 60)),
                  "units are image, megapixel, video_s, request, input_tokens, cached_tokens, output_tokens");
    if (!value.is_number() || !(value.get<double>() >= 0 && value.get<double>() <= k_most_units))
      return fail(ErrorCode::cost_unknown,
                  fmt::format("{}: unit `{}` is not a number", place, printable(name, 60)));
    measured.units[name] = value.get<double>();
  }
  return measured;
}

} // namespace

std::map<std::string, double> units_of(const Json& ledger_units) {
  struct Unit {
    const char *theirs, *ours;
    double divisor;
  };
  static constexpr Unit k_units[] = {{"image_count", "image", 1},
                                     {"image_pixels", "megapixel", 1e6},
                                     {"video_ns", "video_s", 1e9},
                                     {"input_token_count", "input_tokens", 1},
                                     {"output_token_count", "output_tokens", 1}};
  std::map<std::string, double> units;
  for (const Unit& unit : k_units)
    if (const auto value = number_of(ledger_units, unit.theirs)) units[unit.ours] = *value / unit.divisor;
  return units;
}

Result<Measurements> past_measurements(DaemonClient& client, const Digest& version,
                                       const Manifest& manifest) {
  MRUN_ASSIGN(const Json rows,
              ledger_rows(client, fmt::format("version={}&kind=prediction&status=succeeded&limit={}",
                                              version.hex(), k_max_measurements)));
  Measurements found;
  for (const Json& row : rows) {
    if (!is_of_device(row, found.device)) continue;
    MRUN_ASSIGN(const Json prediction,
                client.get("/mrun/v1/predictions/" + percent_encode(text_of(row, "id"))));
    if (auto measured = measurement_of(manifest, row, prediction)) found.runs.push_back(std::move(*measured));
    if (const auto peak = number_of(prediction.value("metrics", Json()), "peak_memory_bytes"))
      found.peak_bytes = std::max(found.peak_bytes, *peak);
  }
  found.source = count_words(found.runs.size(), "past prediction");
  MRUN_TRY(add_loads(client, version, found));
  return found;
}

Result<Measurements> measurements_of_file(const Manifest& manifest, const std::string& path) {
  MRUN_ASSIGN(const std::string text,
              read_file(path, k_max_file_bytes, ErrorCode::io, ErrorCode::cost_unknown));
  Measurements found;
  std::size_t number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    const std::string place = fmt::format("{}:{}", printable(path), number);
    MRUN_ASSIGN(const Json object, parse_json(line, ErrorCode::cost_unknown, place));
    if (!object.is_object())
      return fail(ErrorCode::cost_unknown, fmt::format("{}: a measurement is an object", place));
    MRUN_ASSIGN(Measurement measured, measurement_of_line(manifest, object, place));
    found.runs.push_back(std::move(measured));
    if (found.runs.size() > k_max_measurements)
      return fail(ErrorCode::cost_unknown,
                  fmt::format("{}: more than {} measurements", place, k_max_measurements));
  }
  found.source = fmt::format("{} measurements of {}", found.runs.size(), printable(path));
  return found;
}

} // namespace mrun::cli
