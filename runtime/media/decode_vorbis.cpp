// Vorbis in Ogg by libvorbisfile.
#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <vorbis/codec.h>
#define OV_EXCLUDE_STATIC_CALLBACKS
#include <vorbis/vorbisfile.h>

#include "runtime/media/sound_decoders.h"

namespace mrun {
namespace {

struct Source {
  std::string_view bytes;
  std::size_t at = 0;
};

// As fread.
std::size_t read(void* to, std::size_t size, std::size_t count, void* client) {
  Source& source = *static_cast<Source*>(client);
  const std::size_t wanted = std::min(size * count, source.bytes.size() - source.at);
  std::memcpy(to, source.bytes.data() + source.at, wanted);
  source.at += wanted;
  return size == 0 ? 0 : wanted / size;
}

// Closed when it goes.
struct VorbisFile {
  OggVorbis_File file{};
  bool open = false;
  VorbisFile() = default;
  VorbisFile(const VorbisFile&) = delete;
  VorbisFile& operator=(const VorbisFile&) = delete;
  ~VorbisFile() {
    if (open) ov_clear(&file);
  }
};

const char* reason(long code) {
  switch (code) {
  case OV_HOLE:
    return "a part is missing or broken";
  case OV_EBADLINK:
    return "a part of the stream is invalid";
  case OV_EBADHEADER:
    return "a header is invalid";
  case OV_ENOTVORBIS:
    return "it is no Vorbis stream";
  case OV_EVERSION:
    return "its version is unknown";
  default:
    return "it is damaged";
  }
}

tl::unexpected<Error> broken(long code) {
  return fail(ErrorCode::input_file, fmt::format("the Ogg Vorbis sound can't be decoded: {}", reason(code)));
}

// Whether the last page is all there: libvorbisfile passes over one that is cut.
bool ends_with_a_page(std::string_view bytes) {
  constexpr std::size_t head_bytes = 27; // before the table of segment sizes (RFC 3533)
  const std::size_t at = bytes.rfind("OggS");
  if (at == std::string_view::npos || bytes.size() - at < head_bytes) return false;
  std::size_t page = head_bytes + static_cast<unsigned char>(bytes[at + head_bytes - 1]);
  if (bytes.size() - at < page) return false;
  for (const char size : bytes.substr(at + head_bytes, page - head_bytes))
    page += static_cast<unsigned char>(size);
  return bytes.size() - at >= page;
}

} // namespace

Result<DecodedSound> decode_vorbis(std::string_view bytes) {
  if (!ends_with_a_page(bytes)) return fail(ErrorCode::input_file, "the Ogg Vorbis file ends early");
  Source source{bytes, 0};
  VorbisFile vorbis;
  // Without seek and tell it is a stream: lengths that pages claim are not looked for.
  const int opened = ov_open_callbacks(&source, &vorbis.file, nullptr, 0, {read, nullptr, nullptr, nullptr});
  if (opened != 0) return broken(opened);
  vorbis.open = true;
  const vorbis_info* info = ov_info(&vorbis.file, -1);
  SoundBuilder builder;
  MRUN_TRY(builder.begin(static_cast<std::uint64_t>(std::max(info->channels, 0)),
                         static_cast<std::uint64_t>(std::max(info->rate, 0L))));
  const long rate_hz = info->rate;
  for (;;) {
    constexpr int most_frames = 4096;
    float** planes = nullptr;
    int link = 0;
    const long frames = ov_read_float(&vorbis.file, &planes, most_frames, &link);
    if (frames == 0) break;
    if (frames < 0) return broken(frames);
    info = ov_info(&vorbis.file, -1); // the next one where streams are chained
    if (info == nullptr || info->channels != static_cast<int>(builder.channels()) || info->rate != rate_hz)
      return fail(ErrorCode::input_file, "the Ogg Vorbis file changes its channels or rate in between");
    MRUN_TRY(builder.need_room(static_cast<std::size_t>(frames)));
    for (std::size_t c = 0; c < builder.channels(); ++c)
      for (long i = 0; i < frames; ++i)
        builder.append(c, planes[c][i]);
  }
  return builder.finish();
}

} // namespace mrun
