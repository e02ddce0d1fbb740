#include "tests/fuzz/fuzz.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "common/text.h"

namespace mrun::fuzz {
namespace {

constexpr std::string_view k_divider = "\n----\n";
constexpr std::size_t k_max_message_bytes = 8 * k_kib;

bool is_inside(const Segment& segment, const std::vector<BlobClaim>& layers) {
  return std::ranges::any_of(layers, [&](const BlobClaim& layer) {
    return layer.digest == segment.blob && segment.offset <= layer.size &&
           segment.length <= layer.size - segment.offset;
  });
}

} // namespace

std::vector<std::string_view> texts_of(std::string_view input, std::size_t count) {
  std::vector<std::string_view> texts;
  while (texts.size() + 1 < count) {
    const std::size_t end = std::min(input.find(k_divider), input.size());
    texts.push_back(input.substr(0, end));
    input.remove_prefix(std::min(end + k_divider.size(), input.size()));
  }
  texts.push_back(input);
  return texts;
}

ReadAt file_of(std::string_view bytes) {
  return [bytes](std::uint64_t offset, std::uint64_t length) -> Result<std::string> {
    MRUN_CHECK(offset <= bytes.size() && length <= bytes.size() - offset);
    return std::string(bytes.substr(static_cast<std::size_t>(offset), static_cast<std::size_t>(length)));
  };
}

void check_shown(std::string_view text) {
  const bool plain = is_valid_utf8(text) && std::ranges::none_of(text, [](char c) {
                       return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
                     });
  if (!plain) std::fprintf(stderr, "shown: %s\n", printable(text, k_max_message_bytes).c_str());
  MRUN_CHECK(plain);
}

void check_error(const Error& error) {
  MRUN_CHECK(!error.message.empty() && error.message.size() <= k_max_message_bytes);
  check_shown(error.message);
  check_shown(error.hint);
}

void check_path(const SafePath& path) {
  const std::filesystem::path folder = "/folder";
  const std::filesystem::path joined = (folder / path.text()).lexically_normal();
  MRUN_CHECK(joined == folder / path.text());
  MRUN_CHECK(std::mismatch(folder.begin(), folder.end(), joined.begin()).first == folder.end());
  MRUN_CHECK(SafePath::parse(path.text()).has_value());
}

void check_file(const BundleFile& file, const std::vector<BlobClaim>& layers) {
  check_path(file.path);
  MRUN_CHECK(file.mode == 0644 || file.mode == 0755);
  std::uint64_t sum = 0;
  for (const Segment& segment : file.segments) {
    MRUN_CHECK(is_inside(segment, layers));
    sum += segment.length;
  }
  MRUN_CHECK(sum == file.size);
}

} // namespace mrun::fuzz
