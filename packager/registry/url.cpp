#include "packager/registry/url.h"

#include <memory>

#include <curl/curl.h>
#include <fmt/format.h>

#include "common/text.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_url_bytes = 16 * 1024; // a presigned Location of an object store has 2 KiB

using Handle = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

tl::unexpected<Error> refuse(std::string_view text, std::string_view why) {
  // Queries may hold signatures: they are never shown.
  return fail(ErrorCode::registry_url,
              fmt::format("the URL `{}` {}", printable(text.substr(0, text.find('?')), 200), why));
}

Result<std::string> part(CURLU* url, CURLUPart which, std::string_view text, unsigned flags = 0) {
  char* value = nullptr;
  const CURLUcode code = curl_url_get(url, which, &value, flags);
  const std::unique_ptr<char, decltype(&curl_free)> owner(value, &curl_free);
  if (code == CURLUE_OK) return std::string(value);
  if (code == CURLUE_NO_QUERY || code == CURLUE_NO_USER || code == CURLUE_NO_PASSWORD ||
      code == CURLUE_NO_FRAGMENT)
    return std::string();
  return refuse(text, "can't be read");
}

Result<Url> read(CURLU* handle, std::string_view text) {
  Url url;
  MRUN_ASSIGN(url.scheme, part(handle, CURLUPART_SCHEME, text));
  MRUN_ASSIGN(url.host, part(handle, CURLUPART_HOST, text));
  MRUN_ASSIGN(url.port, part(handle, CURLUPART_PORT, text, CURLU_DEFAULT_PORT));
  MRUN_ASSIGN(url.path, part(handle, CURLUPART_PATH, text));
  MRUN_ASSIGN(url.query, part(handle, CURLUPART_QUERY, text));
  MRUN_ASSIGN(const std::string user, part(handle, CURLUPART_USER, text));
  MRUN_ASSIGN(const std::string password, part(handle, CURLUPART_PASSWORD, text));
  if (url.scheme != "https" && url.scheme != "http") return refuse(text, "is neither https nor http");
  if (!user.empty() || !password.empty()) return refuse(text, "holds credentials");
  if (url.host.empty()) return refuse(text, "names no host");
  url.host = lower_ascii(url.host);
  // Escapes were undone once: another one would be undone by who connects, after the host was judged.
  if (url.host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-_:[]") != std::string::npos)
    return refuse(text, "names a host that is none");
  return url;
}

Result<void> check_text(std::string_view text) {
  if (text.empty() || text.size() > k_max_url_bytes) return refuse(text, "is empty or too long");
  for (const char c : text)
    if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f)
      return refuse(text, "has characters that no URL has");
  return {};
}

Result<Handle> handle_of(std::string_view text, const std::string& base) {
  MRUN_TRY(check_text(text));
  Handle handle(curl_url(), &curl_url_cleanup);
  if (!handle) return fail(ErrorCode::resources, "out of memory");
  if (!base.empty() && curl_url_set(handle.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK)
    return refuse(base, "can't be read");
  if (curl_url_set(handle.get(), CURLUPART_URL, std::string(text).c_str(), CURLU_NON_SUPPORT_SCHEME) !=
      CURLUE_OK)
    return refuse(text, "can't be read");
  return handle;
}

} // namespace

Result<Url> Url::parse(std::string_view text) {
  MRUN_ASSIGN(const Handle handle, handle_of(text, ""));
  return read(handle.get(), text);
}

Result<Url> Url::resolve(std::string_view reference) const {
  MRUN_ASSIGN(const Handle handle, handle_of(reference, text()));
  return read(handle.get(), reference);
}

std::string Url::authority() const {
  return port == (scheme == "https" ? "443" : "80") ? host : host + ":" + port;
}

std::string Url::text() const {
  return fmt::format("{}://{}{}{}{}", scheme, authority(), path, query.empty() ? "" : "?", query);
}

bool Url::same_origin(const Url& other) const {
  return scheme == other.scheme && host == other.host && port == other.port;
}

} // namespace mrun
