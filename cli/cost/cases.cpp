// Cases: read, typed, measured by their size, run.
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <unistd.h>

#include "cli/client/reply_limit.h"
#include "cli/client/sse_parser.h"
#include "cli/cost/measurements.h"
#include "cli/predict/input_files.h"
#include "common/fd.h"
#include "common/limits.h"
#include "common/text.h"
#include "daemon/api/tags.h"
#include "packager/schema.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_max_cases = 10'000;
constexpr std::size_t k_max_cases_bytes = 64 * k_mib;
constexpr std::string_view k_bytes = " bytes"; // a driver's name ends so

double code_points(const std::string& text) {
  double count = 0;
  for (const char c : text)
    count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
  return count;
}

// "data:image/png;base64,…", or, as records keep a large one, "data:image/png;size=N,".
std::optional<double> data_uri_bytes(const std::string& text) {
  if (!text.starts_with("data:")) return std::nullopt;
  const std::size_t comma = text.find(',');
  if (comma == std::string::npos) return std::nullopt;
  const std::string head = text.substr(0, comma);
  if (const std::size_t size = head.find(";size="); size != std::string::npos)
    return std::strtod(head.c_str() + size + 6, nullptr);
  const double length = static_cast<double>(text.size() - comma - 1);
  return head.ends_with(";base64") ? length * 3 / 4 : length;
}

const TypeSpec* type_of(const Manifest& manifest, const std::string& key) {
  for (const InputSpec& input : manifest.inputs)
    if (input.name == key) return &input.type;
  return nullptr;
}

// Large files are opened again when the case is run: 10,000 cases would be too many descriptors.
Result<Case> make_case(const Manifest& manifest, Json input) {
  MRUN_ASSIGN(const std::vector<InputFile> files, open_input_files(manifest, input, STDIN_FILENO));
  MRUN_ASSIGN(const Json checked, check_input(manifest, with_placeholders(input, files)));
  Case made{std::move(input), drivers_of(manifest, checked)};
  for (const InputFile& file : files) {
    if (file.path == "-")
      return fail(ErrorCode::input_file, "what comes on standard input is too large to be kept for a run",
                  "write it to a file");
    if (file.place.parent_pointer().empty())
      made.drivers[file.place.back() + std::string(k_bytes)] = static_cast<double>(file.size_bytes);
  }
  return made;
}

Result<Json> input_of_flags(const Manifest& manifest, const std::vector<std::string>& texts) {
  std::vector<InputArgument> arguments;
  for (const std::string& text : texts) {
    MRUN_ASSIGN(InputArgument argument, parse_input_argument(text));
    arguments.push_back(std::move(argument));
  }
  return input_from_arguments(manifest, arguments);
}

Result<std::vector<Case>> cases_of_file(const Manifest& manifest, const std::string& path) {
  MRUN_ASSIGN(const std::string text,
              read_file(path, k_max_cases_bytes, ErrorCode::io, ErrorCode::cost_unknown));
  std::vector<Case> cases;
  std::size_t number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    const std::string place = fmt::format("{}:{}", printable(path), number);
    MRUN_ASSIGN(Json input, parse_json(line, ErrorCode::cost_unknown, place));
    if (!input.is_object())
      return fail(ErrorCode::cost_unknown, fmt::format("{}: a case is an object of inputs", place));
    if (cases.size() == k_max_cases)
      return fail(ErrorCode::cost_unknown, fmt::format("{}: more than {} cases", place, k_max_cases));
    input = with_file_arguments(manifest, std::move(input), std::filesystem::path(path).parent_path());
    auto made = make_case(manifest, std::move(input));
    if (!made) return tl::unexpected<Error>(std::move(made.error()).with_note("case at " + place));
    cases.push_back(std::move(*made));
  }
  if (cases.empty()) return fail(ErrorCode::cost_unknown, fmt::format("{} has no case", printable(path)));
  return cases;
}

// As an event stream: a prediction may take longer than a reply waits, and hanging up cancels it.
HttpRequest prediction_request(const Digest& version, const Json& input, const std::string& tag) {
  HttpRequest request = json_request("/mrun/v1/predictions", {{"version", version.hex()}, {"input", input}});
  request.headers[1].second = "text/event-stream";
  if (!tag.empty()) request.headers.emplace_back(k_tags_header, "estimate=" + tag);
  return request;
}

