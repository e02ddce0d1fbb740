// Sound files to samples: WAV, FLAC and Ogg (Vorbis or FLAC inside), as torchaudio.load gives them.
//
// Samples are f32 from -1 to 1: integers of b bits are divided by 2^(b-1) (8-bit WAV, which is unsigned, has
// 128 taken off first); float samples and Vorbis stay as they are. The bytes are untrusted: no header's claim
// makes anything be allocated that the file's own contents don't fill. Any thread; nothing is kept between
// calls.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/error.h"
#include "runtime/media/tensor.h"

namespace mrun {

enum class SoundFormat { unknown, wav, flac, ogg };

// By the first bytes, never by the name.
SoundFormat sniff_sound(std::string_view bytes);

struct DecodedSound {
  Tensor samples; // f32 [channels, frames]
  std::int64_t rate_hz = 0;
};

// Errors: input_file, when the bytes are no such sound, end early, break their format, or have more than
// k_max_sound_channels, k_max_sound_rate_hz or k_max_sound_samples.
Result<DecodedSound> decode_sound(std::string_view bytes);

} // namespace mrun
