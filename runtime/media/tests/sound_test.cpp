#include <doctest/doctest.h>

#include <cmath>

#include "runtime/media/sound.h"
#include "runtime/media/tests/damage.h"
#include "runtime/media/tests/sound_reference.h"

using namespace mrun;
using test::bytes_of;
using test::floats_of;
using test::sound_reference;

namespace {

std::string file_of(const char* name) {
  return bytes_of(sound_reference()["sounds"][name]["file"]);
}

std::string with_bytes(std::string file, std::size_t at, std::string_view bytes) {
  return file.replace(at, bytes.size(), bytes);
}

} // namespace

TEST_CASE("each kind of sound gives libsndfile's samples") {
  for (const auto& [name, sound] : sound_reference()["sounds"].items()) {
    CAPTURE(name);
    const auto decoded = decode_sound(bytes_of(sound["file"]));
    if (!decoded) FAIL(decoded.error().message);
    CHECK(decoded->rate_hz == sound["rate"]);
    CHECK(Json(decoded->samples.shape()) == sound["samples"]["shape"]);
    const std::vector<float> expected = floats_of(sound["samples"]);
    const std::span<const float> samples = decoded->samples.as<float>();
    REQUIRE(samples.size() == expected.size());
    // Vorbis is computed in floats, so builds of it differ in the last bits.
    const float tolerance = name == "ogg vorbis" ? 1e-5f : 0.0f;
    float worst = 0;
    for (std::size_t i = 0; i < expected.size(); ++i)
      worst = std::max(worst, std::abs(samples[i] - expected[i]));
    CHECK(worst <= tolerance);
  }
}

TEST_CASE("what is no such sound is named") {
  CHECK(decode_sound("").error().message == "the sound is empty");
  CHECK(decode_sound("ID3 and so on").error().message.find("`ID3 and ") != std::string::npos);
  CHECK(decode_sound(bytes_of(sound_reference()["opus"])).error().message ==
        "the Ogg file has Opus inside, Vorbis or FLAC is needed");
  CHECK(decode_sound(bytes_of(sound_reference()["alaw"])).error().message.find("of kind 6 and 8 bits") !=
        std::string::npos);
  CHECK(decode_sound("OggS").error().code == ErrorCode::input_file);
}

TEST_CASE("a cut sound is an error at every length") {
  for (const auto& [name, sound] : sound_reference()["sounds"].items()) {
    CAPTURE(name);
    const std::string file = bytes_of(sound["file"]);
    // Behind the samples of a WAV file there may be a chunk that is not needed.
    const std::size_t enough = file.size() - (name.starts_with("wav") ? file.size() - file.find("data") : 1);
    for (std::size_t length = 0; length < enough; length += 1 + enough / 200) {
      CAPTURE(length);
      const auto decoded = decode_sound(std::string_view(file).substr(0, length));
      REQUIRE_FALSE(decoded.has_value());
      CHECK(decoded.error().code == ErrorCode::input_file);
    }
    CHECK(decode_sound(std::string_view(file).substr(0, file.find("data") + 20)).has_value() == false);
  }
}

TEST_CASE("WAV heads that lie") {
  const std::string file = file_of("wav 16");
  const std::size_t format = file.find("fmt ") + 8, data = file.find("data");
  const auto refused = [](const std::string& bytes) {
    const auto decoded = decode_sound(bytes);
    REQUIRE_FALSE(decoded.has_value());
    CHECK(decoded.error().code == ErrorCode::input_file);
    return decoded.error().message;
  };
  CHECK(refused(with_bytes(file, data + 4, "\xff\xff\xff\x7f")).find("bytes of samples are missing") !=
        std::string::npos);
  CHECK(refused(with_bytes(file, format + 2, std::string_view("\0\0", 2))).find("0 channels") !=
        std::string::npos);
  CHECK(refused(with_bytes(file, format + 4, std::string_view("\0\0\0\0", 4))).find("0 samples a second") !=
        std::string::npos);
  CHECK(refused(with_bytes(file, format + 4, "\xff\xff\xff\xff")).find("4294967295 samples a second") !=
        std::string::npos);
  CHECK(refused(with_bytes(file, format + 14, std::string_view("\x0c\0", 2))).find("12 bits") !=
        std::string::npos);
  CHECK(refused(with_bytes(file, format + 12, std::string_view("\x07\0", 2))).find("frames of 7 bytes") !=
        std::string::npos);
  CHECK(refused(with_bytes(file, format - 4, "\xff\xff\xff\xff")) == "the WAV file ends early");
  CHECK(refused(file.substr(0, 12) + file.substr(data)).find("before their format") != std::string::npos);
  CHECK(refused(with_bytes(file, data, "atad")).find("the WAV file") != std::string::npos);
  CHECK(refused(with_bytes(file.substr(0, data + 8), data + 4, std::string_view("\0\0\0\0", 4))) ==
        "the sound has no samples");
  const std::string many = with_bytes(with_bytes(file, format + 2, "\x41"), format + 12, "\x82");
  CHECK(refused(many).find("65 channels, 1 to 64 are allowed") != std::string::npos);
  // A writer that could not go back to its head.
  CHECK(decode_sound(with_bytes(file, data + 4, "\xff\xff\xff\xff"))->samples.shape() ==
        std::vector<std::int64_t>{2, 300});
}

TEST_CASE("damaged sounds give samples or input_file, nothing else") {
  int refused = 0;
  for (const auto& [name, sound] : sound_reference()["sounds"].items()) {
    const std::string file = bytes_of(sound["file"]);
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      const auto decoded = decode_sound(test::Damage(seed).apply(file));
      if (decoded) {
        REQUIRE(decoded->rate_hz > 0);
        REQUIRE(decoded->samples.element_count() > 0);
        continue;
      }
      ++refused;
      REQUIRE(decoded.error().code == ErrorCode::input_file);
    }
  }
  CHECK(refused > 100);
}
