// The documents name every route and every limit, and no route that is not there.
#include <algorithm>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "common/fd.h"
#include "common/text.h"
#include "daemon/endpoints/endpoints.h"

using namespace mrun;

namespace {

std::string source_text(const std::string& path) {
  auto text = read_file(std::string(MRUN_SOURCE_DIR) + "/" + path, 1 * k_mib, ErrorCode::io, ErrorCode::io);
  REQUIRE(text.has_value());
  return *text;
}

} // namespace

TEST_CASE("docs/api.md has a heading for each route and no other") {
  const std::string text = source_text("docs/api.md");
  std::vector<std::string> documented;
  for (const std::string_view line : split(text, '\n'))
    if (line.starts_with("### `")) documented.emplace_back(line.substr(5, line.rfind('`') - 5));
  std::vector<std::string> served;
  for (const Route& route : all_routes())
    served.push_back(fmt::format("{} {}", route.method, route.pattern));
  std::sort(documented.begin(), documented.end());
  std::sort(served.begin(), served.end());
  CHECK(documented == served);
}

TEST_CASE("docs/limits.md names each limit of common/limits.h") {
  const std::string document = source_text("docs/limits.md");
  const std::string header = source_text("common/limits.h");
  for (const std::string_view line : split(header, '\n')) {
    const std::size_t begin = line.find(" k_");
    if (!line.starts_with("inline constexpr") || begin == std::string_view::npos) continue;
    const std::string name(line.substr(begin + 1, line.find_first_of(" ={", begin + 1) - begin - 1));
    if (name == "k_kib" || name == "k_mib") continue;
    CHECK_MESSAGE(document.find(fmt::format("`{}`", name)) != std::string::npos, name);
  }
}
