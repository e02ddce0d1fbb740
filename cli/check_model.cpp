#include "cli/check_model.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/model_file.h"
#include "common/text.h"
#include "packager/consent.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_max_notes = 10;

std::string problem_words(const Json& problem) {
  const std::string source = problem["source"].get<std::string>();
  return problem["message"].get<std::string>() + (source.empty() ? "" : fmt::format(" (at {})", source));
}

tl::unexpected<Error> refuse(const Manifest& manifest, const Json& problems) {
  Error error =
      fail(ErrorCode::model_unsupported, fmt::format("{}: {}", manifest.model, problem_words(problems[0])),
           problems[0]["hint"].get<std::string>())
          .value();
  for (std::size_t i = 1; i < problems.size() && i < k_max_notes; ++i)
    error.notes.push_back(problem_words(problems[i]));
  if (problems.size() > k_max_notes)
    error.notes.push_back(fmt::format("and {} more: mrun inspect {}", problems.size() - k_max_notes,
                                      printable(manifest.model, 100)));
  return tl::unexpected<Error>(std::move(error));
}

bool may_run_on_cpu(const Manifest& manifest) {
  return manifest.devices.empty() || std::ranges::find(manifest.devices, "cpu") != manifest.devices.end();
}

} // namespace

Result<void> check_model(const Context& context, const Manifest& manifest,
                         const std::filesystem::path& folder) {
  if (manifest.engine != "torch") return {};
  MRUN_ASSIGN(const Json report,
              inspect_model_file(context, (folder / manifest.model).string(),
                                 !manifest.engine_options.value("operators", Json::array()).empty()));
  if (!report["problems"].empty()) return refuse(manifest, report["problems"]);
  const Json cpu_problems = report.value("cpu_problems", Json::array());
  if (!cpu_problems.empty() && may_run_on_cpu(manifest)) return refuse(manifest, cpu_problems);
  if (const auto& kind = report["kind"]; kind == "safetensors" || kind == "gguf")
    return fail(
        ErrorCode::model_unsupported,
        fmt::format("{} is a {} file: weights without a program", manifest.model, kind.get<std::string>()),
        "export the model: torch.export.save(torch.export.export(model, inputs), FILE)");
  if (report["native_code"].get<bool>() && !declares_native_code(manifest))
    return fail(
        ErrorCode::manifest_value,
        fmt::format("mrun.yaml: {} is an AOTInductor package, a program in machine code", manifest.model),
        "add `options: {native_code: true}` to mrun.yaml: whoever gets the model is then asked for consent");
  return {};
}

} // namespace mrun::cli
