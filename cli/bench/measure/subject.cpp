#include "cli/bench/measure/subject.h"

#include <fmt/format.h>
#include <unistd.h>

#include "cli/predict/cases.h"
#include "cli/predict/input_files.h"
#include "common/build_info.h"
#include "common/text.h"
#include "packager/schema.h"

namespace mrun::bench {
namespace {

constexpr std::int64_t k_longest_wait_ns = 60'000'000'000; // of a reply that waits; streams have no such end

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
  subject.streamed = bundle.manifest.output.iterator || bundle.manifest.output.concatenate ||
                     options.timeout_ns > k_longest_wait_ns;
  std::vector<Json> cases;
  if (options.cases_file.empty()) {
    MRUN_ASSIGN(Json input, cli::input_of_flags(bundle.manifest, options.inputs));
    cases.push_back(std::move(input));
  } else {
    MRUN_ASSIGN(cli::CaseFile file, cli::read_case_file(bundle.manifest, options.cases_file,
                                                        ErrorCode::bench_cases, ErrorCode::bench_cases));
    subject.cases_digest = file.digest.hex();
    for (cli::CaseLine& line : file.cases)
      cases.push_back(std::move(line.input));
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
