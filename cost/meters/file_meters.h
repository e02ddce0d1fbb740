// One function per family of files: nullopt when the bytes are not of it. For cost/meters.cpp only.
#pragma once

#include "cost/meters.h"
#include "cost/meters/byte_view.h"

namespace mrun::meters {

std::optional<FileMeasure> measure_png(const ByteView& file);
std::optional<FileMeasure> measure_jpeg(const ByteView& file);
std::optional<FileMeasure> measure_gif(const ByteView& file);
std::optional<FileMeasure> measure_bitmap(const ByteView& file);    // BMP, TIFF, JPEG XL
std::optional<FileMeasure> measure_riff(const ByteView& file);      // WebP, AVI, WAV
std::optional<FileMeasure> measure_iso_media(const ByteView& file); // MP4, MOV, AVIF, HEIF
std::optional<FileMeasure> measure_matroska(const ByteView& file);  // WebM too
std::optional<FileMeasure> measure_sound(const ByteView& file);     // FLAC, Ogg, MP3

// What the families build with.
FileMeasure picture(std::optional<std::uint64_t> width, std::optional<std::uint64_t> height);
// A picture of `frames` images that are shown for `duration_ns` in all: a video too, when they are several.
void animate(FileMeasure& picture, std::uint64_t frames, std::optional<std::int64_t> duration_ns);
FileMeasure video(std::optional<std::int64_t> duration_ns, const char* reason);
FileMeasure sound(std::optional<std::int64_t> duration_ns, const char* reason);

inline constexpr const char* k_cut_short = "the file ends early";
inline constexpr const char* k_no_size = "the file's header has no size";
inline constexpr const char* k_no_duration = "the file does not tell its duration";

} // namespace mrun::meters
