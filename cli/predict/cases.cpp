#include "cli/predict/cases.h"

#include <filesystem>

#include <fmt/format.h>

#include "cli/predict/input_files.h"
#include "common/fd.h"
#include "common/limits.h"
#include "common/text.h"
#include "packager/schema.h"
#include "packager/sha256.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_max_cases = 10'000;
constexpr std::size_t k_max_bytes = 64 * k_mib;

} // namespace

Result<CaseFile> read_case_file(const Manifest& manifest, const std::string& path, ErrorCode unreadable,
                                ErrorCode code) {
  MRUN_ASSIGN(const std::string text, read_file(path, k_max_bytes, unreadable, code));
  CaseFile file;
  file.digest = Sha256::of(text);
  std::size_t number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    std::string place = fmt::format("{}:{}", printable(path), number);
    if (file.cases.size() == k_max_cases)
      return fail(code, fmt::format("{}: more than {} cases", place, k_max_cases));
    MRUN_ASSIGN(Json input, parse_json(line, code, place));
    if (!input.is_object()) return fail(code, fmt::format("{}: a case is an object of inputs", place));
    input = with_file_arguments(manifest, std::move(input), std::filesystem::path(path).parent_path());
    file.cases.push_back({std::move(input), std::move(place)});
  }
  if (file.cases.empty()) return fail(code, fmt::format("{} has no case", printable(path)));
  return file;
}

Result<Json> input_of_flags(const Manifest& manifest, const std::vector<std::string>& texts) {
  std::vector<InputArgument> arguments;
  for (const std::string& text : texts) {
    MRUN_ASSIGN(InputArgument argument, parse_input_argument(text));
    arguments.push_back(std::move(argument));
  }
  return input_from_arguments(manifest, arguments);
}

} // namespace mrun::cli
