// What kind of file this is: by its first bytes, else by its name.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace mrun::cli {

// A MIME type; application/octet-stream when neither tells.
std::string guess_media_type(std::string_view file_name, std::string_view first_bytes);
// True when `accepted` is empty or names the type or its family ("image/*").
bool media_type_accepted(std::string_view type, std::span<const std::string> accepted);
// "png" for image/png; "bin" where unknown.
std::string extension_of_media_type(std::string_view type);

} // namespace mrun::cli
