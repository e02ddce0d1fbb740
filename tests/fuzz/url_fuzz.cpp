// URLs that a registry chooses: what is taken names one origin, whoever reads it.
#include <algorithm>

#include "common/text.h"
#include "packager/registry/url.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

void check_url(const Url& url) {
  MRUN_CHECK(url.scheme == "https" || url.scheme == "http");
  MRUN_CHECK(!url.host.empty() && url.host == lower_ascii(url.host));
  MRUN_CHECK(url.host.find_first_of("/?#@\\") == std::string::npos);
  MRUN_CHECK(!url.port.empty() && url.port.find_first_not_of("0123456789") == std::string::npos);
  MRUN_CHECK(url.path.starts_with('/'));
  const std::string text = url.text();
  MRUN_CHECK(std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; }));
  const auto again = Url::parse(text);
  MRUN_CHECK(again.has_value() && again->same_origin(url) && again->text() == text);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::string_view> texts = fuzz::texts_of(fuzz::text_of(data, size), 2);
  const auto base = Url::parse(texts[0]);
  if (!base) {
    fuzz::check_error(base.error());
    return 0;
  }
  check_url(*base);
  const auto next = base->resolve(texts[1]);
  if (next)
    check_url(*next);
  else
    fuzz::check_error(next.error());
  return 0;
}
