#include "runtime/steps/step.h"

#include <array>

#include <fmt/format.h>

#include "common/text.h"
#include "runtime/steps/options.h"

namespace mrun {

#define MRUN_STEP(name)                                                                                      \
  Result<std::unique_ptr<Step>> make_step_##name(const StepOptions& options, StepFiles& files);
#include "steps.inc"
#undef MRUN_STEP

namespace {
constexpr auto k_rows = std::to_array<StepRow>({
#define MRUN_STEP(name) {#name, make_step_##name},
#include "steps.inc"
#undef MRUN_STEP
});
} // namespace

std::unique_ptr<FusedStep> Step::fuse(std::span<const Step* const>) const {
  return nullptr;
}

std::span<const StepRow> step_rows() {
  return k_rows;
}

const StepRow* find_step(std::string_view name) {
  for (const StepRow& row : k_rows)
    if (row.name == name) return &row;
  return nullptr;
}

Result<std::int64_t> option_integer(const Json& option, const Namespace& values, std::string_view step,
                                    std::string_view key) {
  if (option.is_number_integer()) return option.get<std::int64_t>();
  MRUN_CHECK(option.is_string()); // OptionReader::integer_or_input let nothing else pass
  const std::string_view name = std::string_view(option.get_ref<const std::string&>()).substr(1);
  const auto at = values.find(name);
  const Json* value = at == values.end() ? nullptr : std::get_if<Json>(&at->second);
  if (value == nullptr || !value->is_number_integer())
    return fail(ErrorCode::prediction_failed,
                fmt::format("step `{}`: option `{}` asks for the input `{}`, which is no integer here", step,
                            key, printable(name)));
  return value->get<std::int64_t>();
}

} // namespace mrun
