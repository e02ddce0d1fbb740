#include <doctest/doctest.h>

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "common/fd.h"
#include "common/json.h"
#include "runtime/media/tests/damage.h"
#include "runtime/tokenizers/prepared.h"
#include "runtime/tokenizers/tokenizer.h"
#include "runtime/tokenizers/unicode.h"

using namespace mrun;

namespace {

Json small_tokenizer() {
  Json json = {{"version", "1.0"},
               {"added_tokens", Json::array()},
               {"normalizer",
                {{"type", "BertNormalizer"},
                 {"clean_text", true},
                 {"handle_chinese_chars", true},
                 {"strip_accents", nullptr},
                 {"lowercase", true}}},
               {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
               {"post_processor", {{"type", "BertProcessing"}, {"sep", {"[SEP]", 3}}, {"cls", {"[CLS]", 2}}}},
               {"model",
                {{"type", "WordPiece"},
                 {"unk_token", "[UNK]"},
                 {"continuing_subword_prefix", "##"},
                 {"max_input_chars_per_word", 8}}}};
  int id = 0;
  for (const char* token : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##aff", "##able", "cafe",
                            "a", "##a", "!", "中", "hello"})
    json["model"]["vocab"][token] = id++;
  json["added_tokens"].push_back({{"id", 4},
                                  {"content", "[MASK]"},
                                  {"special", true},
                                  {"normalized", false},
                                  {"lstrip", true},
                                  {"rstrip", false},
                                  {"single_word", false}});
  json["added_tokens"].push_back({{"id", 20},
                                  {"content", "NEW"},
                                  {"special", false},
                                  {"normalized", true},
                                  {"lstrip", false},
                                  {"rstrip", false},
                                  {"single_word", true}});
  return json;
}

Tokenizer load(const Json& json) {
  return Tokenizer::load(json.dump(), "tokenizer.json", -1).value();
}

std::vector<std::int64_t> ids(const Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.encode(text, {.special_tokens = false}).ids;
}

// A cache folder that goes away with the test.
class CacheFolder {
 public:
  CacheFolder() {
    char name[] = "/tmp/mrun-tokenizer-XXXXXX";
    MRUN_CHECK(::mkdtemp(name) != nullptr);
    m_path = name;
    m_fd = UniqueFd(::open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~CacheFolder() { std::filesystem::remove_all(m_path); }
  CacheFolder(const CacheFolder&) = delete;
  CacheFolder& operator=(const CacheFolder&) = delete;
  int fd() const { return m_fd.get(); }
  std::string file() const { return m_path / prepared_file_name("tokenizer.json"); }
  std::string bytes() const { return read_file(file(), k_mib, ErrorCode::io, ErrorCode::io).value(); }
  void write(std::string_view bytes) const {
    std::ofstream(file(), std::ios::binary | std::ios::trunc) << bytes;
  }
  std::size_t file_count() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(m_path), {}));
  }

 private:
  std::filesystem::path m_path;
  UniqueFd m_fd;
};

Error refused(const Json& json) {
  const auto result = Tokenizer::load(json.dump(), "tokenizer.json", -1);
  REQUIRE_FALSE(result.has_value());
  return result.error();
}

} // namespace

TEST_CASE("words, pieces, accents, punctuation, CJK, unknown and long words") {
  const Tokenizer tokenizer = load(small_tokenizer());
  CHECK(ids(tokenizer, "unaffable!") ==
        std::vector<std::int64_t>{1, 11}); // 9 characters: over the limit of 8
  CHECK(ids(tokenizer, "Unable") == std::vector<std::int64_t>{5, 7});
  CHECK(ids(tokenizer, "CAFÉ cafe\u0301\tcaf\u0000e") == std::vector<std::int64_t>{8, 8, 1});
  CHECK(ids(tokenizer, "a中a") == std::vector<std::int64_t>{9, 12, 9});
  CHECK(ids(tokenizer, "aaaaaaaa") == std::vector<std::int64_t>{9, 10, 10, 10, 10, 10, 10, 10});
  CHECK(ids(tokenizer, "zebra") == std::vector<std::int64_t>{1});
  CHECK(ids(tokenizer, "").empty());
  CHECK(ids(tokenizer, " \t\n\u200b").empty());
  CHECK(ids(tokenizer, std::string_view("caf\0e", 5)) == std::vector<std::int64_t>{8}); // U+0000 is removed
}

TEST_CASE("added tokens: as they are, normalized, white space, single words") {
  const Tokenizer tokenizer = load(small_tokenizer());
  CHECK(ids(tokenizer, "a  [MASK] a") == std::vector<std::int64_t>{9, 4, 9});
  CHECK(ids(tokenizer, "[mask]") == std::vector<std::int64_t>{1, 1, 1});
  CHECK(ids(tokenizer, "a new New!") == std::vector<std::int64_t>{9, 20, 20, 11});
  CHECK(ids(tokenizer, "anew") == std::vector<std::int64_t>{1});
}

