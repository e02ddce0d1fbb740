// A request's head: however it is cut into packets it ends at the same place, and what passes
// is one request to Beast's parser, too.
#include <algorithm>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "common/limits.h"
#include "common/text.h"
#include "daemon/http/head.h"
#include "daemon/http/prefer.h"
#include "daemon/http/request.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

constexpr std::size_t k_max_body = 1000;

// As many bytes at a time.
Result<std::size_t> find_end(std::string_view bytes, std::size_t piece) {
  std::size_t scanned = 0;
  for (std::size_t have = std::min(piece, bytes.size());; have = std::min(have + piece, bytes.size())) {
    MRUN_ASSIGN(const std::size_t end, find_head_end(bytes.substr(0, have), scanned, k_max_head_bytes));
    if (end != 0 || have == bytes.size()) return end;
  }
}

void check_target(std::string_view target) {
  const std::size_t mark = std::min(target.find('?'), target.size());
  if (const auto path = percent_decode(target.substr(0, mark)))
    MRUN_CHECK(path->find('\0') == std::string::npos);
  (void)parse_query(target.substr(std::min(mark + 1, target.size())));
}

void parse(std::string_view bytes) {
  boost::beast::http::request_parser<boost::beast::http::string_body> parser;
  parser.header_limit(k_max_head_bytes);
  parser.body_limit(k_max_body);
  parser.eager(true);
  boost::beast::error_code failed;
  while (!bytes.empty() && !parser.is_done()) {
    const std::size_t taken = parser.put(boost::asio::buffer(bytes.data(), bytes.size()), failed);
    if (failed || taken == 0) break;
    bytes.remove_prefix(taken);
  }
  if (!parser.is_header_done()) return;
  check_target(parser.get().target());
  MRUN_CHECK(parser.get().body().size() <= k_max_body);
  MRUN_CHECK(!parser.chunked() || !parser.content_length());
}

void check_headers(std::string_view head) {
  for (const std::string_view line : split(head, '\n')) {
    if (const auto wait = parse_prefer_wait(trim(line)))
      MRUN_CHECK(wait->count() >= 1 && *wait <= k_max_wait);
    if (const auto limit = parse_cancel_after(trim(line))) MRUN_CHECK(*limit >= std::chrono::seconds(5));
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  check_headers(bytes);
  const auto end = find_end(bytes, std::max<std::size_t>(size, 1));
  const auto in_pieces = find_end(bytes, 1 + size % 7);
  MRUN_CHECK(end.has_value() == in_pieces.has_value() && (!end || *end == *in_pieces));
  if (!end) {
    fuzz::check_error(end.error());
    return 0;
  }
  if (*end == 0) return 0;
  const auto checked = check_head(bytes.substr(0, *end), k_max_header_count);
  if (!checked) {
    fuzz::check_error(checked.error());
    return 0;
  }
  parse(bytes);
  return 0;
}
