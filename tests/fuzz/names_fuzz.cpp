// References, paths, digests and globs.
#include <algorithm>

#include "common/digest.h"
#include "common/text.h"
#include "packager/glob.h"
#include "packager/reference.h"
#include "packager/remote_name.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

void check_reference(std::string_view text) {
  const auto reference = Reference::parse(text);
  if (!reference) return fuzz::check_error(reference.error());
  const auto again = Reference::parse(reference->text());
  MRUN_CHECK(again.has_value() && again->text() == reference->text() && again->model() == reference->model());
  if (!reference->has_name()) return;
  // What may become a part of a URL or of the index.
  MRUN_CHECK(reference->model().find_first_of("\\?#% \t\n") == std::string::npos);
  if (reference->host.empty()) {
    MRUN_CHECK(model_name_problem(reference->model()).empty());
    return;
  }
  MRUN_CHECK(SafePath::parse(repository_of(*reference)).has_value());
  MRUN_CHECK(model_name_problem(local_reference(*reference).model()).empty());
}

void check_digest(std::string_view text) {
  const auto digest = Digest::parse(text);
  if (digest)
    MRUN_CHECK(digest->text() == text && Digest::parse_hex(digest->hex()) == *digest);
  else
    fuzz::check_error(digest.error());
  MRUN_CHECK(!Digest::parse_hex(text) || is_digest_prefix(text));
}

void check_glob(std::string_view pattern, const SafePath& path) {
  if (!glob_problem(pattern).empty()) return;
  const bool matches = glob_match(pattern, path.text());
  if (!is_glob(pattern)) MRUN_CHECK(matches == (pattern == path.text()));
  if (!matches) return;
  for (std::size_t slash = path.text().find('/'); slash != std::string::npos;
       slash = path.text().find('/', slash + 1))
    MRUN_CHECK(glob_may_match_below(pattern, path.text().substr(0, slash)));
}

void check_encodings(std::string_view text) {
  std::string bytes;
  MRUN_CHECK(base64_decode(base64_encode(text), bytes) && bytes == text);
  if (base64_decode(text, bytes)) MRUN_CHECK(base64_encode(bytes).size() == text.size());
  fuzz::check_shown(printable(text, 100));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::string_view> texts = fuzz::texts_of(fuzz::text_of(data, size), 2);
  check_reference(texts[0]);
  check_digest(texts[0]);
  check_encodings(texts[0]);
  MRUN_CHECK(model_name_problem(model_name_of(texts[0], texts[1])).empty());
  const auto path = SafePath::parse(texts[1]);
  if (!path) {
    fuzz::check_error(path.error());
    return 0;
  }
  fuzz::check_path(*path);
  check_glob(texts[0], *path);
  return 0;
}
