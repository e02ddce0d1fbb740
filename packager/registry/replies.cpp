#include "packager/registry/replies.h"

#include <algorithm>
#include <charconv>

#include "common/json.h"
#include "common/text.h"

namespace mrun {

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

std::optional<bool> says_there(const HttpReply& reply, const BlobClaim& blob) {
  if (reply.status == 404) return false;
  if (is_redirect(reply.status)) return true; // to where it lies
  if (reply.status != 200) return std::nullopt;
  const std::string length = reply.header("content-length");
  return length.empty() || length == std::to_string(blob.size);
}

std::string media_type_of(const HttpReply& reply) {
  const std::string type = reply.header("content-type");
  return lower_ascii(trim(type.substr(0, type.find(';'))));
}

std::string next_link(const HttpReply& reply) {
  for (const std::string& header : reply.all_headers("link")) {
    const std::size_t open = header.find('<'), close = header.find('>');
    const std::string rest = close == std::string::npos ? "" : lower_ascii(header.substr(close));
    const bool next =
        rest.find("rel=\"next\"") != std::string::npos || rest.find("rel=next") != std::string::npos;
    if (open < close && next) return header.substr(open + 1, close - open - 1);
  }
  return {};
}

std::optional<std::uint64_t> content_range_start(const HttpReply& reply) {
  constexpr std::string_view unit = "bytes ";
  const std::string header = reply.header("content-range");
  if (!header.starts_with(unit)) return std::nullopt;
  std::uint64_t start = 0;
  const char* const past = header.data() + header.size();
  const auto [end, failed] = std::from_chars(header.data() + unit.size(), past, start);
  if (failed != std::errc() || end == past || *end != '-') return std::nullopt;
  return start;
}

std::optional<std::uint64_t> received_bytes(const HttpReply& reply) {
  const std::string header = reply.header("range");
  std::string_view text = header;
  if (text.starts_with("bytes=")) text.remove_prefix(6);
  if (!text.starts_with("0-")) return std::nullopt;
  std::uint64_t last = 0;
  const auto [end, failed] = std::from_chars(text.data() + 2, text.data() + text.size(), last);
  if (failed != std::errc() || end != text.data() + text.size() || last == UINT64_MAX) return std::nullopt;
  // A session without bytes answers 0-0, as does one with a single byte.
  return last == 0 ? 0 : last + 1;
}

std::uint64_t least_chunk(const HttpReply& reply) {
  const std::string text = reply.header("oci-chunk-min-length");
  std::uint64_t bytes = 0;
  std::from_chars(text.data(), text.data() + text.size(), bytes);
  return std::min(bytes, k_max_chunk_bytes);
}

std::string registry_words(const HttpReply& reply) {
  const auto json = parse_json(reply.body, ErrorCode::registry_reply, "an error", {.max_bytes = 64 * 1024});
  if (!json || !json->is_object()) return {};
  const auto errors = json->find("errors");
  if (errors == json->end() || !errors->is_array() || errors->empty() || !errors->front().is_object())
    return {};
  const auto text = [&](const char* key) {
    const auto found = errors->front().find(key);
    return found != errors->front().end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const std::string code = text("code"), message = text("message");
  return printable(code.empty() || message.empty() ? code + message : code + ": " + message, 300);
}

Result<std::vector<std::string>> parse_tags(std::string_view body) {
  MRUN_ASSIGN(const Json json, parse_json(body, ErrorCode::registry_reply, "the list of tags"));
  const auto list = json.is_object() ? json.find("tags") : json.end();
  if (!json.is_object() || list == json.end() || !(list->is_array() || list->is_null()))
    return fail(ErrorCode::registry_reply, "the list of tags is not one");
  std::vector<std::string> tags;
  for (const Json& tag : *list)
    if (tag.is_string() && tags.size() < k_max_listed_tags)
      tags.push_back(printable(tag.get<std::string>(), 128));
  return tags;
}

} // namespace mrun
