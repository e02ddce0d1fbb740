// JPEG by libjpeg-turbo. Its errors leave by longjmp, so between setjmp and the calls only plain data lives;
// what owns memory lives in JpegReader, outside.
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include <fmt/format.h>
#include <jpeglib.h>

#include "common/limits.h"
#include "runtime/media/image_decoders.h"

namespace mrun {
namespace {

// A progressive file may repeat scans without end, each costing a pass over the picture.
constexpr int k_max_scans = 256;

struct Failure {
  jpeg_error_mgr manager; // first: libjpeg gives it back as cinfo->err
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void give_up(j_common_ptr info, const char* message) {
  auto* failure = reinterpret_cast<Failure*>(info->err);
  std::snprintf(failure->message, sizeof failure->message, "%s", message);
  std::longjmp(failure->jump, 1);
}

[[noreturn]] void on_error(j_common_ptr info) {
  char message[JMSG_LENGTH_MAX];
  info->err->format_message(info, message);
  give_up(info, message);
}

void on_message(j_common_ptr) {} // warnings about damaged data: Pillow goes on as well

void no_init(j_decompress_ptr) {}

boolean on_end_of_data(j_decompress_ptr info) {
  give_up(reinterpret_cast<j_common_ptr>(info), "the file ends early");
}

void skip(j_decompress_ptr info, long count) {
  if (count <= 0) return;
  if (static_cast<std::size_t>(count) > info->src->bytes_in_buffer)
    give_up(reinterpret_cast<j_common_ptr>(info), "the file ends early");
  info->src->next_input_byte += count;
  info->src->bytes_in_buffer -= static_cast<std::size_t>(count);
}

void on_progress(j_common_ptr info) {
  if (info->is_decompressor && reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > k_max_scans)
    give_up(info, "it has too many scans");
}

// Adobe's CMYK, which is stored inverted, to RGB as Pillow's cmyk2rgb.
void cmyk_row_to_rgb(const std::uint8_t* in, std::size_t pixels, std::uint8_t* out) {
  for (std::size_t x = 0; x < pixels; ++x, in += 4, out += 3) {
    const int light = in[3]; // 255 - K, and K is inverted
    for (std::size_t c = 0; c < 3; ++c) {
      const int product = (255 - in[c]) * light + 128;
      const int value = light - (((product >> 8) + product) >> 8);
      out[c] = static_cast<std::uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
    }
  }
}

class JpegReader {
 public:
  explicit JpegReader(std::string_view bytes) {
    m_info.err = jpeg_std_error(&m_failure.manager);
    m_failure.manager.error_exit = on_error;
    m_failure.manager.output_message = on_message;
    m_source.init_source = no_init;
    m_source.fill_input_buffer = on_end_of_data;
    m_source.skip_input_data = skip;
    m_source.resync_to_restart = jpeg_resync_to_restart;
    m_source.term_source = no_init;
    m_source.next_input_byte = reinterpret_cast<const JOCTET*>(bytes.data());
    m_source.bytes_in_buffer = bytes.size();
    m_progress.progress_monitor = on_progress;
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() {
    if (m_created) jpeg_destroy_decompress(&m_info);
  }

  bool read_header();
  bool read_rows(std::uint8_t* out);

  std::uint32_t width() const { return m_info.image_width; }
  std::uint32_t height() const { return m_info.image_height; }
  const char* message() const { return m_failure.message; }
  int orientation() const;

 private:
  bool needs_conversion() const {
    return m_info.jpeg_color_space == JCS_CMYK || m_info.jpeg_color_space == JCS_YCCK;
  }

  jpeg_decompress_struct m_info{};
  jpeg_source_mgr m_source{};
  jpeg_progress_mgr m_progress{};
  Failure m_failure{};
  bool m_created = false;
  std::vector<std::uint8_t> m_row; // one CMYK row
};

bool JpegReader::read_header() {
  if (setjmp(m_failure.jump) != 0) return false;
  jpeg_create_decompress(&m_info);
  m_created = true;
  m_info.src = &m_source;
  m_info.progress = &m_progress;
  jpeg_save_markers(&m_info, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header(&m_info, TRUE);
  m_info.out_color_space = needs_conversion() ? JCS_CMYK : JCS_RGB;
  if (needs_conversion()) m_row.resize(std::size_t{m_info.image_width} * 4);
  return true;
}

bool JpegReader::read_rows(std::uint8_t* out) {
  if (setjmp(m_failure.jump) != 0) return false;
  jpeg_start_decompress(&m_info);
  const std::size_t row_bytes = std::size_t{m_info.output_width} * 3;
  while (m_info.output_scanline < m_info.output_height) {
    std::uint8_t* target = out + row_bytes * m_info.output_scanline;
    JSAMPROW row = needs_conversion() ? m_row.data() : target;
    jpeg_read_scanlines(&m_info, &row, 1);
    if (needs_conversion()) cmyk_row_to_rgb(m_row.data(), m_info.output_width, target);
  }
  return true; // without jpeg_finish_decompress: a missing end marker after all rows is no fault to Pillow
               // either
}

int JpegReader::orientation() const {
  for (jpeg_saved_marker_ptr marker = m_info.marker_list; marker != nullptr; marker = marker->next) {
    const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (marker->marker == JPEG_APP0 + 1 && data.starts_with(std::string_view("Exif\0\0", 6)))
      return exif_orientation(data);
  }
  return 1;
}

} // namespace

Result<DecodedImage> decode_jpeg(std::string_view bytes) {
  JpegReader reader(bytes);
  const auto broken = [&] {
    return fail(ErrorCode::input_file,
                fmt::format("the JPEG picture can't be decoded: {}", reader.message()));
  };
  if (!reader.read_header()) return broken();
  MRUN_ASSIGN(Tensor pixels, make_pixels(reader.width(), reader.height()));
  if (!reader.read_rows(pixels.as<std::uint8_t>().data())) return broken();
  return DecodedImage{std::move(pixels), reader.orientation()};
}

} // namespace mrun
