#include "cost/own_rate.h"

#include <array>

#include <fmt/format.h>

#include "common/text.h"
#include "packager/config_file.h"

namespace mrun {
namespace {

class OwnRateReader {
 public:
  explicit OwnRateReader(std::string_view file_name) : m_file_name(file_name) {}

  Result<OwnRate> read(const YamlNode& node) const {
    static constexpr std::string_view k_members[] = {"rate", "per", "currency", "idle_rate", "basis"};
    MRUN_TRY(check_config_keys(m_file_name, node, "`cost`", k_members));
    MRUN_TRY(need_scalars(node, std::span(k_members).first(3)));
    OwnRate own;
    MRUN_ASSIGN(own.rate, amount(*node.find("rate")));
    own.per = node.find("per")->text;
    own.currency = node.find("currency")->text;
    if (own.per != "instance_h" && own.per != "instance_s")
      return refuse(*node.find("per"), "`per` is neither instance_h nor instance_s");
    if (own.currency.size() != 3 ||
        own.currency.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string::npos)
      return refuse(*node.find("currency"), "`currency` is not a code such as USD (ISO 4217)");
    if (const YamlNode* idle = node.find("idle_rate")) {
      MRUN_ASSIGN(own.idle_rate, amount(*idle));
    }
    if (const YamlNode* basis = node.find("basis")) {
      MRUN_ASSIGN(own.basis, scalars(*basis));
    }
    return own;
  }

 private:
  tl::unexpected<Error> refuse(const YamlNode& node, std::string_view message, std::string hint = {}) const {
    return fail_at(m_file_name, node.place, ErrorCode::config_invalid, message, std::move(hint));
  }

  Result<void> need_scalars(const YamlNode& node, std::span<const std::string_view> members) const {
    for (const std::string_view key : members)
      if (const YamlNode* member = node.find(key);
          member == nullptr || member->kind != YamlNode::Kind::scalar || member->text.empty())
        return refuse(node, fmt::format("`cost` has no `{}`", key),
                      "write cost: {rate: \"0.36\", per: instance_h, currency: USD}");
    return {};
  }

  // The text of the file itself, quoted or not: it never becomes a binary float.
  Result<Money> amount(const YamlNode& node) const {
    if (node.kind != YamlNode::Kind::scalar) return refuse(node, "a rate is a single value");
    Result<Money> rate = Money::parse(node.text, ErrorCode::config_invalid);
    if (!rate) return refuse(node, rate.error().message, rate.error().hint);
    return rate;
  }

  // How the rate came about.
  Result<std::map<std::string, std::string>> scalars(const YamlNode& node) const {
    if (node.kind != YamlNode::Kind::map) return refuse(node, "`basis` is not a map of keys");
    std::map<std::string, std::string> texts;
    for (std::size_t i = 0; i < node.keys.size(); ++i) {
      if (node.items[i].kind != YamlNode::Kind::scalar)
        return refuse(node.items[i],
                      fmt::format("`{}` is not a single value", printable(node.keys[i].text, 60)));
      texts[node.keys[i].text] = node.items[i].text;
    }
    return texts;
  }

  std::string_view m_file_name;
};

} // namespace

Result<OwnRate> read_own_rate(const YamlNode& node, std::string_view file_name) {
  return OwnRateReader(file_name).read(node);
}

Result<std::optional<OwnRate>> load_own_rate(const std::string& path) {
  MRUN_ASSIGN(const std::optional<std::string> text, read_config_file(path));
  if (!text) return std::optional<OwnRate>();
  MRUN_ASSIGN(const YamlNode root, parse_config_tree(*text, path));
  const YamlNode* cost = root.kind == YamlNode::Kind::map ? root.find("cost") : nullptr;
  if (cost == nullptr) return std::optional<OwnRate>();
  MRUN_ASSIGN(OwnRate rate, read_own_rate(*cost, path));
  return std::optional(std::move(rate));
}

} // namespace mrun