TEST_CASE("special tokens, truncation, padding") {
  const Tokenizer tokenizer = load(small_tokenizer());
  CHECK(tokenizer.special_count() == 2);
  const Encoding cut = tokenizer.encode("a a a a", {.max_tokens = 4});
  CHECK(cut.ids == std::vector<std::int64_t>{2, 9, 9, 3});
  CHECK(cut.truncated == 2);
  CHECK(tokenizer.encode("hello a a", {.max_tokens = 4, .truncate_left = true}).ids ==
        std::vector<std::int64_t>{2, 9, 9, 3});
  const Encoding padded =
      tokenizer.encode("a", {.pad_to = 4, .pad_multiple = 3, .pad_id = 7, .pad_type_id = 1});
  CHECK(padded.ids == std::vector<std::int64_t>{2, 9, 3, 7, 7, 7});
  CHECK(padded.mask == std::vector<std::int64_t>{1, 1, 1, 0, 0, 0});
  CHECK(padded.type_ids == std::vector<std::int64_t>{0, 0, 0, 1, 1, 1});
  CHECK(tokenizer.encode("a", {.pad_to = 4, .pad_left = true}).ids == std::vector<std::int64_t>{0, 2, 9, 3});
}

TEST_CASE("a template and the file's own lengths") {
  Json json = small_tokenizer();
  json["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single",
       {{{"SpecialToken", {{"id", "[CLS]"}, {"type_id", 1}}}},
        {{"Sequence", {{"id", "A"}, {"type_id", 2}}}}}},
      {"special_tokens", {{"[CLS]", {{"id", "[CLS]"}, {"ids", {2, 4}}, {"tokens", {"[CLS]", "[MASK]"}}}}}}};
  json["truncation"] = {
      {"direction", "Left"}, {"max_length", 3}, {"strategy", "LongestFirst"}, {"stride", 0}};
  json["padding"] = {{"strategy", {{"Fixed", 5}}},
                     {"direction", "Left"},
                     {"pad_id", 0},
                     {"pad_type_id", 9},
                     {"pad_token", "[PAD]"}};
  const Tokenizer tokenizer = load(json);
  const Encoding encoding = tokenizer.encode("a hello", tokenizer.file_options());
  CHECK(encoding.ids == std::vector<std::int64_t>{0, 0, 2, 4, 13});
  CHECK(encoding.type_ids == std::vector<std::int64_t>{9, 9, 1, 1, 2});
  CHECK(encoding.truncated == 1);
}

TEST_CASE(
    "the prepared form is made once, used after, and replaced when it is damaged or of another source") {
  const CacheFolder cache;
  const std::string source = small_tokenizer().dump();
  CHECK_FALSE(Tokenizer::load(source, "tokenizer.json", cache.fd()).value().was_prepared());
  CHECK(cache.file_count() == 1);
  const Tokenizer again = Tokenizer::load(source, "tokenizer.json", cache.fd()).value();
  CHECK(again.was_prepared());
  CHECK(ids(again, "Unable [MASK] new") == std::vector<std::int64_t>{5, 7, 4, 20});

  const std::string good = cache.bytes();
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const std::string bad = test::Damage(seed).apply(good);
    if (bad == good) continue;
    cache.write(bad);
    const auto tokenizer = Tokenizer::load(source, "tokenizer.json", cache.fd());
    REQUIRE(tokenizer.has_value());
    REQUIRE_FALSE(tokenizer->was_prepared());
    REQUIRE(cache.bytes() == good);
  }
  Json other = small_tokenizer();
  other["model"]["vocab"]["[MASK]"] = 5;
  CHECK_FALSE(Tokenizer::load(other.dump(), "tokenizer.json", cache.fd()).value().was_prepared());
  CHECK(Tokenizer::load(other.dump(), "tokenizer.json", cache.fd()).value().was_prepared());
}

TEST_CASE("offsets are checked even when the checksum is right") {
  const ParsedTokenizer parsed = parse_tokenizer_json(small_tokenizer().dump(), "t").value();
  const SourceStamp stamp{1, 2};
  const std::string good = prepare_tokenizer(parsed, stamp);
  REQUIRE(PreparedTokenizer::open(good, stamp).has_value());
  constexpr std::size_t header_bytes = 96;
  int kept = 0;
  for (std::size_t at = 8; at < good.size(); ++at)
    for (const char value : {'\x00', '\x7f', '\xff'}) {
      if (at >= 40 && at < 48) // the checksum itself
        continue;
      std::string bad = good;
      bad[at] = value;
      const std::uint64_t hash = fast_hash(std::string_view(bad).substr(header_bytes));
      std::memcpy(bad.data() + 40, &hash, sizeof hash);
      const auto opened = PreparedTokenizer::open(bad, stamp);
      if (!opened) continue;
      ++kept;
      (void)opened->find("hello");
      (void)opened->find("not there");
    }
  CHECK(kept > 0);
}

