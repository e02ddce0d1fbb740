// Media types of files: told, sniffed, guessed by name, and checked against what a model accepts.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace mrun {

// From the first bytes (16 are enough): image/png, image/jpeg, image/gif, image/webp, audio/wav, audio/mpeg,
// audio/flac, audio/ogg, video/mp4, application/pdf, application/x-npy, text/plain (UTF-8 without control
// characters), else application/octet-stream.
std::string sniff_media_type(std::string_view head);
// By the first bytes where they are sure, else by the name's extension, else by what the bytes look like.
std::string guess_media_type(std::string_view file_name, std::string_view head);
// "png" for image/png; "bin" where unknown.
std::string extension_of_media_type(std::string_view media_type);
// `told` without its parameters, in lower case; what was not told (or octet-stream) is sniffed.
std::string effective_media_type(std::string_view told, std::string_view head);
// `accept` entries are types or type/*; an empty list accepts all.
bool accepts_media_type(std::span<const std::string> accept, std::string_view media_type);

} // namespace mrun
