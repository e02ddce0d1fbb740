// ISO base media files (ISO/IEC 14496-12): MP4 and MOV, whole or in fragments, and AVIF and HEIF pictures.
#include <array>
#include <map>

#include "cost/meters/file_meters.h"

namespace mrun::meters {
namespace {

using Number = std::optional<std::uint64_t>;

constexpr std::size_t k_max_tracks = 64;
constexpr std::uint64_t k_max_samples = 10'000'000; // of one run, that are added up one by one

// Calls `take(type, body)` for each box of `parent`.
template<class Take>
void each_box(const ByteView& parent, Take take) {
  std::size_t at = 0;
  while (const Number short_size = parent.big(at, 4)) {
    std::size_t header = 8;
    std::uint64_t size = *short_size;
    if (size == 1) {
      size = parent.big(at + 8, 8).value_or(0);
      header = 16;
    } else if (size == 0) {
      size = parent.size() - at; // to the end
    }
    if (size < header) return;
    take(parent.text(at + 4, 4), parent.slice(at + header, size - header));
    if (size > parent.size() - at) return;
    at += static_cast<std::size_t>(size);
  }
}

// The first box of a type; empty when there is none.
ByteView find_box(const ByteView& parent, std::string_view wanted) {
  ByteView found({});
  bool is_found = false;
  each_box(parent, [&](std::string_view type, const ByteView& body) {
    if (type == wanted && !is_found) {
      found = body;
      is_found = true;
    }
  });
  return found;
}

struct Clock {
  Number per_second, duration; // 0 and all ones: not known
};

// mvhd and mdhd begin alike: version, flags, two times, then timescale and duration.
Clock read_clock(const ByteView& box) {
  const bool is_long = box.big(0, 1) == 1;
  Clock clock{box.big(is_long ? 20 : 12, 4), box.big(is_long ? 24 : 16, is_long ? 8 : 4)};
  const std::uint64_t all_ones = is_long ? ~std::uint64_t{0} : 0xFFFFFFFF;
  if (clock.duration == 0U || clock.duration == all_ones) clock.duration.reset();
  return clock;
}

struct Track {
  Number per_second;
  std::uint64_t sample_duration = 0; // default (trex)
  std::uint64_t end = 0;             // of its fragments, in its own ticks
};

struct Movie {
  bool is_video = false, is_audio = false;
  std::optional<std::int64_t> duration_ns; // of mvhd or mehd
  std::map<std::uint64_t, Track> tracks;   // by id
};

void read_track(const ByteView& trak, Movie& movie) {
  const ByteView header = find_box(trak, "tkhd");
  const Number id = header.big(header.big(0, 1) == 1 ? 20 : 12, 4);
  const ByteView media = find_box(trak, "mdia");
  const std::string_view handler = find_box(media, "hdlr").text(8, 4);
  movie.is_video = movie.is_video || handler == "vide";
  movie.is_audio = movie.is_audio || handler == "soun";
  if (id && movie.tracks.size() < k_max_tracks && (handler == "vide" || handler == "soun"))
    movie.tracks[*id].per_second = read_clock(find_box(media, "mdhd")).per_second;
}

void read_movie(const ByteView& moov, Movie& movie) {
  each_box(moov, [&](std::string_view type, const ByteView& body) {
    if (type == "trak") read_track(body, movie);
  });
  const Clock clock = read_clock(find_box(moov, "mvhd"));
  if (clock.per_second && clock.duration) movie.duration_ns = ticks_to_ns(*clock.duration, *clock.per_second);
  const ByteView extends = find_box(moov, "mvex");
  each_box(extends, [&](std::string_view type, const ByteView& body) {
    const Number id = body.big(4, 4);
    const auto track = id ? movie.tracks.find(*id) : movie.tracks.end();
    if (type == "trex" && track != movie.tracks.end())
      track->second.sample_duration = body.big(12, 4).value_or(0);
    if (type != "mehd" || !clock.per_second) return;
    const Number whole = body.big(4, body.big(0, 1) == 1 ? 8 : 4);
    if (whole && *whole > 0) movie.duration_ns = ticks_to_ns(*whole, *clock.per_second);
  });
}

// The samples of one run: each its own duration, or the default.
std::uint64_t run_duration(const ByteView& run, std::uint64_t sample_duration) {
  const std::uint64_t flags = run.big(1, 3).value_or(0);
  const std::uint64_t samples = run.big(4, 4).value_or(0);
  if ((flags & 0x100U) == 0) return samples <= 0xFFFFFFFF ? samples * sample_duration : 0;
  std::size_t stride = 0;
  for (const unsigned bit : {0x100U, 0x200U, 0x400U, 0x800U})
    stride += (flags & bit) != 0 ? 4 : 0;
  std::size_t at = 8 + ((flags & 1U) != 0 ? 4 : 0) + ((flags & 4U) != 0 ? 4 : 0);
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < std::min(samples, k_max_samples); ++i, at += stride) {
    const Number duration = run.big(at, 4);
    if (!duration) break; // it ends early
    sum += *duration;
  }
  return sum;
}

void read_fragment(const ByteView& traf, Movie& movie) {
  const ByteView header = find_box(traf, "tfhd");
  const std::uint64_t flags = header.big(1, 3).value_or(0);
  const Number id = header.big(4, 4);
  const auto found = id ? movie.tracks.find(*id) : movie.tracks.end();
  if (found == movie.tracks.end()) return;
  Track& track = found->second;
  std::uint64_t sample_duration = track.sample_duration;
  const std::size_t at = 8 + ((flags & 1U) != 0 ? 8 : 0) + ((flags & 2U) != 0 ? 4 : 0);
  if ((flags & 8U) != 0) sample_duration = header.big(at, 4).value_or(0);
  std::uint64_t end = track.end;
  if (const ByteView time = find_box(traf, "tfdt"); time.size() > 0)
    end = time.big(4, time.big(0, 1) == 1 ? 8 : 4).value_or(end);
  each_box(traf, [&](std::string_view type, const ByteView& body) {
    if (type == "trun") end += run_duration(body, sample_duration);
  });
  track.end = std::max(track.end, end);
}

// The sum of a segment index (sidx), whose references are subsegments.
std::optional<std::int64_t> index_duration(const ByteView& sidx) {
  const bool is_long = sidx.big(0, 1) == 1;
  const Number per_second = sidx.big(8, 4);
  const std::size_t count_at = is_long ? 30 : 22;
  const std::uint64_t count = sidx.big(count_at, 2).value_or(0);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Number duration = sidx.big(count_at + 2 + 12 * i + 4, 4);
    if (!duration) return std::nullopt;
    sum += *duration;
  }
  return sum > 0 ? ticks_to_ns(sum, per_second.value_or(0)) : std::nullopt;
}

