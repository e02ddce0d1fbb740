#include "daemon/app/config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <map>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "common/text.h"
#include "cost/own_rate.h"
#include "packager/config_file.h"
#include "packager/reference.h"

namespace mrun {
namespace {

constexpr std::int64_t k_max_queue = 100'000;
constexpr std::uint64_t k_max_time_ms = 7ULL * 24 * 3600 * 1000;

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr std::array<Unit, 8> k_size_units = {{{"", 1},
                                               {"KiB", k_kib},
                                               {"MiB", k_mib},
                                               {"GiB", 1024 * k_mib},
                                               {"TiB", std::uint64_t{1024} * 1024 * k_mib},
                                               {"KB", 1000},
                                               {"MB", 1'000'000},
                                               {"GB", 1'000'000'000}}};
constexpr std::array<Unit, 4> k_time_units = {{{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};

// A whole number and one of the units; false for anything else or an overflow.
template<std::size_t Count>
bool with_unit(std::string_view text, const std::array<Unit, Count>& units, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return false;
  const std::string_view name =
      trim(std::string_view(end, static_cast<std::size_t>(text.data() + text.size() - end)));
  for (const Unit& unit : units)
    if (unit.name == name) {
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / unit.factor)
        return false;
      value *= unit.factor;
      return true;
    }
  return false;
}

class ConfigReader {
 public:
  explicit ConfigReader(std::string_view file_name) : m_file_name(file_name) {}

  Result<DaemonConfig> read(const YamlNode& root) const {
    DaemonConfig config;
    if (root.kind == YamlNode::Kind::null) return config;
    MRUN_ASSIGN(SharingConfig sharing, read_sharing_config(root, m_file_name));
    config.registry = std::move(sharing.registry);
    for (std::size_t i = 0; i < root.keys.size(); ++i)
      MRUN_TRY(value(root.keys[i].text, root.items[i], config));
    return config;
  }

 private:
  tl::unexpected<Error> refuse(const YamlNode& node, std::string_view message, std::string hint = {}) const {
    return fail_at(m_file_name, node.place, ErrorCode::config_invalid, message, std::move(hint));
  }

  Result<void> value(const std::string& key, const YamlNode& node, DaemonConfig& config) const {
    if (key == "registry" || key == "require_signature" || key == "token_servers")
      return {}; // read_sharing_config() has read them
    if (key == "cost") {
      MRUN_ASSIGN(config.cost, read_own_rate(node, m_file_name));
      return {};
    }
    if (key == "cost_reference") return cost_reference(node, config);
    if (key == "models") return models(node, config);
    if (key == "listen" || key == "allow_hosts") return each(node, key, config.listen);
    if (node.kind != YamlNode::Kind::scalar)
      return refuse(node, fmt::format("`{}` is not a single value", key));
    if (key == "torch_dir") return torch_dir(node, config);
    if (key == "zygote") return boolean(key, node, config.zygote);
    if (key == "insecure_plaintext") return boolean(key, node, config.listen.insecure_plaintext);
    std::uint64_t number = 0;
    if (key == "memory_budget") {
      if (!with_unit(node.text, k_size_units, number) || number == 0)
        return refuse(node, "`memory_budget` is not a size such as 6GiB");
      config.memory_budget_bytes = number;
      return {};
    }
    if (key == "max_queue") {
      if (!with_unit(node.text, std::array<Unit, 1>{{{"", 1}}}, number) || number < 1 || number > k_max_queue)
        return refuse(node, fmt::format("`max_queue` is not a number from 1 to {}", k_max_queue));
      config.max_queue = number;
      return {};
    }
    if (!with_unit(node.text, k_time_units, number) && node.text != "0")
      return refuse(node, fmt::format("`{}` is not a time such as 30s or 10m", key));
    if (number > k_max_time_ms) return refuse(node, fmt::format("`{}` is longer than 7 days", key));
    if (key == "idle_unload")
      config.idle_unload = std::chrono::seconds((number + 999) / 1000);
    else
      config.drain_timeout = std::chrono::milliseconds(number);
    return {};
  }

  Result<void> torch_dir(const YamlNode& node, DaemonConfig& config) const {
    if (!node.text.starts_with('/')) return refuse(node, "`torch_dir` is not an absolute path");
    config.torch_dir = node.text;
    return {};
  }

  Result<void> models(const YamlNode& node, DaemonConfig& config) const {
    if (node.kind != YamlNode::Kind::map)
      return refuse(node, "`models` has no models", "write models: {owner/name: {instances: 2}}");
    for (std::size_t i = 0; i < node.keys.size(); ++i) {
      if (const std::string problem = model_name_problem(node.keys[i].text); !problem.empty())
        return fail_at(m_file_name, node.keys[i].place, ErrorCode::config_invalid,
                       fmt::format("`{}` {}", printable(node.keys[i].text, 100), problem));
      MRUN_TRY(model_settings(node.items[i], config.models[node.keys[i].text]));
    }
    return {};
  }

  Result<void> model_settings(const YamlNode& node, ModelSettings& out) const {
    static constexpr std::string_view k_members[] = {"instances", "threads", "pinned"};
    MRUN_TRY(check_config_keys(m_file_name, node, "a model", k_members));
    if (const YamlNode* member = node.find("instances"))
      MRUN_TRY(whole(*member, "instances", k_max_instances, out.instances));
    if (const YamlNode* member = node.find("threads"))
      MRUN_TRY(whole(*member, "threads", k_max_worker_threads, out.threads));
    if (const YamlNode* member = node.find("pinned")) MRUN_TRY(boolean("pinned", *member, out.pinned));
    return {};
  }

  Result<void> whole(const YamlNode& node, std::string_view key, int most, int& out) const {
    std::uint64_t number = 0;
    if (node.kind != YamlNode::Kind::scalar ||
        !with_unit(node.text, std::array<Unit, 1>{{{"", 1}}}, number) || number < 1 ||
        number > static_cast<std::uint64_t>(most))
      return refuse(node, fmt::format("`{}` is not a number from 1 to {}", key, most));
    out = static_cast<int>(number);
    return {};
  }

  Result<void> boolean(std::string_view key, const YamlNode& node, bool& out) const {
    if (node.kind != YamlNode::Kind::scalar || node.quoted || (node.text != "true" && node.text != "false"))
      return refuse(node, fmt::format("`{}` is neither true nor false", key));
    out = node.text == "true";
    return {};
  }

  // One address or name, or a list of them.
  Result<void> each(const YamlNode& node, std::string_view key, ListenSettings& listen) const {
    if (node.kind == YamlNode::Kind::scalar) return one_of(node, key, listen);
    if (node.kind != YamlNode::Kind::sequence)
      return refuse(node, fmt::format("`{}` is neither a value nor a list of values", key));
    for (const YamlNode& item : node.items)
      MRUN_TRY(one_of(item, key, listen));
    return {};
  }

  Result<void> one_of(const YamlNode& node, std::string_view key, ListenSettings& listen) const {
    ListenSettings more;
    if (key == "listen") {
      const Result<TcpAddress> address = parse_tcp_address(node.text);
      if (!address) return refuse(node, address.error().message, address.error().hint);
      more.addresses.push_back(*address);
    } else {
      const Result<std::string> name = parse_host_name(node.text);
      if (!name) return refuse(node, name.error().message, name.error().hint);
      more.host_names.push_back(*name);
    }
    if (const Result<void> added = listen.add(more); !added) return refuse(node, added.error().message);
    return {};
  }

  Result<void> need_scalars(const YamlNode& node, std::string_view what, std::string_view example,
                            std::span<const std::string_view> members) const {
    for (const std::string_view key : members)
      if (const YamlNode* member = node.find(key);
          member == nullptr || member->kind != YamlNode::Kind::scalar || member->text.empty())
        return refuse(node, fmt::format("`{}` has no `{}`", what, key), fmt::format("write {}", example));
    return {};
  }

  Result<void> cost_reference(const YamlNode& node, DaemonConfig& config) const {
    static constexpr std::string_view k_members[] = {"provider", "sku", "product"};
    MRUN_TRY(check_config_keys(m_file_name, node, "`cost_reference`", k_members));
    MRUN_TRY(need_scalars(node, "cost_reference",
                          "cost_reference: {provider: replicate, sku: \"T4 16GB\", product: public}",
                          std::span(k_members).first(2)));
    PriceName name{node.find("provider")->text, node.find("sku")->text, ""};
    if (const YamlNode* product = node.find("product")) {
      if (product->kind != YamlNode::Kind::scalar) return refuse(*product, "`product` is not a single value");
      name.product = product->text;
    }
    config.cost_reference = std::move(name);
    return {};
  }

  std::string_view m_file_name;
};

} // namespace

Result<DaemonConfig> parse_config(std::string_view text, std::string_view file_name) {
  MRUN_ASSIGN(const YamlNode root, parse_config_tree(text, file_name));
  return ConfigReader(file_name).read(root);
}

Result<DaemonConfig> load_config(const std::string& path) {
  MRUN_ASSIGN(const std::optional<std::string> text, read_config_file(path));
  return text ? parse_config(*text, path) : DaemonConfig();
}

} // namespace mrun
