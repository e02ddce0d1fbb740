#include "cli/cost/kept_estimates.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "cli/predict/file_saver.h"
#include "common/clock.h"
#include "common/fd.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_max_kept = 1000;
constexpr std::size_t k_max_bytes = 16 * k_mib;

bool is_id(const std::string& id) {
  return id.size() == 17 && id.front() == 'e' &&
         id.find_first_not_of("0123456789abcdef", 1) == std::string::npos;
}

Result<std::filesystem::path> folder_of(const Context& context) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  return home.state / "estimates";
}

// The ids begin with the time, so that the first by name are the oldest.
void drop_old(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
    files.push_back(entry.path());
  if (files.size() <= k_max_kept) return;
  std::sort(files.begin(), files.end());
  for (std::size_t i = 0; i + k_max_kept < files.size(); ++i)
    std::filesystem::remove(files[i], ignored);
}

} // namespace

std::string new_estimate_id() {
  return fmt::format("e{:016x}", static_cast<std::uint64_t>(system_clock().wall_ns()));
}

Result<void> keep_estimate(const Context& context, const std::string& id, const Json& estimate) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  MRUN_TRY(home.create()); // the state folder at its mode, also where no daemon has been yet
  MRUN_ASSIGN(const std::filesystem::path folder, folder_of(context));
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  MRUN_ASSIGN(AtomicFile file, AtomicFile::create(folder / (id + ".json")));
  MRUN_TRY(file.write(canonical_json(estimate) + "\n"));
  MRUN_TRY(file.commit(true));
  drop_old(folder);
  return {};
}

Result<Json> kept_estimate(const Context& context, const std::string& id) {
  MRUN_ASSIGN(const std::filesystem::path folder, folder_of(context));
  const std::filesystem::path path = folder / (id + ".json");
  std::error_code ignored;
  if (!is_id(id) || !std::filesystem::exists(path, ignored))
    return fail(ErrorCode::cost_unknown, fmt::format("there is no estimate '{}'", printable(id, 40)),
                "`mrun cost estimate` prints the id of each");
  MRUN_ASSIGN(const std::string text,
              read_file(path.string(), k_max_bytes, ErrorCode::io, ErrorCode::cost_unknown));
  return parse_json(text, ErrorCode::cost_unknown, "the kept estimate");
}

} // namespace mrun::cli
