// How many samples a second a sound has, beside the sound in the namespace.
#pragma once

#include <optional>

#include "runtime/steps/tensor_step.h"

namespace mrun {

// Notes the rate of the sound that is put under `name`; a manifest can't write the name that this is kept
// under.
void put_rate(StepContext& context, const std::string& name, std::int64_t rate_hz);
// Nothing for a tensor that no sound step made.
std::optional<std::int64_t> rate_of(const Namespace& values, const std::string& name);

// A sound as a step gets it, f32 [samples] or [channels, samples].
struct SoundRows {
  Tensor tensor;
  std::size_t rows = 0, samples = 0;
  // The shape of what has `last` in place of the samples.
  std::vector<std::int64_t> shape_with(std::initializer_list<std::int64_t> last) const;
};
// Error prediction_failed when it is none.
Result<SoundRows> need_sound(const Namespace& values, const std::string& name);

} // namespace mrun
