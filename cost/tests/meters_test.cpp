// Meters over files made here byte by byte, whole and damaged.
#include <doctest/doctest.h>

#include <bit>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "cost/meters.h"
#include "cost/meters/byte_view.h"

using namespace mrun;

namespace {

constexpr std::int64_t k_second = 1'000'000'000;

std::string big(std::uint64_t value, int count) {
  std::string bytes;
  for (int i = count - 1; i >= 0; --i)
    bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}
std::string little(std::uint64_t value, int count) {
  const std::string bytes = big(value, count);
  return {bytes.rbegin(), bytes.rend()};
}
std::string zeros(std::size_t count) {
  return std::string(count, '\0');
}

// ---- PNG
std::string png_chunk(const std::string& type, const std::string& data) {
  return big(data.size(), 4) + type + data + zeros(4);
}
std::string png(std::uint32_t width, std::uint32_t height, const std::string& before = {},
                const std::string& after = {}) {
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", big(width, 4) + big(height, 4) + zeros(5)) + before +
         png_chunk("IDAT", "pixels") + after + png_chunk("IEND", "");
}
std::string frame_control(unsigned number, unsigned per_second) {
  return png_chunk("fcTL", zeros(20) + big(number, 2) + big(per_second, 2) + zeros(2));
}
std::string animated_png() {
  return png(30, 20, png_chunk("acTL", big(2, 4) + zeros(4)) + frame_control(1, 10),
             frame_control(50, 0) + png_chunk("fdAT", zeros(9)));
}

// ---- JPEG, GIF, BMP, TIFF
std::string jpeg() {
  return std::string("\xFF\xD8\xFF\xE0") + big(16, 2) + zeros(14) + "\xFF\xFF\xC2" + big(17, 2) + "\x08" +
         big(48, 2) + big(64, 2) + zeros(10) + "\xFF\xD9";
}
std::string gif(const std::vector<unsigned>& delays, bool whole = true) {
  std::string file = "GIF89a" + little(10, 2) + little(5, 2) + "\x80" + zeros(2) + zeros(6);
  for (const unsigned delay : delays) {
    file += "\x21\xF9\x04" + zeros(1) + little(delay, 2) + zeros(1) + zeros(1);
    file += "\x2C" + zeros(8) + "\x80" + zeros(6) + "\x02" +
            "\x03"
            "abc" +
            "\x02"
            "de" +
            zeros(1);
  }
  return file + (whole ? ";" : "");
}
std::string bmp() {
  return "BM" + zeros(12) + little(40, 4) + little(7, 4) + little(0x1'0000'0000 - 9, 4) + zeros(28);
}
std::string tiff(bool is_little) {
  const auto put = [&](std::uint64_t value, int count) {
    return is_little ? little(value, count) : big(value, count);
  };
  const auto entry = [&](unsigned tag, unsigned type, std::uint64_t value) {
    return put(tag, 2) + put(type, 2) + put(1, 4) + (type == 3 ? put(value, 2) + zeros(2) : put(value, 4));
  };
  return (is_little ? "II" : "MM") + put(42, 2) + put(8, 4) + put(3, 2) + entry(254, 4, 0) +
         entry(256, 3, 33) + entry(257, 4, 44) + zeros(4);
}

// ---- RIFF
std::string riff_chunk(const std::string& id, const std::string& data) {
  return id + little(data.size(), 4) + data + zeros(data.size() % 2);
}
std::string riff(const std::string& form, const std::string& chunks) {
  return "RIFF" + little(4 + chunks.size(), 4) + form + chunks;
}
std::string animated_webp() {
  const std::string frame = riff_chunk("ANMF", zeros(12) + little(250, 3) + zeros(1) + "data");
  return riff("WEBP", riff_chunk("VP8X", "\x02" + zeros(3) + little(99, 3) + little(49, 3)) + frame + frame);
}
std::string lossy_webp() {
  return riff("WEBP", riff_chunk("VP8 ", zeros(3) + "\x9d\x01\x2a" + little(0x4000 | 80, 2) + little(60, 2) +
                                             "data"));
}
std::string lossless_webp() {
  return riff("WEBP", riff_chunk("VP8L", "\x2f" + little(39U | 29U << 14U, 4) + "data"));
}
std::string avi() {
  const std::string header =
      "vids" + zeros(16) + little(1001, 4) + little(30'000, 4) + zeros(4) + little(300, 4) + zeros(12);
  const std::string sound_header = "auds" + zeros(44);
  return riff("AVI ", riff_chunk("LIST", "hdrl" + riff_chunk("avih", zeros(56)) +
                                             riff_chunk("LIST", "strl" + riff_chunk("strh", sound_header)) +
                                             riff_chunk("LIST", "strl" + riff_chunk("strh", header))) +
                          riff_chunk("LIST", "movi"));
}
std::string wav(std::uint32_t told_bytes = 0) {
  const std::string format =
      little(1, 2) + little(2, 2) + little(1000, 4) + little(4000, 4) + little(4, 2) + little(16, 2);
  std::string data = riff_chunk("data", zeros(6000));
  if (told_bytes != 0) data.replace(4, 4, little(told_bytes, 4));
  return riff("WAVE", riff_chunk("fmt ", format) + data);
}

// ---- ISO media
std::string box(const std::string& type, const std::string& body) {
  return big(body.size() + 8, 4) + type + body;
}
std::string long_box(const std::string& type, const std::string& body) {
  return big(1, 4) + type + big(body.size() + 16, 8) + body;
}
std::string clock_box(const std::string& type, std::uint64_t per_second, std::uint64_t duration,
                      bool is_long = false) {
  return box(type, is_long ? "\x01" + zeros(3) + zeros(16) + big(per_second, 4) + big(duration, 8) + zeros(4)
                           : zeros(4) + zeros(8) + big(per_second, 4) + big(duration, 4) + zeros(4));
}
std::string track(unsigned id, const std::string& handler, std::uint64_t per_second) {
  return box("trak",
             box("tkhd", zeros(4) + zeros(8) + big(id, 4) + zeros(8)) +
                 box("mdia", clock_box("mdhd", per_second, 0) + box("hdlr", zeros(8) + handler + zeros(12))));
}
std::string mp4(bool is_long = false) {
  return box("ftyp", "isom" + zeros(4)) + long_box("mdat", zeros(100)) +
         box("moov",
             clock_box("mvhd", 600, 1500, is_long) + track(1, "vide", 12'800) + track(2, "soun", 48'000));
}
std::string m4a() {
  return box("ftyp", "M4A " + zeros(4)) +
         box("moov", clock_box("mvhd", 1000, 2500) + track(1, "soun", 48'000));
}
std::string fragment(unsigned id, std::uint64_t time, const std::string& run) {
  return box("moof",
             box("mfhd", zeros(8)) + box("traf", box("tfhd", zeros(4) + big(id, 4)) +
                                                     box("tfdt", "\x01" + zeros(3) + big(time, 8)) + run));
}
std::string fragmented_mp4(const std::string& more_of_mvex = {}) {
  // The first fragment by the default duration (100 of 1000), the second sample by sample.
  const std::string by_default = box("trun", zeros(4) + big(5, 4));
  const std::string each = box("trun", zeros(1) + big(0x301, 3) + big(2, 4) + zeros(4) + big(300, 4) +
                                           zeros(4) + big(450, 4) + zeros(4));
  return box("ftyp", "iso5" + zeros(4)) +
         box("moov", clock_box("mvhd", 1000, 0) + track(7, "vide", 1000) +
                         box("mvex", more_of_mvex + box("trex", zeros(4) + big(7, 4) + big(1, 4) +
                                                                    big(100, 4) + zeros(8)))) +
         fragment(7, 0, by_default) + box("mdat", zeros(10)) + fragment(7, 500, each) +
         box("mdat", zeros(10));
}
std::string indexed_mp4() {
  std::string index = zeros(4) + big(1, 4) + big(90'000, 4) + zeros(8) + zeros(2) + big(2, 2);
  for (const std::uint64_t duration : {90'000U, 45'000U})
    index += big(1000, 4) + big(duration, 4) + zeros(4);
  return box("ftyp", "iso5" + zeros(4)) + box("moov", clock_box("mvhd", 1000, 0) + track(7, "vide", 1000)) +
         box("sidx", index) + box("moof", box("mfhd", zeros(8)));
}
std::string avif() {
  const auto size = [](std::uint64_t width, std::uint64_t height) {
    return box("ispe", zeros(4) + big(width, 4) + big(height, 4));
  };
  return box("ftyp", "avif" + zeros(4)) +
         box("meta",
             zeros(4) + box("iprp", box("ipco", size(160, 120) + box("pixi", zeros(8)) + size(1600, 1200))));
}

// ---- Matroska
std::string element(const std::string& id, const std::string& body) {
  return id + "\x01" + big(body.size(), 7) + body;
}
std::string open_element(const std::string& id, const std::string& body) {
  return id + "\x01" + std::string(7, '\xFF') + body;
}
const std::string k_header = element("\x1A\x45\xDF\xA3", element("\x42\x82", "webm"));
std::string mkv_track(unsigned type) {
  return element("\x16\x54\xAE\x6B", element("\xAE", element("\x83", big(type, 1)) +
                                                         element("\x23\xE3\x83", big(40'000'000, 4))));
}
std::string mkv(unsigned type = 1) {
  const std::string info =
      element("\x15\x49\xA9\x66", element("\x2A\xD7\xB1", big(1'000'000, 3)) +
                                      element("\x44\x89", big(std::bit_cast<std::uint64_t>(2500.0), 8)));
  return k_header + element("\x18\x53\x80\x67", info + mkv_track(type));
}
// As a browser records it: no duration, everything of unknown size.
std::string live_webm() {
  const auto block = [](unsigned at) { return element("\xA3", "\x81" + big(at, 2) + zeros(1) + "data"); };
  return k_header +
         open_element(
             "\x18\x53\x80\x67",
             element("\x15\x49\xA9\x66", element("\x2A\xD7\xB1", big(1'000'000, 3))) + mkv_track(1) +
                 open_element("\x1F\x43\xB6\x75", element("\xE7", big(0, 1)) + block(0) + block(960)) +
                 open_element("\x1F\x43\xB6\x75", element("\xE7", big(1000, 2)) + block(200)));
}
std::string grouped_mkv() {
  const std::string group =
      element("\xA0", element("\xA1", "\x81" + big(0, 2) + zeros(1)) + element("\x9B", big(500, 2)));
  return k_header +
         element("\x18\x53\x80\x67",
                 mkv_track(1) + element("\x1F\x43\xB6\x75", element("\xE7", big(3000, 2)) + group));
}

// ---- sounds
std::string flac(std::uint64_t samples = 66'150) {
  return "fLaC" + zeros(4) + zeros(10) + big(std::uint64_t{44'100} << 44U | samples, 8) + zeros(16);
}
std::string ogg_page(std::uint64_t granule, const std::string& packet) {
  return "OggS" + zeros(2) + little(granule, 8) + little(77, 4) + zeros(8) + "\x01" + big(packet.size(), 1) +
         packet;
}
std::string opus() {
  return ogg_page(0, "OpusHead\x01\x02" + little(312, 2) + zeros(7)) + ogg_page(~std::uint64_t{0}, "x") +
         ogg_page(72'312, "sound") + ogg_page(~std::uint64_t{0}, "x");
}
std::string vorbis() {
  return ogg_page(0, "\x01vorbis" + zeros(5) + little(32'000, 4) + zeros(14)) + ogg_page(48'000, "sound");
}
std::string ogg_flac() {
  return ogg_page(0, "\x7f"
                     "FLAC" +
                         zeros(4) + "fLaC" + zeros(4) + zeros(10) + big(std::uint64_t{48'000} << 4U, 3) +
                         zeros(21)) +
         ogg_page(24'000, "sound");
}
std::string mp3(bool with_note = false) {
  // MPEG-1 layer III, 128 kbit/s, 48 kHz: 384 bytes and 24 ms a frame.
  const std::string frame = big(0xFFFB9400, 4) + zeros(380);
  std::string note = frame;
  note.replace(36, 4, "Info");
  std::string file = "ID3\x04" + zeros(2) + big(10, 4) + zeros(10);
  if (with_note) file += note;
  for (int i = 0; i < 50; ++i)
    file += frame;
  return file;
}

struct Sample {
  const char* name;
  std::string bytes;
  std::int64_t pixels;   // -1: no picture
  std::int64_t video_ms; // -1: no video
  std::int64_t audio_ms; // -1: no sound
};

std::vector<Sample> samples() {
  return {{"png", png(640, 480), 640 * 480, -1, -1},
          {"animated png", animated_png(), 600, 600, -1},
          {"jpeg", jpeg(), 64 * 48, -1, -1},
          {"gif", gif({0}), 50, -1, -1},
          {"animated gif", gif({10, 25, 5}), 50, 400, -1},
          {"bmp", bmp(), 63, -1, -1},
          {"tiff", tiff(true), 33 * 44, -1, -1},
          {"tiff, big", tiff(false), 33 * 44, -1, -1},
          {"webp", lossy_webp(), 80 * 60, -1, -1},
          {"webp, lossless", lossless_webp(), 40 * 30, -1, -1},
          {"animated webp", animated_webp(), 5000, 500, -1},
          {"avif", avif(), 1600 * 1200, -1, -1},
          {"mp4", mp4(), -1, 2500, -1},
          {"mp4, 64 bits", mp4(true), -1, 2500, -1},
          {"fragmented mp4", fragmented_mp4(), -1, 1250, -1},
          {"fragmented mp4 that tells", fragmented_mp4(box("mehd", zeros(4) + big(2000, 4))), -1, 2000, -1},
          {"indexed mp4", indexed_mp4(), -1, 1500, -1},
          {"matroska", mkv(), -1, 2500, -1},
          {"matroska with blocks only", grouped_mkv(), -1, 3500, -1},
          {"live webm", live_webm(), -1, 1240, -1},
          {"avi", avi(), -1, 10'010, -1},
          {"m4a", m4a(), -1, -1, 2500},
          {"webm, sound", mkv(2), -1, -1, 2500},
          {"wav", wav(), -1, -1, 1500},
          {"wav, streamed", wav(0xFFFFFFFF), -1, -1, 1500},
          {"flac", flac(), -1, -1, 1500},
          {"opus", opus(), -1, -1, 1500},
          {"vorbis", vorbis(), -1, -1, 1500},
          {"ogg flac", ogg_flac(), -1, -1, 500},
          {"mp3", mp3(), -1, -1, 1200},
          {"mp3 with an encoder's note", mp3(true), -1, -1, 1200}};
}

// Whatever the bytes are: what is told is possible, and what is not told has a reason.
void check_possible(const FileMeasure& measure, const std::string& what) {
  CHECK_MESSAGE((!measure.pixels || (measure.is_image && *measure.pixels > 0)), what);
  CHECK_MESSAGE(
      (!measure.duration_ns || ((measure.is_video || measure.is_audio) && *measure.duration_ns >= 0 &&
                                *measure.duration_ns <= meters::k_max_duration_ns)),
      what);
  const bool lacks = (measure.is_image && !measure.pixels) ||
                     ((measure.is_video || measure.is_audio) && !measure.duration_ns);
  CHECK_MESSAGE(lacks != measure.reason.empty(), what);
}

} // namespace

TEST_CASE("each kind of file is measured by its bytes") {
  for (const Sample& sample : samples()) {
    const FileMeasure measure = measure_file(sample.bytes);
    CAPTURE(std::string(sample.name));
    CHECK(measure.is_image == (sample.pixels >= 0));
    CHECK(measure.is_video == (sample.video_ms >= 0));
    CHECK(measure.is_audio == (sample.audio_ms >= 0));
    CHECK(measure.pixels.value_or(-1) == sample.pixels);
    const std::int64_t wanted_ms = std::max(sample.video_ms, sample.audio_ms);
    CHECK(measure.duration_ns.value_or(-1) == (wanted_ms < 0 ? -1 : wanted_ms * (k_second / 1000)));
    CHECK(measure.reason.empty());
  }
}

TEST_CASE("what is no media is none, whatever its name would say") {
  for (const std::string& bytes :
       {std::string(), std::string("x"), std::string("{\"image\": true}"), std::string(1000, '\0'),
        std::string("The free lunch"), std::string("ID"), std::string("RIFF\0\0\0\0JUNK", 12),
        std::string("\xFF\xFB\x94\x00", 4) + " one sync word makes no sound"}) {
    const FileMeasure measure = measure_file(bytes);
    CHECK_FALSE(measure.is_image);
    CHECK_FALSE(measure.is_video);
    CHECK_FALSE(measure.is_audio);
  }
}

TEST_CASE("cut anywhere: never more than the whole file told, and no reading outside") {
  for (const Sample& sample : samples())
    for (std::size_t size = 0; size < sample.bytes.size(); ++size) {
      // A copy of exactly that size, so that a sanitizer sees a read beyond it.
      const std::vector<char> bytes(sample.bytes.begin(),
                                    sample.bytes.begin() + static_cast<std::ptrdiff_t>(size));
      check_possible(measure_file({bytes.data(), bytes.size()}),
                     std::string(sample.name) + " cut at " + std::to_string(size));
    }
}

TEST_CASE("damaged at every byte") {
  for (const Sample& sample : samples())
    for (std::size_t at = 0; at < sample.bytes.size(); ++at)
      for (const int value : {0x00, 0x01, 0x7F, 0x80, 0xFF, -1}) {
        std::vector<char> bytes(sample.bytes.begin(), sample.bytes.end());
        bytes[at] = value < 0 ? static_cast<char>(bytes[at] ^ 0x10) : static_cast<char>(value);
        check_possible(measure_file({bytes.data(), bytes.size()}),
                       std::string(sample.name) + " at " + std::to_string(at));
      }
}

TEST_CASE("damaged in many places at once") {
  std::mt19937 random(11);
  for (const Sample& sample : samples())
    for (int round = 0; round < 300; ++round) {
      std::vector<char> bytes(sample.bytes.begin(), sample.bytes.end());
      for (int i = 0; i < 8; ++i)
        bytes[std::uniform_int_distribution<std::size_t>(8, bytes.size() - 1)(random)] =
            static_cast<char>(random());
      check_possible(measure_file({bytes.data(), bytes.size()}), std::string(sample.name));
    }
}

TEST_CASE("units add up, and one file that can't be measured makes the sum unknown, never smaller") {
  OutputMeter meter;
  CHECK(meter.units(nullptr, Json::object()) == Json::object());
  meter.add_file(measure_file(png(1000, 1000)));
  meter.add_file(measure_file(png(500, 1000)));
  meter.add_file(measure_file(mp4()));
  meter.add_file(measure_file(wav()));
  meter.add_file(measure_file("nothing"));
  CHECK(meter.units(nullptr, Json::object()) == Json{{"image_count", 2},
                                                     {"image_pixels", 1'500'000},
                                                     {"video_count", 1},
                                                     {"video_ns", 2'500'000'000},
                                                     {"audio_count", 1},
                                                     {"audio_ns", 1'500'000'000}});
  meter.add_file(measure_file(gif({5, 5}, false))); // a picture and a video that ends early
  const Json units = meter.units(nullptr, Json::object());
  CHECK(units["image_count"] == 3);
  CHECK(units["image_pixels"] == 1'500'050);
  CHECK(units["video_count"] == 2);
  CHECK(units["video_ns"].is_null());
  CHECK(units["unknown_units"]["video_ns"] == "the file ends early");
}

TEST_CASE("text is counted in characters, tokens are the model's own count") {
  const OutputMeter meter;
  CHECK(meter.units("aß水🙂", Json::object()) == Json{{"character_count", 4}});
  CHECK(meter.units("", Json::object()) == Json{{"character_count", 0}});
  CHECK(meter.units(Json::array({"a"}),
                    {{"input_token_count", 7.0}, {"output_token_count", 0}, {"tokens", 5}}) ==
        Json{{"input_token_count", 7}, {"output_token_count", 0}});
  for (const Json& bad : {Json(-1), Json(1.5), Json(1e300)}) {
    const Json units = meter.units(nullptr, {{"input_token_count", bad}});
    CHECK(units["input_token_count"].is_null());
    CHECK(units["unknown_units"].contains("input_token_count"));
  }
  CHECK(meter.units(nullptr, {{"input_token_count", "many"}}).empty());
}
