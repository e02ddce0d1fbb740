#include "daemon/app/describe.h"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include <fmt/format.h>

#include "common/build_info.h"
#include "common/machine.h"
#include "common/text.h"
#include "daemon/app/config.h"
#include "daemon/app/machine.h"
#include "daemon/runner/devices.h"
#include "daemon/state/sqlite.h"
#include "packager/config_file.h"

namespace mrun {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view k_version_line = "__version__ = '";

// The daemon's own, as text for people; a key that is not here has none.
std::map<std::string_view, std::string> defaults() {
  const DaemonConfig fresh;
  return {{"memory_budget", format_bytes(default_memory_budget_bytes())},
          {"max_queue", fmt::format("{}", fresh.max_queue)},
          {"idle_unload", "0"},
          {"drain_timeout", format_duration(std::chrono::nanoseconds(fresh.drain_timeout).count())},
          {"zygote", "true"},
          {"insecure_plaintext", "false"}};
}

Json value_of(const YamlNode& node, std::string_view file) {
  if (node.kind == YamlNode::Kind::scalar) return node.text;
  const Result<Json> value = yaml_to_json(node, file, ErrorCode::config_invalid);
  return value ? *value : Json(nullptr);
}

Json describe_config(const std::string& file) {
  Json described = {{"file", file}, {"is_there", false}, {"error", nullptr}, {"values", Json::array()}};
  YamlNode root;
  const auto text = read_config_file(file);
  const std::string name = fs::path(file).filename().string();
  const auto note = [&](const Error& error) {
    described["error"] = {{"message", error.message}, {"hint", std::string(error.help())}};
  };
  if (!text) note(text.error());
  if (text && *text) {
    described["is_there"] = true;
    if (const auto parsed = parse_config(**text, name); !parsed) note(parsed.error());
    if (const auto tree = parse_config_tree(**text, name); tree) root = *tree;
  }
  const std::map<std::string_view, std::string> fallback = defaults();
  for (const std::string_view key : k_config_keys) {
    Json row = {{"key", key}, {"value", nullptr}, {"origin", "default"}};
    if (const auto own = fallback.find(key); own != fallback.end()) row["value"] = own->second;
    for (std::size_t i = 0; root.kind == YamlNode::Kind::map && i < root.keys.size(); ++i)
      if (root.keys[i].text == key) {
        row["value"] = value_of(root.items[i], name);
        row["origin"] = fmt::format("{}:{}", name, root.keys[i].place.line);
      }
    described["values"].push_back(std::move(row));
  }
  return described;
}

// Of the wheel's version.py, which costs no start of Python.
Json version_of(const fs::path& torch) {
  std::ifstream file(torch / "version.py");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(k_version_line))
      return line.substr(k_version_line.size(), line.rfind('\'') - k_version_line.size());
  return nullptr;
}

Json describe_torch(const InstallPaths& install, Json& config) {
  std::string configured, origin = "found";
  for (Json& row : config["values"])
    if (row["key"] == "torch_dir" && row["origin"] != "default" && row["value"].is_string()) {
      configured = row["value"].get<std::string>();
      origin = row["origin"].get<std::string>();
    }
  if (const char* given = std::getenv("MRUN_TORCH_DIR"); given != nullptr && given[0] == '/')
    origin = "MRUN_TORCH_DIR";
  const std::string folder = find_torch(install, configured);
  for (Json& row : config["values"])
    if (row["key"] == "torch_dir" && !folder.empty()) {
      row["value"] = folder;
      row["origin"] = origin;
    }
  std::error_code ignored;
  const bool is_usable = !folder.empty() && fs::exists(fs::path(folder) / "lib/libtorch_cpu.so", ignored);
  return {{"dir", folder.empty() ? Json(nullptr) : Json(folder)},
          {"origin", folder.empty() ? Json(nullptr) : Json(origin)},
          {"usable", is_usable},
          {"version", is_usable ? version_of(folder) : Json(nullptr)},
          {"cuda", is_usable && fs::exists(fs::path(folder) / "lib/libtorch_cuda.so", ignored)}};
}

Json describe_machine() {
  std::ifstream file("/proc/driver/nvidia/version");
  std::string driver;
  std::getline(file, driver);
  return {{"cores", usable_cores()},
          {"memory_budget_bytes", default_memory_budget_bytes()},
          {"gpus", count_gpus("/dev")},
          {"driver", driver.empty() ? Json(nullptr) : Json(driver)}};
}

Json describe_database(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return {{"state", "absent"}, {"message", nullptr}};
  const auto check = [&]() -> Result<std::string> {
    MRUN_ASSIGN(Sqlite database, Sqlite::open(path.string(), true));
    return database.text("PRAGMA quick_check(1)");
  }();
  if (check && *check == "ok") return {{"state", "ok"}, {"message", nullptr}};
  return {{"state", "damaged"}, {"message", check ? printable(*check) : check.error().message}};
}

} // namespace

Json describe(const HomePaths& home, const InstallPaths& install, const std::string& config_file) {
  Json config = describe_config(config_file.empty() ? home.config_file.string() : config_file);
  Json torch = describe_torch(install, config);
  return {{"schema", "mrun.describe/v1"},
          {"build", build_id()},
          {"paths",
           {{"config", home.config_file.string()},
            {"data", home.data.string()},
            {"state", home.state.string()},
            {"cache", home.cache.string()},
            {"socket", home.socket.string()}}},
          {"config", std::move(config)},
          {"torch", std::move(torch)},
          {"machine", describe_machine()},
          {"database", describe_database(home.database())}};
}

} // namespace mrun
