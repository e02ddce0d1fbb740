#include "common/media_type.h"

#include <algorithm>
#include <array>

#include "common/text.h"

namespace mrun {
namespace {

struct Magic {
  std::size_t offset;
  std::string_view bytes;
  std::string_view media_type;
};

using namespace std::string_view_literals;
constexpr std::array<Magic, 11> k_magic = {{{0, "\x89PNG\r\n\x1a\n"sv, "image/png"sv},
                                            {0, "\xff\xd8\xff"sv, "image/jpeg"sv},
                                            {0, "GIF8"sv, "image/gif"sv},
                                            {8, "WEBP"sv, "image/webp"sv},
                                            {8, "WAVE"sv, "audio/wav"sv},
                                            {0, "ID3"sv, "audio/mpeg"sv},
                                            {0, "fLaC"sv, "audio/flac"sv},
                                            {0, "OggS"sv, "audio/ogg"sv},
                                            {4, "ftyp"sv, "video/mp4"sv},
                                            {0, "%PDF-"sv, "application/pdf"sv},
                                            {0, "\x93NUMPY"sv, "application/x-npy"sv}}};

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

constexpr std::string_view k_unknown = "application/octet-stream";

// The type that the first bytes are sure of, else "".
std::string_view type_of_magic(std::string_view head) {
  for (const Magic& magic : k_magic)
    if (head.size() >= magic.offset && head.substr(magic.offset).starts_with(magic.bytes))
      return magic.media_type;
  return {};
}

bool looks_like_text(std::string_view head) {
  // The head may end inside a character: try without its last bytes.
  for (std::size_t cut = 0; cut <= 3 && cut <= head.size(); ++cut)
    if (is_valid_utf8(head.substr(0, head.size() - cut)))
      return std::all_of(head.begin(), head.end(), [](char c) {
        return static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\r' || c == '\t';
      });
  return false;
}

} // namespace

std::string sniff_media_type(std::string_view head) {
  if (const std::string_view type = type_of_magic(head); !type.empty()) return std::string(type);
  return std::string(!head.empty() && looks_like_text(head) ? "text/plain"sv : k_unknown);
}

std::string guess_media_type(std::string_view file_name, std::string_view head) {
  if (const std::string_view type = type_of_magic(head); !type.empty()) return std::string(type);
  const std::size_t dot = file_name.rfind('.');
  const std::string extension = dot == std::string_view::npos ? "" : lower_ascii(file_name.substr(dot + 1));
  for (const TypeRow& row : k_types)
    if (row.extension == extension) return std::string(row.type);
  return sniff_media_type(head);
}

std::string extension_of_media_type(std::string_view media_type) {
  for (const TypeRow& row : k_types)
    if (row.type == media_type) return std::string(row.extension);
  return "bin";
}

std::string effective_media_type(std::string_view told, std::string_view head) {
  const std::string type = lower_ascii(trim(told.substr(0, told.find(';'))));
  return type.empty() || type == k_unknown ? sniff_media_type(head) : type;
}

bool accepts_media_type(std::span<const std::string> accept, std::string_view media_type) {
  if (accept.empty()) return true;
  return std::any_of(accept.begin(), accept.end(), [media_type](const std::string& entry) {
    if (entry == "*/*" || entry == media_type) return true;
    return entry.ends_with("/*") &&
           media_type.starts_with(std::string_view(entry).substr(0, entry.size() - 1));
  });
}

} // namespace mrun
