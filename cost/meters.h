// Meters: what an output holds, in the units that providers bill by. Each is measured from the output itself,
// by its bytes; a manifest's `meter:` word, a media type and a file's name are never believed. Names and
// rules: docs/formats/meters.md.
//
// The bytes are a model's and may be hostile: every read is bounded, nothing recurses, each loop goes
// forward, and what does not fit is unknown with a reason, never 0.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/json.h"

namespace mrun {

// One output file. `is_image` and `is_video` are both true of an animated picture.
struct FileMeasure {
  bool is_image = false;
  bool is_video = false;
  bool is_audio = false;
  std::optional<std::int64_t> pixels;      // of a picture: width x height
  std::optional<std::int64_t> duration_ns; // of a video or sound
  std::string reason;                      // why one of them is not known
};

// PNG, JPEG, GIF, WebP, BMP, TIFF, AVIF, HEIF; MP4, MOV, WebM, Matroska, AVI, animated PNG, GIF and WebP;
// WAV, FLAC, Ogg (Opus, Vorbis, FLAC), MP3, and MP4, WebM and Matroska with sound only. Anything else is none
// of them. Reads headers and indexes only, except of GIF, MP3 and WebM without a duration, which it walks.
FileMeasure measure_file(std::string_view bytes);

// Whether a metric of that name is the meter's alone (image_count, video_ns, …): a model's own word for it is
// not taken. Tokens are the model's to count.
bool is_metered(std::string_view metric);

// The units of one prediction.
class OutputMeter {
 public:
  void add_file(const FileMeasure& file);
  // Units as JSON, only those that occur: image_count, image_pixels, video_count, video_ns, audio_count,
  // audio_ns, character_count (code points, of an `output` that is text), input_token_count and
  // output_token_count (what the model itself counted, in its `metrics`, if it is a count). One that is not
  // known is null, and `unknown_units` says why: {"video_ns": "…"}. An empty object: nothing was measured.
  Json units(const Json& output, const Json& metrics) const;

 private:
  struct Total {
    std::int64_t count = 0;
    std::optional<std::int64_t> sum = 0; // nullopt: one of them is not known
    std::string reason;
    void add(const std::optional<std::int64_t>& value, const std::string& why);
  };
  Total m_images, m_videos, m_sounds;
};

} // namespace mrun
