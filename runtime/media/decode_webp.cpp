// WebP by libwebp. Pillow decodes through WebPAnimDecoder; for a still picture that gives the same pixels as
// the plain decoder, and for an animation its first frame on a cleared canvas.
#include <memory>

#include <fmt/format.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include "runtime/media/image_decoders.h"

namespace mrun {
namespace {

tl::unexpected<Error> broken(std::string_view why) {
  return fail(ErrorCode::input_file, fmt::format("the WebP picture can't be decoded: {}", why));
}

std::string_view reason(VP8StatusCode code) {
  switch (code) {
  case VP8_STATUS_NOT_ENOUGH_DATA:
    return "the file ends early";
  case VP8_STATUS_UNSUPPORTED_FEATURE:
    return "it uses a feature that libwebp does not have";
  case VP8_STATUS_OUT_OF_MEMORY:
    return "there is no memory";
  default:
    return "its data is damaged";
  }
}

using Demuxer = std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)>;
using Animation = std::unique_ptr<WebPAnimDecoder, decltype(&WebPAnimDecoderDelete)>;

int orientation_of(const WebPData& data) {
  const Demuxer demuxer(WebPDemux(&data), &WebPDemuxDelete);
  if (demuxer == nullptr || (WebPDemuxGetI(demuxer.get(), WEBP_FF_FORMAT_FLAGS) & EXIF_FLAG) == 0) return 1;
  WebPChunkIterator chunk{};
  int orientation = 1;
  if (WebPDemuxGetChunk(demuxer.get(), "EXIF", 1, &chunk) != 0)
    orientation = exif_orientation({reinterpret_cast<const char*>(chunk.chunk.bytes), chunk.chunk.size});
  WebPDemuxReleaseChunkIterator(&chunk);
  return orientation;
}

Result<Tensor> first_frame(const WebPData& data) {
  // The canvas is in the container, not in the first frame, and the decoder allocates it at once: check it
  // before.
  const Demuxer demuxer(WebPDemux(&data), &WebPDemuxDelete);
  if (demuxer == nullptr) return broken("its data is damaged or ends early");
  MRUN_ASSIGN(Tensor pixels, make_pixels(WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH),
                                         WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT)));
  WebPAnimDecoderOptions options;
  if (WebPAnimDecoderOptionsInit(&options) == 0)
    return broken("libwebp is of another version than its headers");
  options.color_mode = MODE_RGBA;
  options.use_threads = 0;
  const Animation animation(WebPAnimDecoderNew(&data, &options), &WebPAnimDecoderDelete);
  std::uint8_t* canvas = nullptr;
  int timestamp_ms = 0;
  if (animation == nullptr || WebPAnimDecoderGetNext(animation.get(), &canvas, &timestamp_ms) == 0)
    return broken("its data is damaged or ends early");
  std::uint8_t* out = pixels.as<std::uint8_t>().data();
  const std::size_t count = pixels.element_count() / 3;
  for (std::size_t i = 0; i < count; ++i, canvas += 4, out += 3) {
    out[0] = canvas[0];
    out[1] = canvas[1];
    out[2] = canvas[2];
  }
  return pixels;
}

} // namespace

Result<DecodedImage> decode_webp(std::string_view bytes) {
  const WebPData data{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
  WebPBitstreamFeatures features{};
  if (const VP8StatusCode code = WebPGetFeatures(data.bytes, data.size, &features); code != VP8_STATUS_OK)
    return broken(reason(code));
  if (features.has_animation != 0) {
    MRUN_ASSIGN(Tensor pixels, first_frame(data));
    return DecodedImage{std::move(pixels), orientation_of(data)};
  }
  MRUN_ASSIGN(Tensor pixels, make_pixels(static_cast<std::uint64_t>(features.width),
                                         static_cast<std::uint64_t>(features.height)));
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) return broken("libwebp is of another version than its headers");
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = pixels.as<std::uint8_t>().data();
  config.output.u.RGBA.stride = features.width * 3;
  config.output.u.RGBA.size = pixels.size_bytes();
  const VP8StatusCode code = WebPDecode(data.bytes, data.size, &config);
  WebPFreeDecBuffer(&config.output);
  if (code != VP8_STATUS_OK) return broken(reason(code));
  return DecodedImage{std::move(pixels), orientation_of(data)};
}

} // namespace mrun
