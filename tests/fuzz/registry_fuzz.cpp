// What a registry answers: headers, tokens, lists of tags.
#include <algorithm>

#include "common/text.h"
#include "packager/registry/auth.h"
#include "packager/registry/replies.h"
#include "packager/registry/retry.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

HttpReply reply_of(std::string_view headers, std::string_view body) {
  HttpReply reply{.status = 200, .body = std::string(body)};
  for (const std::string_view line : split(headers, '\n')) {
    const std::size_t colon = std::min(line.find(':'), line.size());
    reply.headers.emplace_back(lower_ascii(trim(line.substr(0, colon))),
                               trim(line.substr(std::min(colon + 1, line.size()))));
  }
  return reply;
}

void check_token(std::string_view body) {
  const auto token = parse_token(body, "the token");
  if (!token) return fuzz::check_error(token.error());
  fuzz::check_shown(token->token);
  MRUN_CHECK(!token->token.empty() && token->token.find(' ') == std::string::npos);
  MRUN_CHECK(token->lifetime_s > 0 && token->lifetime_s <= 24 * 3600);
}

void check_tags(std::string_view body) {
  const auto tags = parse_tags(body);
  if (!tags) return fuzz::check_error(tags.error());
  for (const std::string& tag : *tags)
    fuzz::check_shown(tag);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::string_view> texts = fuzz::texts_of(fuzz::text_of(data, size), 2);
  const HttpReply reply = reply_of(texts[0], texts[1]);
  if (const auto challenge = parse_challenges(reply.all_headers("www-authenticate")))
    MRUN_CHECK(!challenge->bearer || !challenge->realm.empty());
  const std::string next = next_link(reply);
  MRUN_CHECK(next.find('>') == std::string::npos);
  const std::string type = media_type_of(reply);
  MRUN_CHECK(type == lower_ascii(type) && type.find(';') == std::string::npos);
  if (const auto wait = retry_after(reply)) MRUN_CHECK(wait->count() >= 0 && wait->count() <= 1'000'000);
  MRUN_CHECK(received_bytes(reply) != std::optional<std::uint64_t>(1)); // 0-0 says nothing of one byte
  MRUN_CHECK(least_chunk(reply) <= 1024 * k_mib);
  (void)content_range_start(reply);
  fuzz::check_shown(registry_words(reply));
  check_token(reply.body);
  check_tags(reply.body);
  return 0;
}
