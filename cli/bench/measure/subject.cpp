#include "cli/bench/measure/subject.h"

#include <filesystem>

#include <fmt/format.h>
#include <unistd.h>

#include "cli/predict/input_files.h"
#include "common/build_info.h"
#include "common/fd.h"
#include "common/text.h"
#include "packager/schema.h"

namespace mrun::bench {
namespace {

constexpr std::size_t k_max_cases = 10'000;
constexpr std::size_t k_max_cases_bytes = 64 * k_mib;

Result<std::vector<Json>> read_cases(const Manifest& manifest, const std::string& path) {
  MRUN_ASSIGN(const std::string text,
              read_file(path, k_max_cases_bytes, ErrorCode::bench_cases, ErrorCode::bench_cases));
  std::vector<Json> cases;
  std::size_t number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    const std::string place = fmt::format("{}:{}", printable(path), number);
    MRUN_ASSIGN(Json input, parse_json(line, ErrorCode::bench_cases, place));
    if (!input.is_object())
      return fail(ErrorCode::bench_cases, fmt::format("{}: a case is an object of inputs", place));
    cases.push_back(
        cli::with_file_arguments(manifest, std::move(input), std::filesystem::path(path).parent_path()));
    if (cases.size() > k_max_cases)
      return fail(ErrorCode::bench_cases, fmt::format("{}: more than {} cases", place, k_max_cases));
  }
  if (cases.empty()) return fail(ErrorCode::bench_cases, fmt::format("{} has no case", printable(path)));
  return cases;
}

Result<Json> input_of_flags(const Manifest& manifest, const std::vector<std::string>& texts) {
  std::vector<InputArgument> arguments;
  for (const std::string& text : texts) {
    MRUN_ASSIGN(InputArgument argument, parse_input_argument(text));
    arguments.push_back(std::move(argument));
  }
  return input_from_arguments(manifest, arguments);
}

Result<Json> ready_input(cli::DaemonClient& client, const Manifest& manifest, Json input) {
  MRUN_ASSIGN(std::vector<cli::InputFile> files, cli::open_input_files(manifest, input, STDIN_FILENO));
  MRUN_TRY(check_input(manifest, cli::with_placeholders(input, files)));
  MRUN_TRY(cli::upload_input_files(client, files, input));
  return input;
}

} // namespace

std::vector<std::string> Subject::requests(const std::string& device) const {
  std::vector<std::string> requests;
  for (const Json& input : inputs) {
    Json body = {{"version", version()}, {"input", input}};
    if (device != "auto") body["device"] = device;
    const std::string text = canonical_json(body);
    requests.push_back(fmt::format("POST /mrun/v1/predictions HTTP/1.1\r\nHost: localhost\r\n"
                                   "User-Agent: mrun/{}\r\nMrun-Build: {}\r\n"
                                   "Content-Type: application/json\r\n{}\r\nContent-Length: {}\r\n\r\n{}",
                                   version_text(), build_id(),
                                   streamed ? "Accept: text/event-stream" : "Prefer: wait=60", text.size(),
                                   text));
  }
  return requests;
}

Result<Subject> make_subject(cli::DaemonClient& client, const std::string& reference, Bundle bundle,
                             const Options& options) {
  Subject subject;
  subject.reference = reference;
  subject.streamed = bundle.manifest.output.iterator || bundle.manifest.output.concatenate;
  std::vector<Json> cases;
  if (options.cases_file.empty()) {
    MRUN_ASSIGN(Json input, input_of_flags(bundle.manifest, options.inputs));
    cases.push_back(std::move(input));
  } else {
    MRUN_ASSIGN(cases, read_cases(bundle.manifest, options.cases_file));
  }
  for (std::size_t i = 0; i < cases.size(); ++i) {
    auto input = ready_input(client, bundle.manifest, std::move(cases[i]));
    if (!input && !options.cases_file.empty())
      return tl::unexpected<Error>(
          std::move(input.error())
              .with_note(fmt::format("case {} of {}", i + 1, printable(options.cases_file))));
    MRUN_TRY(input);
    subject.inputs.push_back(std::move(*input));
  }
  subject.bundle = std::move(bundle);
  return subject;
}

} // namespace mrun::bench
