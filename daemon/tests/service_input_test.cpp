#include <doctest/doctest.h>

#include <unistd.h>

#include "common/media_type.h"
#include "common/text.h"
#include "daemon/service/data_uri.h"
#include "daemon/service/input_files.h"
#include "daemon/service/outputs.h"

using namespace mrun;

namespace {

constexpr const char* k_upload = "01jdfkx9c00000000000000000";

Result<InputFile> no_uploads(const std::string&) {
  return fail(ErrorCode::file_not_found, "there is no such upload");
}

Manifest picture_manifest() {
  Manifest manifest;
  InputSpec image;
  image.name = "image";
  image.type.type = ValueType::file;
  image.type.accept = {"image/*", "application/pdf"};
  image.type.max_bytes = 100'000;
  InputSpec many;
  many.name = "many";
  many.type.type = ValueType::array;
  many.type.items.push_back(TypeSpec());
  many.type.items[0].type = ValueType::file;
  InputSpec key;
  key.name = "key";
  key.type.type = ValueType::secret;
  manifest.inputs = {image, many, key};
  return manifest;
}

std::string content(const UniqueFd& fd) {
  std::string text(1'000'000, '\0');
  const ssize_t got = ::pread(fd.get(), text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

const std::string k_png = std::string("\x89PNG\r\n\x1a\n", 8) + std::string(20, '\0');

std::string refusal(Json input) {
  const Result<PreparedInput> prepared = prepare_input(picture_manifest(), std::move(input), no_uploads);
  REQUIRE_FALSE(prepared);
  CHECK(prepared.error().code == ErrorCode::input_file);
  return prepared.error().message;
}

} // namespace

TEST_CASE("data: URIs are read in both encodings, and nothing else passes for one") {
  DataUri uri;
  CHECK(parse_data_uri("data:image/png;base64,aGk=", uri));
  CHECK(uri.media_type == "image/png");
  CHECK(uri.bytes == "hi");
  CHECK(parse_data_uri("data:,a%20b%2C", uri));
  CHECK(uri.media_type.empty());
  CHECK(uri.bytes == "a b,");
  CHECK(parse_data_uri("DATA:text/plain;charset=utf-8;BASE64,aGk%3D", uri));
  CHECK(uri.media_type == "text/plain");
  CHECK(uri.bytes == "hi");
  CHECK(parse_data_uri("data:;base64,", uri));
  CHECK(uri.bytes.empty());
  for (const char* bad : {"", "data:", "data:text/plain", "data:;base64,a", "data:;base64,a==b",
                          "data:;base64,!!!!", "data:,%", "data:,%4", "data:,%zz", "http://x/", "dat:,x"})
    CHECK_MESSAGE(!parse_data_uri(bad, uri), bad);
}

TEST_CASE("file inputs become sealed descriptors with name, type and size") {
  const std::string uri = "data:;base64," + base64_encode(k_png);
  Result<PreparedInput> prepared =
      prepare_input(picture_manifest(), {{"image", uri}, {"many", {"data:,a", "data:,bc"}}}, no_uploads);
  REQUIRE(prepared);
  CHECK(prepared->for_worker["image"] ==
        Json{{"$file", 0}, {"name", "image"}, {"media_type", "image/png"}, {"size", k_png.size()}});
  CHECK(prepared->for_worker["many"][1]["$file"] == 2);
  CHECK(prepared->for_worker["many"][1]["media_type"] == "text/plain");
  REQUIRE(prepared->files.size() == 3);
  CHECK(content(prepared->files[0]) == k_png);
  CHECK(content(prepared->files[2]) == "bc");
  CHECK(::write(prepared->files[0].get(), "x", 1) < 0); // sealed
  CHECK(prepared->for_record["image"] == uri);          // a short one is kept as it was given
}

TEST_CASE("a long data: URI is not kept in the record") {
  const std::string bytes = k_png + std::string(90'000, 'x');
  const Result<PreparedInput> prepared = prepare_input(
      picture_manifest(), {{"image", "data:image/png;base64," + base64_encode(bytes)}}, no_uploads);
  REQUIRE(prepared);
  CHECK(prepared->for_record["image"] == "data:image/png;size=90028,");
  CHECK(prepared->size_bytes > 90'000);
}

TEST_CASE("an upload is taken by its URL on any host of ours, an address elsewhere is not fetched") {
  CHECK(upload_id_of_url("http://localhost/v1/files/" + std::string(k_upload)) == k_upload);
  CHECK(upload_id_of_url("https://127.0.0.1:5000/v1/files/" + std::string(k_upload) + "/download?x=1") ==
        k_upload);
  CHECK(upload_id_of_url("http://h/v1/v1/files/" + std::string(k_upload)) == k_upload);
  CHECK(upload_id_of_url("/v1/files/" + std::string(k_upload)) == k_upload);
  for (const std::string bad :
       {"", "http://h", "http://h/v1/files/", "http://h/v1/files/../../etc/passwd", "http://h/v1/files/short",
        "ftp://h/v1/files/01jdfkx9c00000000000000000", "http://h/v1/files/01jdfkx9c00000000000000000/other",
        "http://h/x?/v1/files/01jdfkx9c00000000000000000"})
    CHECK_MESSAGE(upload_id_of_url(bad).empty(), bad);

  const OpenUpload open = [](const std::string& id) -> Result<InputFile> {
    CHECK(id == k_upload);
    InputFile file;
    file.name = "cat.png";
    file.size_bytes = k_png.size();
    MRUN_ASSIGN(file.fd, sealed_memfd("x", k_png));
    return file;
  };
  const Result<PreparedInput> prepared =
      prepare_input(picture_manifest(), {{"image", "http://h/v1/files/" + std::string(k_upload)}}, open);
  REQUIRE(prepared);
  CHECK(prepared->for_worker["image"]["name"] == "cat.png");
  CHECK(prepared->for_worker["image"]["media_type"] == "image/png"); // sniffed
  const Result<PreparedInput> elsewhere =
      prepare_input(picture_manifest(), {{"image", "https://example.com/cat.png"}}, open);
  REQUIRE_FALSE(elsewhere);
  CHECK(elsewhere.error().hint == "download it first, then give -i image=@FILE");
}

TEST_CASE("what a model does not accept is refused, naming the input, what was given and what is allowed") {
  CHECK(refusal({{"image", "data:text/plain,hello"}}) ==
        "input `image` is text/plain, the model accepts image/*, application/pdf");
  CHECK(refusal({{"image", "data:image/png;base64,!!"}}) == "input `image` is not a valid data: URI");
  CHECK(refusal({{"image", "cat.png"}}).find("neither a data: URI nor") != std::string::npos);
  CHECK(refusal({{"image", "data:image/png," + std::string(100'001, 'x')}}).find("at most 97.7 KiB") !=
        std::string::npos);
  CHECK(refusal({{"image", "/v1/files/" + std::string(k_upload)}}).find("no such upload") !=
        std::string::npos);
  CHECK(refusal({{"many", {"data:,a", "data:"}}}).find("`many[1]`") != std::string::npos);
}

TEST_CASE("a prediction takes as many files as one frame carries beside its input") {
  Json files = Json::array();
  for (std::size_t i = 0; i + 1 < k_max_frame_fds; ++i)
    files.push_back("data:,a");
  const Result<PreparedInput> full = prepare_input(picture_manifest(), {{"many", files}}, no_uploads);
  REQUIRE(full);
  CHECK(full->files.size() == k_max_frame_fds - 1);
  files.push_back("data:,a");
  CHECK(refusal({{"many", files}}) == "input `many[63]` is one file too many: a prediction takes at most 63");
}

TEST_CASE("media types are sniffed from the first bytes") {
  CHECK(sniff_media_type(k_png) == "image/png");
  CHECK(sniff_media_type("\xff\xd8\xff\xe0") == "image/jpeg");
  CHECK(sniff_media_type("RIFF1234WEBPVP8 ") == "image/webp");
  CHECK(sniff_media_type("RIFF1234WAVEfmt ") == "audio/wav");
  CHECK(sniff_media_type("%PDF-1.7") == "application/pdf");
  CHECK(sniff_media_type("plain words\n") == "text/plain");
  CHECK(sniff_media_type("caf\xc3") == "text/plain"); // cut inside a character
  CHECK(sniff_media_type(std::string_view("\0\1\2", 3)) == "application/octet-stream");
  CHECK(sniff_media_type("\xff\xfe\xfd\xfc\xfb") == "application/octet-stream");
  CHECK(sniff_media_type("") == "application/octet-stream");
  CHECK(effective_media_type("Image/PNG; q=1", "") == "image/png");
  CHECK(effective_media_type("application/octet-stream", k_png) == "image/png");
  CHECK(accepts_media_type({}, "a/b"));
  CHECK(accepts_media_type(std::vector<std::string>{"image/*"}, "image/png"));
  CHECK_FALSE(accepts_media_type(std::vector<std::string>{"image/*"}, "imagery/png"));
  CHECK_FALSE(accepts_media_type(std::vector<std::string>{"image/png"}, "image/jpeg"));
}

TEST_CASE("secrets of any use are kept out of text") {
  std::string text = "key=hunter22 again hunter22";
  redact(text, {"hunter22"});
  CHECK(text == "key=[secret] again [secret]");
  text = "secret";
  redact(text, {"secret"}); // the mark holds the secret: still ends
  CHECK(text == "[secret]");
  const Result<PreparedInput> prepared = prepare_input(picture_manifest(), {{"key", "abc"}}, no_uploads);
  REQUIRE(prepared);
  CHECK(prepared->secrets.empty()); // three letters would blank half of a log
  CHECK(prepared->for_record["key"] == "[secret]");
  CHECK(prepared->for_worker["key"] == "abc");
}

TEST_CASE("output values become the output as the schema says") {
  TypeSpec plain;
  Json output;
  add_output_value(plain, 0, output, 1);
  CHECK(output == 1);
  add_output_value(plain, 1, output, 2);
  add_output_value(plain, 2, output, 3);
  CHECK(output == Json({1, 2, 3}));
  output = nullptr;
  add_output_value(plain, 0, output, Json({1, 2}));
  add_output_value(plain, 1, output, 5);
  CHECK(output == Json::array({Json({1, 2}), 5}));
  output = nullptr;
  add_output_text(plain, output, "a");
  add_output_text(plain, output, "b");
  CHECK(output == "ab");

  TypeSpec iterator;
  iterator.iterator = true;
  output = nullptr;
  add_output_value(iterator, 0, output, 1);
  CHECK(output == Json::array({1}));
  add_output_text(iterator, output, "x");
  CHECK(output == Json::array({1, "x"}));
  iterator.concatenate = true;
  output = nullptr;
  add_output_text(iterator, output, "a");
  add_output_value(iterator, 1, output, "b");
  CHECK(output == "ab");
}
