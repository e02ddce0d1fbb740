#include "packager/interop/model_card.h"

#include <array>
#include <utility>

#include "common/limits.h"
#include "common/text.h"
#include "packager/yaml_tree.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_card_bytes = 1 * k_mib;
constexpr std::size_t k_max_summary_bytes = 300;
constexpr std::string_view k_fence = "---";

// Hugging Face's identifiers (hub-docs: repositories-licenses) that SPDX writes differently, beyond their
// case.
constexpr std::array<std::pair<std::string_view, std::string_view>, 31> k_licenses = {
    {{"afl-3.0", "AFL-3.0"},
     {"agpl-3.0", "AGPL-3.0-only"},
     {"apache-2.0", "Apache-2.0"},
     {"artistic-2.0", "Artistic-2.0"},
     {"bsd-2-clause", "BSD-2-Clause"},
     {"bsd-3-clause", "BSD-3-Clause"},
     {"bsd-3-clause-clear", "BSD-3-Clause-Clear"},
     {"bsl-1.0", "BSL-1.0"},
     {"cc0-1.0", "CC0-1.0"},
     {"cc-by-2.0", "CC-BY-2.0"},
     {"cc-by-3.0", "CC-BY-3.0"},
     {"cc-by-4.0", "CC-BY-4.0"},
     {"cc-by-nc-2.0", "CC-BY-NC-2.0"},
     {"cc-by-nc-3.0", "CC-BY-NC-3.0"},
     {"cc-by-nc-4.0", "CC-BY-NC-4.0"},
     {"cc-by-nc-nd-4.0", "CC-BY-NC-ND-4.0"},
     {"cc-by-nc-sa-4.0", "CC-BY-NC-SA-4.0"},
     {"cc-by-nd-4.0", "CC-BY-ND-4.0"},
     {"cc-by-sa-3.0", "CC-BY-SA-3.0"},
     {"cc-by-sa-4.0", "CC-BY-SA-4.0"},
     {"epl-2.0", "EPL-2.0"},
     {"gpl-2.0", "GPL-2.0-only"},
     {"gpl-3.0", "GPL-3.0-only"},
     {"isc", "ISC"},
     {"lgpl-2.1", "LGPL-2.1-only"},
     {"lgpl-3.0", "LGPL-3.0-only"},
     {"mit", "MIT"},
     {"mpl-2.0", "MPL-2.0"},
     {"ofl-1.1", "OFL-1.1"},
     {"unlicense", "Unlicense"},
     {"wtfpl", "WTFPL"}}};

std::string text_of(const YamlNode& map, std::string_view key) {
  const YamlNode* node = map.kind == YamlNode::Kind::map ? map.find(key) : nullptr;
  if (node != nullptr && node->kind == YamlNode::Kind::sequence && node->items.size() == 1)
    node = &node->items[0];
  return node != nullptr && node->kind == YamlNode::Kind::scalar ? node->text : "";
}

// What only SPDX writes so: several licences, or a name with upper-case letters.
bool is_expression(std::string_view text) {
  bool upper = false;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && std::string_view(" .-+():").find(c) == std::string_view::npos) return false;
    upper = upper || (c >= 'A' && c <= 'Z');
  }
  const bool one_word = text.find(' ') == std::string_view::npos;
  const bool joined = text.find(" OR ") != std::string_view::npos ||
                      text.find(" AND ") != std::string_view::npos ||
                      text.find(" WITH ") != std::string_view::npos;
  return text.size() <= 256 && upper && (one_word || joined);
}

// The first paragraph that is prose: no heading, table, list, picture, HTML or code.
std::string first_paragraph(std::string_view text) {
  std::string paragraph;
  for (const std::string_view line : split(text, '\n')) {
    const std::string_view words = trim(line);
    const bool prose =
        !words.empty() && std::string_view("#|<!*-=`>[:+~").find(words[0]) == std::string_view::npos;
    if (!prose && !paragraph.empty()) break;
    if (!prose) continue;
    if (paragraph.size() + words.size() > k_max_summary_bytes) break;
    paragraph += (paragraph.empty() ? "" : " ") + std::string(words);
  }
  return paragraph;
}

} // namespace

std::string spdx_license(std::string_view name) {
  const std::string key = lower_ascii(trim(name));
  if (key.empty() || key == "other" || key == "unknown" || key == "none") return {};
  for (const auto& [known, spdx] : k_licenses)
    if (key == known || key == lower_ascii(spdx)) return std::string(spdx);
  if (is_expression(trim(name))) return std::string(trim(name));
  std::string reference = "LicenseRef-";
  for (const char c : key) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    reference += plain ? c : '-';
  }
  return reference.size() <= 100 ? reference : "";
}

ModelCard read_model_card(std::string_view markdown) {
  ModelCard card;
  if (markdown.size() > k_max_card_bytes || !is_valid_utf8(markdown)) return card;
  std::string_view body = markdown;
  if (markdown.starts_with("---\n") || markdown.starts_with("---\r\n")) {
    const std::size_t end = markdown.find("\n---", k_fence.size());
    if (end == std::string_view::npos) return card;
    const std::string_view front = markdown.substr(k_fence.size(), end - k_fence.size() + 1);
    body = markdown.substr(end + 1 + k_fence.size());
    const Result<YamlNode> root =
        parse_yaml(front, "README.md", {ErrorCode::manifest_syntax, ErrorCode::manifest_limit});
    if (root) {
      card.license = spdx_license(text_of(*root, "license"));
      if (card.license.empty()) card.license = spdx_license(text_of(*root, "license_name"));
      card.task = text_of(*root, "pipeline_tag");
    }
  }
  card.summary = first_paragraph(body);
  return card;
}

} // namespace mrun
