#include "cost/meters.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "cost/meters/file_meters.h"

namespace mrun {
namespace meters {

std::optional<std::int64_t> ticks_to_ns(std::uint64_t count, std::uint64_t per_second) {
  __extension__ typedef unsigned __int128 Wide;
  if (per_second == 0) return std::nullopt;
  const Wide duration_ns = static_cast<Wide>(count) * 1'000'000'000 / per_second;
  if (duration_ns > static_cast<Wide>(k_max_duration_ns)) return std::nullopt;
  return static_cast<std::int64_t>(duration_ns);
}

FileMeasure picture(std::optional<std::uint64_t> width, std::optional<std::uint64_t> height) {
  constexpr std::uint64_t k_max_side = std::numeric_limits<std::int32_t>::max();
  FileMeasure measure;
  measure.is_image = true;
  if (width && height && *width > 0 && *height > 0 && *width <= k_max_side && *height <= k_max_side)
    measure.pixels = static_cast<std::int64_t>(*width * *height);
  else
    measure.reason = k_no_size;
  return measure;
}

void animate(FileMeasure& picture, std::uint64_t frames, std::optional<std::int64_t> duration_ns) {
  if (frames < 2) return;
  picture.is_video = true;
  picture.duration_ns = duration_ns;
  if (!duration_ns && picture.reason.empty()) picture.reason = k_cut_short;
}

FileMeasure video(std::optional<std::int64_t> duration_ns, const char* reason) {
  FileMeasure measure;
  measure.is_video = true;
  measure.duration_ns = duration_ns;
  if (!duration_ns) measure.reason = reason;
  return measure;
}

FileMeasure sound(std::optional<std::int64_t> duration_ns, const char* reason) {
  FileMeasure measure = video(duration_ns, reason);
  measure.is_video = false;
  measure.is_audio = true;
  return measure;
}

} // namespace meters

FileMeasure measure_file(std::string_view bytes) {
  using Measure = std::optional<FileMeasure> (*)(const meters::ByteView&);
  static constexpr std::array<Measure, 8> k_families = {
      meters::measure_png,  meters::measure_jpeg,      meters::measure_gif,      meters::measure_bitmap,
      meters::measure_riff, meters::measure_iso_media, meters::measure_matroska, meters::measure_sound};
  const meters::ByteView file(bytes);
  for (const Measure measure : k_families)
    if (std::optional<FileMeasure> found = measure(file)) return std::move(*found);
  return {};
}

bool is_metered(std::string_view metric) {
  static constexpr std::array<std::string_view, 8> k_names = {
      "image_count", "image_pixels", "video_count",     "video_ns",
      "audio_count", "audio_ns",     "character_count", "unknown_units"};
  return std::find(k_names.begin(), k_names.end(), metric) != k_names.end();
}

void OutputMeter::Total::add(const std::optional<std::int64_t>& value, const std::string& why) {
  ++count;
  if (!value || !sum || *sum > std::numeric_limits<std::int64_t>::max() - *value) {
    if (reason.empty()) reason = value ? "the sum is too large" : why;
    sum.reset();
  } else {
    *sum += *value;
  }
}

void OutputMeter::add_file(const FileMeasure& file) {
  if (file.is_image) m_images.add(file.pixels, file.reason);
  if (file.is_video) m_videos.add(file.duration_ns, file.reason);
  if (file.is_audio) m_sounds.add(file.duration_ns, file.reason);
}

Json OutputMeter::units(const Json& output, const Json& metrics) const {
  Json units = Json::object();
  Json unknown = Json::object();
  const auto put = [&](const Total& total, const char* count_name, const char* sum_name) {
    if (total.count == 0) return;
    units[count_name] = total.count;
    units[sum_name] = total.sum ? Json(*total.sum) : Json(nullptr);
    if (!total.sum) unknown[sum_name] = total.reason;
  };
  put(m_images, "image_count", "image_pixels");
  put(m_videos, "video_count", "video_ns");
  put(m_sounds, "audio_count", "audio_ns");
  if (output.is_string()) {
    std::int64_t characters = 0;
    for (const char c : output.get_ref<const std::string&>())
      characters += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
    units["character_count"] = characters;
  }
  for (const char* name : {"input_token_count", "output_token_count"}) {
    const auto found = metrics.find(name);
    if (found == metrics.end() || !found->is_number()) continue;
    const double count = found->get<double>();
    constexpr double k_max_count = 9e15; // whole numbers are exact below it
    if (count >= 0 && count <= k_max_count && count == std::floor(count)) {
      units[name] = static_cast<std::int64_t>(count);
    } else {
      units[name] = nullptr;
      unknown[name] = "the model's own count is no whole number";
    }
  }
  if (!unknown.empty()) units["unknown_units"] = std::move(unknown);
  return units;
}

} // namespace mrun
