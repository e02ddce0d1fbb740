// A blob's way in: streamed, counted, resumed where it broke.
#include <fmt/format.h>

#include "common/text.h"
#include "packager/registry/registry.h"
#include "packager/registry/replies.h"

namespace mrun {
namespace {

constexpr int k_most_restarts = 5; // of one blob: a server without ranges on a bad line

Result<void> begin_again(BlobDownload& download) {
  download.offset = 0;
  if (++download.restarts <= k_most_restarts) return download.restart();
  return fail(ErrorCode::registry_reply,
              fmt::format("blob {} broke off {} times, and the registry can't go on in its middle",
                          download.digest.short_hex(), download.restarts));
}

// Before the first byte of a try: is it the byte that was asked for?
Result<void> check_head(const HttpReply& head, BlobDownload& download) {
  const std::string encoding = head.header("content-encoding");
  if (!encoding.empty() && encoding != "identity")
    return fail(ErrorCode::registry_reply,
                fmt::format("blob {} came in the content encoding {}, which was not asked for",
                            download.digest.short_hex(), printable(encoding, 40)));
  if (head.status == 206) {
    if (content_range_start(head) == download.offset) return {};
    return fail(ErrorCode::registry_reply,
                fmt::format("bytes from {} of blob {} were asked for, and the registry sent `{}`",
                            download.offset, download.digest.short_hex(),
                            printable(head.header("content-range"), 80)));
  }
  if (download.offset == 0 && !download.end_bytes) return {};
  return begin_again(download); // the whole
}

} // namespace

// nullopt: the try ended before the blob did.
Result<std::optional<HttpReply>> RegistryConnection::download_once(BlobDownload& download) {
  HttpRequest request{.headers = {{"Accept-Encoding", "identity"}}};
  const std::uint64_t end = download.end_bytes.value_or(download.size_bytes);
  if (download.offset > 0 || download.end_bytes)
    request.headers.emplace_back("Range", download.end_bytes
                                              ? fmt::format("bytes={}-{}", download.offset, end - 1)
                                              : fmt::format("bytes={}-", download.offset));
  bool checked = false;
  const HttpSink sink = [&](const HttpReply& head, std::string_view bytes) -> Result<void> {
    if (!std::exchange(checked, true)) MRUN_TRY(check_head(head, download));
    if (bytes.size() > end - download.offset)
      return fail(ErrorCode::digest_mismatch,
                  fmt::format("of blob {} more came than the {} bytes that {}", download.digest.short_hex(),
                              end, download.end_bytes ? "were asked for" : "its manifest says"));
    m_registry.traffic().received_bytes.fetch_add(bytes.size(), std::memory_order_relaxed);
    MRUN_TRY(download.sink(bytes));
    download.offset += bytes.size();
    return {};
  };
  MRUN_ASSIGN(HttpReply reply, follow(blob_url(download.digest), std::move(request), sink));
  const bool success = reply.status == 200 || reply.status == 206;
  if (success && download.offset < end) return std::nullopt;
  return reply;
}

Result<void> RegistryConnection::get_blob(BlobDownload& download) {
  const std::uint64_t end = download.end_bytes.value_or(download.size_bytes);
  if (download.offset == end && end > 0) return {};
  Retry retry(m_interrupt_fd);
  std::uint64_t furthest = download.offset; // what comes again after a restart is no progress
  while (true) {
    const Result<std::optional<HttpReply>> ended = download_once(download);
    if (download.offset > furthest)
      retry.progressed(download.offset - std::exchange(furthest, download.offset));
    std::optional<std::chrono::seconds> wait;
    if (ended && *ended) {
      const HttpReply& reply = **ended;
      if (reply.status == 200 || reply.status == 206) return {};
      if (reply.status == 416 &&
          (download.offset > 0 || download.end_bytes)) { // it does not have what it had
        MRUN_TRY(begin_again(download));
      } else if (!is_worth_retrying(reply)) {
        return refused(reply, fmt::format("blob {}", download.digest.short_hex()));
      }
      wait = retry_after(reply);
    } else if (!ended && !is_worth_retrying(ended.error())) {
      return tl::unexpected(ended.error());
    }
    MRUN_ASSIGN(const bool go_on, again(retry, wait, !ended.has_value()));
    if (go_on) continue;
    if (!ended) return tl::unexpected(ended.error());
    if (*ended) return refused(**ended, fmt::format("blob {}", download.digest.short_hex()));
    return fail(
        ErrorCode::registry_unreachable,
        fmt::format("blob {} ends after {} of {} bytes", download.digest.short_hex(), download.offset, end));
  }
}

} // namespace mrun
