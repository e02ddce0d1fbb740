#include "cli/cost/fetch_text.h"

#include <fmt/format.h>

#include "common/build_info.h"
#include "common/fd.h"
#include "common/limits.h"
#include "common/text.h"
#include "packager/registry/http.h"
#include "packager/registry/url.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_max_text_bytes = 16 * k_mib;

bool is_this_machine(const std::string& host) {
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

Result<std::string> fetch(const std::string& from, int interrupt_fd) {
  MRUN_ASSIGN(const Url url, Url::parse(from));
  if (url.scheme != "https" && !is_this_machine(url.host))
    return fail(ErrorCode::price_file,
                fmt::format("{} is plain http: anybody on the way could change a price", printable(from)),
                "use https, or load it and give the file");
  HttpSession session({.user_agent = fmt::format("mrun/{}", version_text()), .interrupt_fd = interrupt_fd});
  // The user named the host: it may be anywhere, this machine included.
  const ::mrun::HttpRequest request{
      .url = url.text(), .max_reply_bytes = k_max_text_bytes, .nearest = AddressReach::special};
  MRUN_ASSIGN(const HttpReply reply, session.perform(request));
  if (reply.status >= 300 && reply.status < 400)
    return fail(ErrorCode::price_file,
                fmt::format("{} is elsewhere: {}", printable(from), printable(reply.header("location"))),
                "give that URL, if you trust it");
  if (reply.status != 200)
    return fail(ErrorCode::price_file,
                fmt::format("{} answers with status {}", printable(from), reply.status));
  return reply.body;
}

} // namespace

Result<std::string> text_of_file_or_url(const std::string& from, int interrupt_fd) {
  if (from.starts_with("https://") || from.starts_with("http://")) return fetch(from, interrupt_fd);
  return read_file(from, k_max_text_bytes, ErrorCode::io, ErrorCode::price_file);
}

} // namespace mrun::cli
