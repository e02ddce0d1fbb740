// FLAC by libFLAC, native or in Ogg.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>

#include <FLAC/stream_decoder.h>
#include <fmt/format.h>

#include "runtime/media/sound_decoders.h"

namespace mrun {
namespace {

// What the callbacks share.
struct FlacReader {
  std::string_view bytes;
  std::size_t at = 0;
  SoundBuilder builder;
  unsigned bits = 0;
  std::uint64_t claimed_frames = 0; // 0: unknown
  std::uint64_t frames = 0;
  std::optional<Error> error;

  bool take(Result<void> done) {
    if (!done && !error) error = std::move(done).error();
    return !error;
  }
  bool refuse(std::string message) { return take(fail(ErrorCode::input_file, std::move(message))); }
};

FlacReader& reader_of(void* client) {
  return *static_cast<FlacReader*>(client);
}

FLAC__StreamDecoderReadStatus read(const FLAC__StreamDecoder*, FLAC__byte buffer[], std::size_t* size,
                                   void* client) {
  FlacReader& reader = reader_of(client);
  *size = std::min(*size, reader.bytes.size() - reader.at);
  std::memcpy(buffer, reader.bytes.data() + reader.at, *size);
  reader.at += *size;
  return *size == 0 ? FLAC__STREAM_DECODER_READ_STATUS_END_OF_STREAM
                    : FLAC__STREAM_DECODER_READ_STATUS_CONTINUE;
}

void metadata(const FLAC__StreamDecoder*, const FLAC__StreamMetadata* block, void* client) {
  FlacReader& reader = reader_of(client);
  if (block->type != FLAC__METADATA_TYPE_STREAMINFO || reader.builder.begun()) return;
  const FLAC__StreamMetadata_StreamInfo& info = block->data.stream_info;
  reader.bits = info.bits_per_sample;
  reader.claimed_frames = info.total_samples;
  reader.take(reader.builder.begin(info.channels, info.sample_rate));
}

FLAC__StreamDecoderWriteStatus write(const FLAC__StreamDecoder*, const FLAC__Frame* frame,
                                     const FLAC__int32* const buffer[], void* client) {
  FlacReader& reader = reader_of(client);
  const FLAC__FrameHeader& header = frame->header;
  bool good = !reader.error;
  if (good && !reader.builder.begun()) good = reader.refuse("the FLAC file has samples before their format");
  if (good && (header.channels != reader.builder.channels() || header.bits_per_sample != reader.bits))
    good = reader.refuse("the FLAC file changes its channels or bits in between");
  good = good && reader.take(reader.builder.need_room(header.blocksize));
  if (!good) return FLAC__STREAM_DECODER_WRITE_STATUS_ABORT;
  const double scale = std::ldexp(1.0, 1 - static_cast<int>(reader.bits));
  for (unsigned c = 0; c < header.channels; ++c)
    for (unsigned i = 0; i < header.blocksize; ++i)
      reader.builder.append(c, static_cast<float>(static_cast<double>(buffer[c][i]) * scale));
  reader.frames += header.blocksize;
  return FLAC__STREAM_DECODER_WRITE_STATUS_CONTINUE;
}

void failed(const FLAC__StreamDecoder*, FLAC__StreamDecoderErrorStatus status, void* client) {
  reader_of(client).refuse(
      fmt::format("the FLAC sound can't be decoded: {}", FLAC__StreamDecoderErrorStatusString[status]));
}

using Decoder = std::unique_ptr<FLAC__StreamDecoder, decltype(&FLAC__stream_decoder_delete)>;

} // namespace

Result<DecodedSound> decode_flac(std::string_view bytes, bool in_ogg) {
  const Decoder decoder(FLAC__stream_decoder_new(), &FLAC__stream_decoder_delete);
  if (decoder == nullptr) return fail(ErrorCode::out_of_memory, "there is no memory to decode a FLAC sound");
  FlacReader reader{bytes, 0, {}, 0, 0, 0, {}};
  const auto init = in_ogg ? FLAC__stream_decoder_init_ogg_stream : FLAC__stream_decoder_init_stream;
  const FLAC__StreamDecoderInitStatus status =
      init(decoder.get(), read, nullptr, nullptr, nullptr, nullptr, write, metadata, failed, &reader);
  if (status != FLAC__STREAM_DECODER_INIT_STATUS_OK)
    return fail(ErrorCode::input_file, fmt::format("the FLAC sound can't be decoded: {}",
                                                   FLAC__StreamDecoderInitStatusString[status]));
  // Frame by frame, so that an error ends it at once.
  while (!reader.error && FLAC__stream_decoder_get_state(decoder.get()) != FLAC__STREAM_DECODER_END_OF_STREAM)
    if (FLAC__stream_decoder_process_single(decoder.get()) == 0 && !reader.error)
      reader.refuse(fmt::format("the FLAC sound can't be decoded: {}",
                                FLAC__stream_decoder_get_resolved_state_string(decoder.get())));
  if (reader.error) return tl::unexpected(*std::move(reader.error));
  if (reader.frames < reader.claimed_frames)
    return fail(ErrorCode::input_file, fmt::format("the FLAC file ends early: {} of {} samples are there",
                                                   reader.frames, reader.claimed_frames));
  return reader.builder.finish();
}

} // namespace mrun