std::optional<std::int64_t> longest(std::optional<std::int64_t> left, std::optional<std::int64_t> right) {
  return left && right ? std::max(left, right) : left ? left : right;
}

// A picture's size is the largest `ispe`: its tiles and thumbnails are smaller.
FileMeasure measure_picture(const ByteView& file) {
  const ByteView meta = find_box(file, "meta");
  const ByteView properties = find_box(find_box(meta.slice(4, meta.size()), "iprp"), "ipco");
  FileMeasure best = picture(Number(), Number());
  each_box(properties, [&](std::string_view type, const ByteView& body) {
    if (type != "ispe") return;
    const FileMeasure size = picture(body.big(4, 4), body.big(8, 4));
    if (size.pixels.value_or(0) > best.pixels.value_or(0)) best = size;
  });
  return best;
}

bool is_first_box(std::string_view type) {
  for (const char* known : {"ftyp", "moov", "mdat", "wide", "free", "skip", "pnot"})
    if (type == known) return true;
  return false;
}

bool is_picture_brand(std::string_view brand) {
  for (const char* known : {"avif", "heic", "heix", "heim", "heis", "mif1"})
    if (brand == known) return true;
  return false;
}

} // namespace

std::optional<FileMeasure> measure_iso_media(const ByteView& file) {
  const Number first_bytes = file.big(0, 4);
  const bool has_size =
      first_bytes && (*first_bytes <= 1 || (*first_bytes >= 8 && *first_bytes <= file.size()));
  if (!is_first_box(file.text(4, 4)) || (!has_size && !file.has(4, "mdat"))) return std::nullopt;
  if (file.has(4, "ftyp") && is_picture_brand(file.text(8, 4))) return measure_picture(file);
  Movie movie;
  std::optional<std::int64_t> indexed_ns;
  bool has_fragments = false, has_movie = false;
  each_box(file, [&](std::string_view type, const ByteView& body) {
    if (type == "moov" && !has_movie) {
      has_movie = true;
      read_movie(body, movie);
    } else if (type == "sidx") {
      indexed_ns = longest(indexed_ns, index_duration(body));
    } else if (type == "moof") {
      has_fragments = true;
      each_box(body, [&](std::string_view inner, const ByteView& traf) {
        if (inner == "traf") read_fragment(traf, movie);
      });
    }
  });
  std::optional<std::int64_t> duration_ns = movie.duration_ns;
  if (has_fragments) {
    std::optional<std::int64_t> fragments_ns;
    for (const auto& [id, track] : movie.tracks)
      if (track.end > 0)
        fragments_ns = longest(fragments_ns, ticks_to_ns(track.end, track.per_second.value_or(0)));
    duration_ns = longest(duration_ns, fragments_ns ? fragments_ns : indexed_ns);
  }
  if (!has_movie) return video(std::nullopt, k_cut_short);
  if (movie.is_audio && !movie.is_video) return sound(duration_ns, k_no_duration);
  return video(duration_ns, k_no_duration);
}

} // namespace mrun::meters