// The data of the event `done`.
Result<Json> follow_to_end(DaemonClient& client) {
  SseParser parser;
  while (true) {
    std::string bytes;
    MRUN_ASSIGN(const ReadResult read, client.connection().read(bytes, std::nullopt, -1));
    MRUN_TRY(parser.feed(bytes));
    while (const auto event = parser.next()) {
      if (event->type != "done") continue;
      MRUN_ASSIGN(Json prediction, parse_json(event->data, ErrorCode::daemon_unreachable,
                                              "an event of the daemon", {.max_bytes = k_max_reply_bytes}));
      if (!prediction.is_object())
        return fail(ErrorCode::daemon_unreachable, "an event of the daemon is not an object");
      return prediction;
    }
    if (read == ReadResult::end)
      return fail(ErrorCode::daemon_unreachable, "the event stream ended before the prediction did");
  }
}

// A connection of its own: a stream may leave one in no state for another request.
Result<Json> run_case(const Context& context, const Digest& version, const Manifest& manifest,
                      const Case& one, const std::string& tag) {
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::if_needed));
  Json input = one.input;
  MRUN_ASSIGN(std::vector<InputFile> files, open_input_files(manifest, input, STDIN_FILENO));
  MRUN_TRY(upload_input_files(client, files, input));
  MRUN_TRY(client.open(prediction_request(version, input, tag)));
  MRUN_ASSIGN(Json prediction, follow_to_end(client));
  const std::string status = prediction.value("status", std::string());
  const std::string id = prediction.value("id", std::string());
  if (status != "succeeded")
    return fail(status == "failed" ? ErrorCode::prediction_failed : ErrorCode::cost_unknown,
                fmt::format("prediction {} is {}", printable(id, 40), printable(status, 20)),
                fmt::format("mrun logs {}", printable(id, 40)));
  return prediction;
}

} // namespace

Drivers drivers_of(const Manifest& manifest, const Json& input, std::optional<double> input_bytes) {
  Drivers drivers;
  std::vector<std::string> uploads;
  for (const auto& [key, value] : input.items()) {
    const TypeSpec* type = type_of(manifest, key);
    if (type == nullptr || type->type == ValueType::secret) continue;
    if (value.is_number())
      drivers[key] = value.get<double>();
    else if (value.is_array())
      drivers[key + " items"] = static_cast<double>(value.size());
    else if (value.is_string() && type->type != ValueType::file)
      drivers[key + " characters"] = code_points(value.get_ref<const std::string&>());
    else if (const auto size =
                 value.is_string() ? data_uri_bytes(value.get_ref<const std::string&>()) : std::nullopt)
      drivers[key + std::string(k_bytes)] = *size;
    else if (value.is_string())
      uploads.push_back(key);
  }
  if (uploads.size() == 1 && input_bytes)
    drivers[uploads.front() + std::string(k_bytes)] =
        std::max(0.0, *input_bytes - static_cast<double>(canonical_json(input).size()));
  return drivers;
}

Result<std::vector<Case>> read_cases(const Manifest& manifest, const std::vector<std::string>& inputs,
                                     const std::string& path) {
  if (!path.empty()) return cases_of_file(manifest, path);
  MRUN_ASSIGN(Json input, input_of_flags(manifest, inputs));
  MRUN_ASSIGN(Case one, make_case(manifest, std::move(input)));
  std::vector<Case> cases;
  cases.push_back(std::move(one));
  return cases;
}

Result<Ran> run_cases(const Context& context, const Digest& version, const Manifest& manifest,
                      const std::vector<Case>& cases, const std::string& tag) {
  Ran ran;
  for (const Case& one : cases) {
    if (!context.quiet)
      context.terminal.status(fmt::format("running {} of {}", ran.ids.size() + 1, cases.size()));
    MRUN_ASSIGN(const Json prediction, run_case(context, version, manifest, one, tag));
    const Json metrics = prediction.value("metrics", Json::object());
    const Json phases = metrics.value("phases_ns", Json::object());
    Measurement measured;
    measured.drivers = one.drivers;
    measured.seconds = phases.value("predict", 0.0) / 1e9;
    measured.units = units_of(metrics);
    ran.measured.device = metrics.value("device", "");
    ran.measured.peak_bytes = std::max(ran.measured.peak_bytes, metrics.value("peak_memory_bytes", 0.0));
    ran.measured.runs.push_back(std::move(measured));
    ran.ids.push_back(prediction.value("id", std::string()));
  }
  context.terminal.clear_status();
  ran.measured.source = fmt::format("{} runs made now", cases.size());
  return ran;
}

} // namespace mrun::cli
