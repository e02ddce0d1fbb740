#include "packager/signature_rule.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "common/text.h"
#include "packager/config_file.h"
#include "packager/registry_host.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_rules = 1000;
constexpr std::size_t k_max_keys = 16; // of a rule: each costs a check of each signature
constexpr std::size_t k_max_pattern_bytes = 255;
constexpr std::string_view k_how =
    "write require_signature: {ghcr.io/acme: [acme.pub]}; docs/signing.md has all forms";

// `*` is any run of characters; one point of return, so that it is at worst quadratic.
bool fits(std::string_view pattern, std::string_view text) {
  std::size_t star = std::string_view::npos; // the last one met, and where it ends in the text
  std::size_t star_end = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      star_end = i;
    } else if (at < pattern.size() && pattern[at] == text[i]) {
      ++at;
      ++i;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      i = ++star_end;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

std::string pattern_problem(std::string_view pattern) {
  if (pattern.empty() || pattern.size() > k_max_pattern_bytes) return "is empty or too long";
  for (const std::string_view part : split(pattern, '/'))
    if (part.empty()) return "has an empty part";
  if (pattern.find("**") != std::string_view::npos) return "has `**`: `*` is any text within a part";
  if (std::count(pattern.begin(), pattern.end(), '*') > 8) return "has more than 8 `*`";
  const std::string_view allowed = "abcdefghijklmnopqrstuvwxyz0123456789._-:[]/*";
  if (pattern.find_first_not_of(allowed) != std::string_view::npos)
    return "has a character that no host or owner has";
  const std::string_view host = split(pattern, '/').front();
  if (host.find_first_of(".:*") == std::string_view::npos && host != "localhost")
    return "does not begin with a host";
  return {};
}

class RuleReader {
 public:
  explicit RuleReader(std::string_view file_name) : m_file_name(file_name) {}

  Result<SignatureRule> read(const YamlNode::Key& key, const YamlNode& node) const {
    if (const std::string problem = pattern_problem(key.text); !problem.empty())
      return fail_at(m_file_name, key.place, ErrorCode::config_invalid,
                     fmt::format("`{}` {}", printable(key.text, 60), problem), std::string(k_how));
    SignatureRule rule{.pattern = key.text, .mode = SignatureMode::enforce, .keys = {}};
    if (node.kind == YamlNode::Kind::sequence) {
      MRUN_TRY(keys(node, rule));
    } else if (node.kind == YamlNode::Kind::map) {
      MRUN_TRY(long_form(node, rule));
    } else {
      MRUN_TRY(mode(node, rule));
    }
    if (rule.mode != SignatureMode::off && rule.keys.empty())
      return refuse(node, fmt::format("the rule of `{}` has no keys", printable(key.text, 60)));
    return rule;
  }

 private:
  tl::unexpected<Error> refuse(const YamlNode& node, std::string_view message) const {
    return fail_at(m_file_name, node.place, ErrorCode::config_invalid, message, std::string(k_how));
  }

  Result<void> long_form(const YamlNode& node, SignatureRule& rule) const {
    static constexpr std::string_view k_members[] = {"mode", "keys"};
    MRUN_TRY(check_config_keys(m_file_name, node, "a rule of `require_signature`", k_members));
    if (const YamlNode* list = node.find("keys")) MRUN_TRY(keys(*list, rule));
    if (const YamlNode* word = node.find("mode")) MRUN_TRY(mode(*word, rule));
    return {};
  }

  Result<void> mode(const YamlNode& node, SignatureRule& rule) const {
    if (node.kind != YamlNode::Kind::scalar ||
        (node.text != "off" && node.text != "warn" && node.text != "enforce"))
      return refuse(node, "it is none of off, warn and enforce");
    rule.mode = node.text == "off"    ? SignatureMode::off
                : node.text == "warn" ? SignatureMode::warn
                                      : SignatureMode::enforce;
    return {};
  }

  Result<void> keys(const YamlNode& node, SignatureRule& rule) const {
    if (node.kind != YamlNode::Kind::sequence) return refuse(node, "`keys` is not a list");
    if (node.items.size() > k_max_keys) return refuse(node, fmt::format("more than {} keys", k_max_keys));
    for (const YamlNode& item : node.items) {
      if (item.kind != YamlNode::Kind::scalar || item.text.empty())
        return refuse(item, "a key is neither a file nor a PEM text");
      if (item.text.starts_with("-----BEGIN "))
        rule.keys.push_back(item.text);
      else
        rule.keys.push_back((std::filesystem::path(m_file_name).parent_path() / item.text).string());
    }
    return {};
  }

  std::string_view m_file_name;
};

} // namespace

Result<std::vector<SignatureRule>> read_signature_rules(const YamlNode& node, std::string_view file_name) {
  std::vector<SignatureRule> rules;
  if (node.kind != YamlNode::Kind::map || node.keys.size() > k_max_rules)
    return fail_at(file_name, node.place, ErrorCode::config_invalid,
                   "`require_signature` is not a map of owners", std::string(k_how));
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    MRUN_ASSIGN(SignatureRule rule, RuleReader(file_name).read(node.keys[i], node.items[i]));
    rules.push_back(std::move(rule));
  }
  return rules;
}

const SignatureRule* rule_for(const std::vector<SignatureRule>& rules, std::string_view host,
                              std::string_view repository) {
  const std::string name = fmt::format("{}/{}", canonical_host(host), repository);
  const std::vector<std::string_view> parts = split(name, '/');
  for (const SignatureRule& rule : rules) {
    const std::vector<std::string_view> wanted = split(rule.pattern, '/');
    if (wanted.size() > parts.size() || !fits(canonical_host(wanted[0]), parts[0])) continue;
    if (std::equal(wanted.begin() + 1, wanted.end(), parts.begin() + 1, fits)) return &rule;
  }
  return nullptr;
}

} // namespace mrun
