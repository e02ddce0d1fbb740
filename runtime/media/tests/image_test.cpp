#include <doctest/doctest.h>

#include "runtime/media/image.h"
#include "runtime/media/tests/damage.h"
#include "runtime/media/tests/reference.h"

using namespace mrun;
using test::reference_pictures;

namespace {

std::string text_of(const Tensor& pixels) {
  return {static_cast<const char*>(pixels.data()), pixels.size_bytes()};
}

// A PNG or JPEG head that claims a size.
std::string png_head(std::uint32_t width, std::uint32_t height) {
  std::string head = reference_pictures().at("png rgb").file.substr(0, 33);
  const auto put = [&](std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i)
      head[at + i] = static_cast<char>(value >> (24 - 8 * i) & 255);
  };
  put(16, width);
  put(20, height);
  std::uint32_t crc = 0xffffffff; // of the chunk's name and data
  for (std::size_t i = 12; i < 29; ++i) {
    crc ^= static_cast<unsigned char>(head[i]);
    for (int bit = 0; bit < 8; ++bit)
      crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  put(29, ~crc);
  return head;
}

std::string jpeg_with_size(std::uint16_t width, std::uint16_t height) {
  std::string file = reference_pictures().at("jpeg").file;
  const std::size_t frame = file.find("\xff\xc0");
  MRUN_CHECK(frame != std::string::npos);
  file[frame + 5] = static_cast<char>(height >> 8);
  file[frame + 6] = static_cast<char>(height & 255);
  file[frame + 7] = static_cast<char>(width >> 8);
  file[frame + 8] = static_cast<char>(width & 255);
  return file;
}

} // namespace

TEST_CASE("each kind of picture gives Pillow's pixels, as stored and upright") {
  for (const auto& [name, picture] : reference_pictures()) {
    CAPTURE(name);
    const auto image = decode_image(picture.file);
    REQUIRE(image.has_value());
    CHECK(image->pixels.shape() == std::vector<std::int64_t>{5, 7, 3});
    CHECK(text_of(image->pixels) == picture.pixels);
    const Tensor upright = apply_orientation(image->pixels, image->orientation).value();
    CHECK(upright.shape() == picture.upright_shape);
    CHECK(text_of(upright) == picture.upright);
  }
}

TEST_CASE("the eight orientations") {
  Tensor pixels = Tensor::make(DType::u8, {2, 3, 3}).value();
  for (std::size_t i = 0; i < 18; ++i)
    pixels.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(i / 3);
  const auto turned = [&](int orientation) {
    const Tensor out = apply_orientation(pixels, orientation).value();
    std::vector<int> values;
    for (std::size_t i = 0; i < 18; i += 3)
      values.push_back(out.as<std::uint8_t>()[i]);
    return values;
  };
  CHECK(turned(1) == std::vector{0, 1, 2, 3, 4, 5});
  CHECK(turned(2) == std::vector{2, 1, 0, 5, 4, 3});
  CHECK(turned(3) == std::vector{5, 4, 3, 2, 1, 0});
  CHECK(turned(4) == std::vector{3, 4, 5, 0, 1, 2});
  CHECK(turned(5) == std::vector{0, 3, 1, 4, 2, 5});
  CHECK(turned(6) == std::vector{3, 0, 4, 1, 5, 2});
  CHECK(turned(7) == std::vector{5, 2, 4, 1, 3, 0});
  CHECK(turned(8) == std::vector{2, 5, 1, 4, 0, 3});
  CHECK(turned(9) == turned(1));
}

TEST_CASE("what is no picture is named") {
  CHECK(decode_image("").error().message == "the picture is empty");
  const auto text = decode_image("hello world");
  CHECK(text.error().code == ErrorCode::input_file);
  CHECK(text.error().message.find("`hello wo`") != std::string::npos);
}

TEST_CASE("a cut file is an error at every length") {
  for (const auto& [name, picture] : reference_pictures()) {
    CAPTURE(name);
    // JPEG may lack its end marker and PNG its last chunk: all pixels are there. Animations and EXIF come
    // last.
    const std::size_t enough = picture.file.size() * 6 / 10;
    for (std::size_t length = 0; length < enough; length += 3) {
      const auto image = decode_image(std::string_view(picture.file).substr(0, length));
      if (!image)
        CHECK(image.error().code == ErrorCode::input_file);
      else
        CHECK_MESSAGE((name == "png turned" || name.starts_with("webp")), length);
    }
  }
}

TEST_CASE("claimed sizes are checked before memory is taken") {
  const auto large = decode_image(png_head(60'000, 60'000));
  CHECK(large.error().code == ErrorCode::input_file);
  CHECK(large.error().message.find("60000 x 60000 pixels") != std::string::npos);
  CHECK(decode_image(png_head(70'000, 1)).error().code == ErrorCode::input_file);
  CHECK(decode_image(png_head(0, 1)).error().code == ErrorCode::input_file);
  CHECK(decode_image(jpeg_with_size(65'000, 65'000)).error().message.find("too large") != std::string::npos);
  CHECK(decode_image(jpeg_with_size(0, 5)).error().code == ErrorCode::input_file);
}

TEST_CASE("damaged pictures give pixels or input_file, nothing else") {
  int refused = 0;
  for (const auto& [name, picture] : reference_pictures())
    for (std::uint64_t seed = 0; seed < 150; ++seed) {
      const auto image = decode_image(test::Damage(seed).apply(picture.file));
      if (!image) {
        ++refused;
        REQUIRE(image.error().code == ErrorCode::input_file);
      } else {
        REQUIRE(image->orientation >= 1);
        REQUIRE(image->orientation <= 8);
      }
    }
  CHECK(refused > 100);
}
