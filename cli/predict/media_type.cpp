#include "cli/predict/media_type.h"

#include <algorithm>

#include "common/text.h"

namespace mrun::cli {
namespace {

struct TypeRow {
  std::string_view extension;
  std::string_view type;
};
// The first row of a type gives its extension.
constexpr TypeRow k_types[] = {
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"bmp", "image/bmp"},
    {"tiff", "image/tiff"},
    {"tif", "image/tiff"},
    {"svg", "image/svg+xml"},
    {"wav", "audio/wav"},
    {"mp3", "audio/mpeg"},
    {"flac", "audio/flac"},
    {"ogg", "audio/ogg"},
    {"mp4", "video/mp4"},
    {"webm", "video/webm"},
    {"txt", "text/plain"},
    {"md", "text/markdown"},
    {"csv", "text/csv"},
    {"html", "text/html"},
    {"json", "application/json"},
    {"jsonl", "application/jsonl"},
    {"pdf", "application/pdf"},
    {"zip", "application/zip"},
    {"npy", "application/x-npy"},
    {"npz", "application/x-npz"},
    {"safetensors", "application/x-safetensors"},
    {"bin", "application/octet-stream"},
};

struct MagicRow {
  std::string_view bytes;
  std::string_view type;
};
using namespace std::string_view_literals;
constexpr MagicRow k_magic[] = {
    {"\x89PNG\r\n\x1a\n"sv, "image/png"},
    {"\xFF\xD8\xFF"sv, "image/jpeg"},
    {"GIF8"sv, "image/gif"},
    {"%PDF-"sv, "application/pdf"},
    {"\x93NUMPY"sv, "application/x-npy"},
    {"fLaC"sv, "audio/flac"},
    {"OggS"sv, "audio/ogg"},
};

} // namespace

std::string guess_media_type(std::string_view file_name, std::string_view first_bytes) {
  for (const MagicRow& row : k_magic)
    if (first_bytes.starts_with(row.bytes)) return std::string(row.type);
  if (first_bytes.starts_with("RIFF") && first_bytes.size() >= 12) {
    if (first_bytes.substr(8, 4) == "WEBP") return "image/webp";
    if (first_bytes.substr(8, 4) == "WAVE") return "audio/wav";
  }
  const std::size_t dot = file_name.rfind('.');
  const std::string extension = dot == std::string_view::npos ? "" : lower_ascii(file_name.substr(dot + 1));
  for (const TypeRow& row : k_types)
    if (row.extension == extension) return std::string(row.type);
  return "application/octet-stream";
}

bool media_type_accepted(std::string_view type, std::span<const std::string> accepted) {
  return accepted.empty() || std::ranges::any_of(accepted, [&](const std::string& pattern) {
           if (pattern == "*/*" || pattern == type) return true;
           return pattern.ends_with("/*") &&
                  type.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1));
         });
}

std::string extension_of_media_type(std::string_view type) {
  for (const TypeRow& row : k_types)
    if (row.type == type) return std::string(row.extension);
  return "bin";
}

} // namespace mrun::cli