TEST_CASE("golden: the prepared form, byte for byte") {
  ParsedTokenizer parsed;
  parsed.vocabulary = {{"a", 7}};
  parsed.config.pieces = {{.is_text = true, .ids = {}, .type_id = 0}};
  const std::string block = prepare_tokenizer(parsed, {.size = 5, .hash = 6});
  const auto u32 = [&](std::size_t at) {
    std::uint32_t value = 0;
    std::memcpy(&value, block.data() + at, sizeof value);
    return value;
  };
  CHECK(block.substr(0, 8) == "mrunTOK\n");
  CHECK(u32(8) == 1);   // format
  CHECK(u32(12) == 1);  // entries
  CHECK(u32(16) == 4);  // slots
  CHECK(u32(24) == 5);  // source size
  CHECK(u32(32) == 6);  // source hash
  CHECK(u32(48) == 96); // entries
  CHECK(u32(56) == 112);
  CHECK(u32(64) == 144);
  CHECK(u32(72) == 1);
  CHECK(u32(80) == 152);
  CHECK(u32(96) == 0); // offset, length, id
  CHECK(u32(100) == 1);
  CHECK(u32(104) == 7);
  CHECK(block.substr(144, 1) == "a");
  CHECK(
      block.substr(152) ==
      R"({"added":[],"clean_text":true,"continuing_prefix":"##","handle_chinese_chars":true,"lowercase":true,"max_word_characters":100,"pieces":[{"ids":[],"text":true,"type_id":0}],"strip_accents":true,"unk_id":0})");
}

TEST_CASE("a cache that can't be written is no error") {
  const CacheFolder cache;
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC)); // no folder
  CHECK(Tokenizer::load(small_tokenizer().dump(), "tokenizer.json", file.get()).has_value());
}

TEST_CASE("other kinds of tokenizers are named") {
  Json json = small_tokenizer();
  json["model"]["type"] = "BPE";
  CHECK(refused(json).code == ErrorCode::engine_unsupported);
  CHECK(refused(json).message == "`tokenizer.json` has the model type \"BPE\", only WordPiece is supported");
  json = small_tokenizer();
  json["normalizer"]["type"] = "Sequence";
  CHECK(refused(json).message.find("the normalizer \"Sequence\"") != std::string::npos);
  json = small_tokenizer();
  json["pre_tokenizer"] = nullptr;
  CHECK(refused(json).message.find("the pre-tokenizer null") != std::string::npos);
  json = small_tokenizer();
  json["post_processor"]["type"] = "RobertaProcessing";
  CHECK(refused(json).message.find("RobertaProcessing") != std::string::npos);
}

TEST_CASE("broken tokenizers say what is wrong") {
  CHECK(Tokenizer::load("{", "t.json", -1).error().code == ErrorCode::load_failed);
  CHECK(refused(Json::object()).message.find("no object `model`") != std::string::npos);
  Json json = small_tokenizer();
  json["model"]["vocab"]["x"] = -1;
  CHECK(refused(json).message.find("the id of token `x` is -1") != std::string::npos);
  json = small_tokenizer();
  json["model"]["vocab"]["x"] = 4294967296LL;
  CHECK(refused(json).code == ErrorCode::load_failed);
  json = small_tokenizer();
  json["model"]["vocab"].erase("[UNK]");
  CHECK(refused(json).message.find("`[UNK]` is not in the vocabulary") != std::string::npos);
  json = small_tokenizer();
  json["model"]["vocab"][std::string(5000, 'x')] = 30;
  CHECK(refused(json).message.find("a token has 5000 bytes") != std::string::npos);
  json = small_tokenizer();
  json["post_processor"] = {
      {"type", "TemplateProcessing"}, {"single", Json::array()}, {"special_tokens", Json::object()}};
  CHECK(refused(json).message.find("has the text 0 times") != std::string::npos);
  json = small_tokenizer();
  json["truncation"] = {{"max_length", 1}};
  CHECK(refused(json).message.find("no room") != std::string::npos);
  CHECK(Tokenizer::load(std::string(k_max_tokenizer_bytes + 1, ' '), "t.json", -1)
            .error()
            .message.find("64.0 MiB") != std::string::npos);
}

TEST_CASE("damaged tokenizer files give a tokenizer or an error") {
  const std::string good = small_tokenizer().dump();
  int loaded = 0;
  for (std::uint64_t seed = 0; seed < 1500; ++seed) {
    const auto tokenizer = Tokenizer::load(test::Damage(seed).apply(good), "t.json", -1);
    if (!tokenizer) continue;
    ++loaded;
    (void)tokenizer->encode("Unable [MASK] new\u0301 中!", tokenizer->file_options());
  }
  CHECK(loaded > 0);
}

TEST_CASE("canonical decomposition orders marks and takes Hangul apart") {
  const auto nfd = [](std::u32string_view text) {
    std::u32string out;
    unicode::Decomposer decomposer;
    for (const char32_t c : text)
      decomposer.add(c, out);
    decomposer.flush(out);
    return out;
  };
  CHECK(nfd(U"\u00e9") == U"e\u0301");
  CHECK(nfd(U"q\u0307\u0323") == U"q\u0323\u0307");
  CHECK(nfd(U"\uac01") == U"\u1100\u1161\u11a8");
  CHECK(nfd(U"\uac00") == U"\u1100\u1161");
  CHECK(nfd(U"\u1e69") == U"s\u0323\u0307");
}
