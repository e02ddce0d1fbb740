// pre and post: which options a step takes, which names it reads and writes, and which files it needs. The
// values of its other options are checked by the runtime, which owns them.
#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "common/text.h"
#include "packager/glob.h"
#include "packager/manifest_reader.h"

namespace mrun {
namespace {

// A step and its options beside `step`, `from` and `to`: those that its runtime/steps/step_NAME.cpp reads.
struct StepRule {
  std::string_view name;
  std::array<std::string_view, 14> options = {}; // the rest is ""
};
constexpr std::array<StepRule, 22> k_steps = {
    {{"decode_image", {"color", "exif"}},
     {"resize", {"shorter_side", "size", "filter", "antialias"}},
     {"center_crop", {"size"}},
     {"normalize", {"mean", "std", "layout", "dtype"}},
     {"decode_audio"},
     {"mono"},
     {"resample", {"rate", "from_rate"}},
     {"log_mel",
      {"sample_rate", "n_fft", "win_length", "hop_length", "f_min", "f_max", "n_mels", "power", "norm",
       "mel_scale", "center", "log", "offset", "top_db"}},
     {"tokenize", {"tokenizer", "max_tokens", "pad", "overflow", "special_tokens", "dtype"}},
     {"softmax", {"axis"}},
     {"top_k", {"k", "labels"}},
     {"mean_pool", {"mask"}},
     {"l2_normalize"},
     {"cast", {"dtype"}},
     {"from_json", {"dtype", "shape"}},
     {"from_npy", {"shape"}},
     {"to_json", {"batch"}},
     {"from_safetensors", {"tensor", "shape"}},
     {"to_npy", {"batch"}},
     {"argmax", {"axis"}},
     {"reshape", {"shape"}},
     {"to_safetensors", {"tensors", "batch"}}}};
// Options that name a file of the bundle, and options that name a value.
constexpr std::array<std::string_view, 2> k_file_options = {"tokenizer", "labels"};
constexpr std::array<std::string_view, 2> k_value_options = {"from", "mask"};
constexpr std::size_t k_max_steps = 256;

bool is_value_name(std::string_view text) {
  const std::vector<std::string_view> parts = split(text, '.');
  const auto is_part = [](std::string_view part) {
    return !part.empty() && part.size() <= 128 && std::all_of(part.begin(), part.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
  };
  return std::all_of(parts.begin(), parts.end(), is_part);
}

class StepReader {
 public:
  StepReader(const ManifestReader& reader, const Manifest& manifest)
      : m_reader(reader),
        m_manifest(manifest) {
    for (const InputSpec& input : manifest.inputs)
      m_inputs.push_back(input.name);
  }

  Result<Json> read_list(const YamlNode& list, bool post) {
    m_post = post;
    m_key = post ? "post" : "pre";
    MRUN_TRY(m_reader.need_sequence(list, fmt::format("`{}`", m_key)));
    if (list.items.size() > k_max_steps)
      return m_reader.refuse(
          list.place, ErrorCode::manifest_limit,
          fmt::format("`{}` has {} steps, at most {} are allowed", m_key, list.items.size(), k_max_steps));
    for (std::size_t i = 0; i < list.items.size(); ++i)
      MRUN_TRY(read_step(list.items[i], i));
    if (post && !list.items.empty() && !m_written.contains("output"))
      return refuse(list.place, "no post step writes `output`", "add `to: output` to the last one");
    return m_reader.json_of(list);
  }

 private:
  tl::unexpected<Error> refuse(YamlPlace place, std::string_view message, std::string hint = {}) const {
    return m_reader.refuse(place, ErrorCode::manifest_step, message, std::move(hint));
  }

  Result<void> read_step(const YamlNode& step, std::size_t index) {
    if (step.kind != YamlNode::Kind::map)
      return refuse(step.place, fmt::format("a {} step is not a mapping (`{{step: NAME, …}}`)", m_key));
    const YamlNode* name_node = step.find("step");
    if (name_node == nullptr)
      return refuse(step.place, fmt::format("a {} step has no `step`", m_key), "add `step: NAME`");
    MRUN_ASSIGN(const std::string name, m_reader.string_of(*name_node, "`step`"));
    const auto rule =
        std::find_if(k_steps.begin(), k_steps.end(), [&](const StepRule& row) { return row.name == name; });
    if (rule == k_steps.end()) {
      std::vector<std::string> names;
      for (const StepRule& row : k_steps)
        names.emplace_back(row.name);
      const std::string near = nearest(name, names);
      return refuse(name_node->place, fmt::format("there is no step `{}`", printable(name, 60)),
                    near.empty() ? "the steps are " + join_names(names)
                                 : fmt::format("the nearest is `{}`", near));
    }
    MRUN_TRY(check_options(step, *rule));
    if (index == 0 && !m_post && step.find("from") == nullptr && m_inputs.size() != 1)
      return refuse(step.place, fmt::format("step `{}` is the first and there are {} inputs: it needs `from`",
                                            name, m_inputs.size()));
    for (std::size_t i = 0; i < step.keys.size(); ++i)
      MRUN_TRY(read_option(name, step.keys[i].text, step.items[i]));
    if (const YamlNode* to = step.find("to")) MRUN_TRY(write_names(name, *to));
    return {};
  }

  Result<void> check_options(const YamlNode& step, const StepRule& rule) const {
    std::vector<std::string> names = {"from", "to"};
    for (const std::string_view option : rule.options)
      if (!option.empty()) names.emplace_back(option);
    for (const YamlNode::Key& key : step.keys) {
      if (key.text == "step" || std::find(names.begin(), names.end(), key.text) != names.end()) continue;
      const std::string near = nearest(key.text, names);
      return refuse(
          key.place, fmt::format("step `{}` has no option `{}`", rule.name, printable(key.text, 60)),
          near.empty() ? "its options are " + join_names(names) : fmt::format("the nearest is `{}`", near));
    }
    return {};
  }

  Result<void> read_option(const std::string& step, const std::string& key, const YamlNode& value) {
    const bool text = value.kind == YamlNode::Kind::scalar;
    if (std::find(k_value_options.begin(), k_value_options.end(), key) != k_value_options.end())
      return read_names(step, key, value);
    if (std::find(k_file_options.begin(), k_file_options.end(), key) != k_file_options.end() && text)
      return check_file(step, key, value);
    if (!text || value.text.size() < 2 || value.text[0] != '$') return {};
    const std::string input = value.text.substr(1);
    if (std::find(m_inputs.begin(), m_inputs.end(), input) == m_inputs.end())
      return refuse(value.place,
                    fmt::format("step `{}`: `{}` is `${}`, but there is no such input", step, key,
                                printable(input, 60)),
                    near_hint(input, m_inputs));
    return {};
  }

  // A name, or a list or mapping of names.
  Result<void> read_names(const std::string& step, const std::string& key, const YamlNode& value) {
    if (value.kind == YamlNode::Kind::sequence || value.kind == YamlNode::Kind::map) {
      for (const YamlNode& item : value.items)
        MRUN_TRY(read_name(step, key, item));
      return {};
    }
    return read_name(step, key, value);
  }

  Result<void> read_name(const std::string& step, const std::string& key, const YamlNode& value) {
    if (value.kind != YamlNode::Kind::scalar || !is_value_name(value.text))
      return refuse(value.place, fmt::format("step `{}`: `{}` is not the name of a value", step, key));
    const std::string& name = value.text;
    const bool from_graph = name.starts_with("out.") && m_post;
    if (from_graph || name.starts_with("in.") || m_written.contains(name) ||
        std::find(m_inputs.begin(), m_inputs.end(), name) != m_inputs.end())
      return {};
    if (name.starts_with("out."))
      return refuse(value.place, fmt::format("step `{}` reads `{}` before the graph has run", step, name));
    std::vector<std::string> known = m_inputs;
    known.insert(known.end(), m_written.begin(), m_written.end());
    return refuse(
        value.place,
        fmt::format("step `{}` reads `{}`, which no input or earlier step makes", step, printable(name, 60)),
        near_hint(name, known));
  }

  Result<void> write_names(const std::string& step, const YamlNode& to) {
    if (to.kind == YamlNode::Kind::map || to.kind == YamlNode::Kind::sequence) {
      for (const YamlNode& item : to.items)
        MRUN_TRY(write_name(step, item));
      return {};
    }
    return write_name(step, to);
  }

  Result<void> write_name(const std::string& step, const YamlNode& value) {
    if (value.kind != YamlNode::Kind::scalar || !is_value_name(value.text))
      return refuse(value.place, fmt::format("step `{}`: `to` is not the name of a value", step));
    const std::string& name = value.text;
    if (std::find(m_inputs.begin(), m_inputs.end(), name) != m_inputs.end())
      return refuse(value.place, fmt::format("step `{}` would overwrite the input `{}`", step, name));
    if (name.starts_with("out.") || (m_post && name.starts_with("in.")))
      return refuse(value.place,
                    fmt::format("step `{}` can't write `{}`, it belongs to the graph", step, name));
    m_written.insert(name);
    return {};
  }

  Result<void> check_file(const std::string& step, const std::string& key, const YamlNode& value) {
    const auto matches = [&](const std::string& glob) { return glob_match(glob, value.text); };
    if (std::any_of(m_manifest.files.begin(), m_manifest.files.end(), matches)) return {};
    return refuse(value.place,
                  fmt::format("step `{}`: `{}` is `{}`, which `files:` does not list", step, key,
                              printable(value.text, 100)),
                  "add it to `files:`");
  }

  static std::string near_hint(const std::string& name, const std::vector<std::string>& known) {
    const std::string near = nearest(name, known);
    if (near.empty()) return known.empty() ? std::string() : "there are " + join_names(known);
    return fmt::format("the nearest is `{}`", near);
  }

  const ManifestReader& m_reader;
  const Manifest& m_manifest;
  std::vector<std::string> m_inputs;
  std::set<std::string> m_written;
  std::string_view m_key;
  bool m_post = false;
};

} // namespace

Result<void> read_steps(const ManifestReader& reader, const YamlNode* pre, const YamlNode* post,
                        Manifest& manifest) {
  StepReader steps(reader, manifest);
  if (pre != nullptr && pre->kind != YamlNode::Kind::null) {
    MRUN_ASSIGN(manifest.pre, steps.read_list(*pre, false));
  }
  if (post != nullptr && post->kind != YamlNode::Kind::null) {
    MRUN_ASSIGN(manifest.post, steps.read_list(*post, true));
  }
  return {};
}

} // namespace mrun
