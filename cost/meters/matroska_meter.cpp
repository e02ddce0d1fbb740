// Matroska and WebM (RFC 9559 over EBML, RFC 8794): the segment's Duration, or the end of its last block.
#include <bit>
#include <cmath>

#include "cost/meters/file_meters.h"

namespace mrun::meters {
namespace {

using Number = std::optional<std::uint64_t>;

constexpr std::uint64_t k_ebml = 0x1A45DFA3, k_segment = 0x18538067, k_info = 0x1549A966, k_scale = 0x2AD7B1,
                        k_duration = 0x4489, k_tracks = 0x1654AE6B, k_track_entry = 0xAE, k_track_type = 0x83,
                        k_default_duration = 0x23E383, k_cluster = 0x1F43B675, k_timestamp = 0xE7,
                        k_simple_block = 0xA3, k_block_group = 0xA0, k_block = 0xA1, k_block_duration = 0x9B;

constexpr std::uint64_t k_max_time = std::uint64_t{1} << 60U; // so that sums do not wrap

struct Element {
  std::uint64_t id = 0;
  ByteView body{{}};
  bool is_open = false; // of unknown size: it goes on until something that can't be in it
  std::size_t next = 0; // where the one behind it begins
};

// A number of 1 to 8 bytes whose first byte's leading zeros tell its length. nullopt: cut, or no such number.
struct Vint {
  std::uint64_t value = 0;
  std::size_t length = 0;
  bool all_ones = false;
};
std::optional<Vint> read_vint(const ByteView& bytes, std::size_t at, bool keep_marker) {
  const Number first = bytes.big(at, 1);
  if (!first || *first == 0) return std::nullopt;
  const auto length = static_cast<std::size_t>(std::countl_zero(static_cast<std::uint8_t>(*first))) + 1;
  const Number whole = bytes.big(at, length);
  if (!whole) return std::nullopt;
  const std::uint64_t mask = (std::uint64_t{1} << (7 * length)) - 1;
  return Vint{keep_marker ? *whole : *whole & mask, length, (*whole & mask) == mask};
}

std::optional<Element> read_element(const ByteView& parent, std::size_t at) {
  const auto id = read_vint(parent, at, true);
  if (!id || id->length > 4) return std::nullopt;
  const auto size = read_vint(parent, at + id->length, false);
  if (!size) return std::nullopt;
  const std::size_t body_at = at + id->length + size->length;
  Element element;
  element.id = id->value;
  element.is_open = size->all_ones;
  element.body = parent.slice(body_at, size->all_ones ? parent.size() : size->value);
  element.next = element.is_open ? body_at // its children are read as if they stood beside it
                                 : body_at + element.body.size();
  return element;
}

template<class Take>
void each_element(const ByteView& parent, Take take) {
  auto element = read_element(parent, 0);
  while (element) {
    take(*element);
    element = read_element(parent, element->next);
  }
}

std::uint64_t unsigned_of(const ByteView& body) {
  return body.size() <= 8 ? body.big(0, body.size()).value_or(0) : 0;
}

double float_of(const ByteView& body) {
  if (body.size() == 4) return std::bit_cast<float>(static_cast<std::uint32_t>(body.big(0, 4).value_or(0)));
  return body.size() == 8 ? std::bit_cast<double>(body.big(0, 8).value_or(0)) : 0;
}

struct Segment {
  std::uint64_t scale_ns = 1'000'000;
  double duration = 0; // in scale units; 0: not told
  bool is_video = false, is_audio = false;
  std::uint64_t frame_ns = 0; // of the video track
  std::uint64_t cluster = 0;  // time of the cluster that is read
  std::uint64_t end = 0;      // of the last block, in scale units
  bool has_blocks = false;
};

void read_info(const ByteView& info, Segment& segment) {
  each_element(info, [&](const Element& element) {
    if (element.id == k_scale) segment.scale_ns = unsigned_of(element.body);
    if (element.id == k_duration) segment.duration = float_of(element.body);
  });
}

void read_tracks(const ByteView& tracks, Segment& segment) {
  each_element(tracks, [&](const Element& entry) {
    if (entry.id != k_track_entry) return;
    std::uint64_t type = 0, frame_ns = 0;
    each_element(entry.body, [&](const Element& element) {
      if (element.id == k_track_type) type = unsigned_of(element.body);
      if (element.id == k_default_duration) frame_ns = unsigned_of(element.body);
    });
    segment.is_video = segment.is_video || type == 1;
    segment.is_audio = segment.is_audio || type == 2;
    if (type == 1 || segment.frame_ns == 0) segment.frame_ns = frame_ns;
  });
}

// Track number, then a signed time of 16 bits behind the cluster's.
void note_block(const ByteView& block, std::uint64_t duration, Segment& segment) {
  const auto track = read_vint(block, 0, false);
  const Number relative = track ? block.big(track->length, 2) : Number();
  if (!relative) return;
  segment.has_blocks = true;
  const auto offset = static_cast<std::int16_t>(*relative);
  if (offset < 0 && segment.cluster < static_cast<std::uint64_t>(-offset)) return;
  const std::uint64_t frame =
      duration > 0 || segment.scale_ns == 0 ? duration : segment.frame_ns / segment.scale_ns;
  segment.end = std::max(segment.end, segment.cluster + static_cast<std::uint64_t>(offset) + frame);
}

void read_cluster_part(const Element& element, Segment& segment) {
  if (element.id == k_timestamp) segment.cluster = std::min(unsigned_of(element.body), k_max_time);
  if (element.id == k_simple_block) note_block(element.body, 0, segment);
  if (element.id != k_block_group) return;
  ByteView block({});
  std::uint64_t duration = 0;
  each_element(element.body, [&](const Element& part) {
    if (part.id == k_block) block = part.body;
    if (part.id == k_block_duration) duration = std::min(unsigned_of(part.body), k_max_time);
  });
  note_block(block, duration, segment);
}

std::optional<std::int64_t> scaled(double count, std::uint64_t scale_ns) {
  const double duration_ns = count * static_cast<double>(scale_ns);
  if (!std::isfinite(duration_ns) || duration_ns <= 0 || duration_ns > static_cast<double>(k_max_duration_ns))
    return std::nullopt;
  return std::llround(duration_ns);
}

} // namespace

std::optional<FileMeasure> measure_matroska(const ByteView& file) {
  const auto header = read_element(file, 0);
  if (!header || header->id != k_ebml || header->is_open) return std::nullopt;
  const auto top = read_element(file, header->next);
  if (!top || top->id != k_segment) return video(std::nullopt, k_cut_short);
  Segment segment;
  // The clusters are walked only where the segment does not tell its duration. An open cluster's parts follow
  // it like siblings.
  auto element = read_element(top->body, 0);
  while (element) {
    if (element->id == k_info) read_info(element->body, segment);
    if (element->id == k_tracks) read_tracks(element->body, segment);
    const bool is_told = segment.duration > 0 && (segment.is_video || segment.is_audio);
    if (is_told) break;
    if (element->id != k_cluster)
      read_cluster_part(*element, segment);
    else if (!element->is_open)
      each_element(element->body, [&](const Element& part) { read_cluster_part(part, segment); });
    element = read_element(top->body, element->next);
  }
  std::optional<std::int64_t> duration_ns = scaled(segment.duration, segment.scale_ns);
  if (!duration_ns && segment.has_blocks)
    duration_ns = scaled(static_cast<double>(segment.end), segment.scale_ns);
  if (segment.is_audio && !segment.is_video) return sound(duration_ns, k_no_duration);
  return video(duration_ns, k_no_duration);
}

} // namespace mrun::meters
