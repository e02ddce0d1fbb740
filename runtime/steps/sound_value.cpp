#include "runtime/steps/sound_value.h"

#include <fmt/format.h>

namespace mrun {
namespace {

std::string rate_name(const std::string& name) {
  return fmt::format("#rate:{}", name);
}

} // namespace

void put_rate(StepContext& context, const std::string& name, std::int64_t rate_hz) {
  put(context, rate_name(name), Json(rate_hz));
}

std::optional<std::int64_t> rate_of(const Namespace& values, const std::string& name) {
  const auto at = values.find(rate_name(name));
  if (at == values.end()) return {};
  return std::get<Json>(at->second).get<std::int64_t>();
}

std::vector<std::int64_t> SoundRows::shape_with(std::initializer_list<std::int64_t> last) const {
  std::vector<std::int64_t> shape = tensor.shape();
  shape.pop_back();
  shape.insert(shape.end(), last);
  return shape;
}

Result<SoundRows> need_sound(const Namespace& values, const std::string& name) {
  MRUN_ASSIGN(Tensor tensor, need_f32(values, name));
  const std::vector<std::int64_t>& shape = tensor.shape();
  if (shape.empty() || shape.size() > 2 || tensor.element_count() == 0)
    return fail(ErrorCode::prediction_failed,
                fmt::format("`{}` of shape {} is no sound: [samples] or [channels, samples] is needed", name,
                            shape_text(shape)));
  const auto samples = static_cast<std::size_t>(shape.back());
  const std::size_t rows = tensor.element_count() / samples;
  return SoundRows{std::move(tensor), rows, samples};
}

} // namespace mrun
