#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "common/text.h"
#include "runtime/steps/step.h"

namespace mrun {
namespace {

// The name that a step's `to` gives to the next step; for a map (tokenize) that of its first value.
Result<std::string> target_name(const Json& step, std::size_t number) {
  const auto to = step.find("to");
  if (to == step.end() || to->is_null())
    return fmt::format("#{}", number); // can't clash: manifests can't write such a name
  const Json& name =
      to->is_object() && !to->empty() ? (to->contains("ids") ? to->at("ids") : *to->begin()) : *to;
  if (!name.is_string() || name.get_ref<const std::string&>().empty())
    return fail(ErrorCode::manifest_step, fmt::format("step {}: `to` is {}, a name is needed", number,
                                                      printable(canonical_json(*to), 60)));
  return name.get<std::string>();
}

Result<std::string> step_name(const Json& step, std::size_t number) {
  const auto name = step.is_object() ? step.find("step") : step.end();
  if (!step.is_object() || name == step.end() || !name->is_string())
    return fail(ErrorCode::manifest_step, fmt::format("step {} has no `step:` with the step's name", number));
  return name->get<std::string>();
}

const StepRow* known_step(const std::string& name, std::string& hint) {
  if (const StepRow* row = find_step(name)) return row;
  std::vector<std::string> names;
  for (const StepRow& row : step_rows())
    names.emplace_back(row.name);
  const std::string near = nearest(name, names);
  hint = near.empty() ? fmt::format("the steps are `{}`", fmt::join(names, "`, `"))
                      : fmt::format("did you mean `{}`?", near);
  return nullptr;
}

bool is_graph_input(std::string_view name) {
  return name.starts_with("in.");
}

void add_batch_axis(Tensor& tensor) {
  std::vector<std::int64_t> shape = tensor.shape();
  shape.insert(shape.begin(), 1);
  tensor.reshape(std::move(shape));
}

void drop_batch_axis(Tensor& tensor) {
  if (!tensor.shape().empty() && tensor.shape().front() == 1)
    tensor.reshape({tensor.shape().begin() + 1, tensor.shape().end()});
}

constexpr std::size_t k_longest_fusion = 3; // steps

// Whether a string anywhere in `json` is `name`, so that it may be read under it.
bool mentions(const Json& json, std::string_view name) {
  if (json.is_string()) {
    const std::string_view text = json.get_ref<const std::string&>();
    return text == name || (text.starts_with('$') && text.substr(1) == name);
  }
  return json.is_structured() &&
         std::any_of(json.begin(), json.end(), [&](const Json& item) { return mentions(item, name); });
}

// A value that only the steps between its writer and the last of a fusion may see.
bool is_temporary(std::string_view name) {
  return !is_graph_input(name) && name != "output";
}

} // namespace

Result<Pipeline> Pipeline::make(const Json& steps, StepFiles& files, std::string first_from,
                                const Json& read_later) {
  if (!steps.is_array()) return fail(ErrorCode::manifest_step, "the steps are not a list");
  Pipeline pipeline;
  std::string previous = std::move(first_from);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Json& step = steps[i];
    MRUN_ASSIGN(std::string name, step_name(step, i + 1));
    std::string hint;
    const StepRow* row = known_step(name, hint);
    if (row == nullptr)
      return fail(ErrorCode::manifest_step,
                  fmt::format("step {}: there is no step `{}`", i + 1, printable(name, 60)), hint);
    const auto from = step.find("from");
    if (from != step.end() && !from->is_string())
      return fail(ErrorCode::manifest_step, fmt::format("step {} ({}): `from` is not a name", i + 1, name));
    MRUN_ASSIGN(std::string to, target_name(step, i + 1));
    const StepOptions options{step, from != step.end() ? from->get<std::string>() : previous, to};
    if (options.from.empty())
      return fail(ErrorCode::manifest_step, fmt::format("step {} ({}) needs `from`", i + 1, name));
    auto made = row->make(options, files);
    if (!made)
      return tl::unexpected(std::move(made).error().with_note(fmt::format("in step {} ({})", i + 1, name)));
    pipeline.m_steps.push_back({std::move(name), *std::move(made), options.from, to});
    previous = std::move(to);
  }
  pipeline.fuse(steps, read_later);
  return pipeline;
}

// Looks for runs of steps, the longest first, whose values in between nobody else reads.
void Pipeline::fuse(const Json& steps, const Json& read_later) {
  for (std::size_t begin = 0; begin < m_steps.size(); ++begin)
    for (std::size_t length = std::min(k_longest_fusion, m_steps.size() - begin); length > 1; --length) {
      const std::size_t last = begin + length - 1;
      const auto hidden = [&](std::size_t i) {
        const std::string& name = m_steps[i].to;
        if (name != m_steps[i + 1].from || !is_temporary(name) || mentions(read_later, name)) return false;
        return std::none_of(steps.begin() + static_cast<std::ptrdiff_t>(last) + 1, steps.end(),
                            [&](const Json& step) { return mentions(step, name); });
      };
      std::vector<const Step*> before;
      for (std::size_t i = begin; i < last && hidden(i); ++i)
        before.push_back(m_steps[i].step.get());
      if (before.size() + 1 < length) continue;
      m_steps[begin].fused = m_steps[last].step->fuse(before);
      if (m_steps[begin].fused == nullptr) continue;
      m_steps[begin].fused_steps = length;
      begin = last;
      break;
    }
}

std::size_t Pipeline::fused_count() const {
  return static_cast<std::size_t>(std::count_if(m_steps.begin(), m_steps.end(),
                                                [](const Entry& entry) { return entry.fused != nullptr; }));
}

Result<void> Pipeline::run(StepContext& context) const {
  std::set<std::string> given;
  for (const auto& [name, value] : context.values)
    if (is_graph_input(name)) given.insert(name);
  const auto noted = [this](Error error, std::size_t i) {
    return tl::unexpected(std::move(error).with_note(fmt::format("in step {} ({})", i + 1, m_steps[i].name)));
  };
  for (std::size_t i = 0; i < m_steps.size(); ++i) {
    const Entry& entry = m_steps[i];
    if (entry.fused != nullptr) {
      const std::size_t last = i + entry.fused_steps - 1;
      auto done = entry.fused->run(context);
      if (!done) return noted(std::move(done).error(), last);
      if (*done) {
        i = last;
        continue;
      }
    }
    if (auto result = entry.step->run(context); !result) return noted(std::move(result).error(), i);
  }
  // Steps before the graph work on one example; the graph gets a batch of one. What steps after the graph
  // leave as the output is that one example again.
  for (auto& [name, value] : context.values)
    if (Tensor* tensor = std::get_if<Tensor>(&value)) {
      if (is_graph_input(name) && !given.contains(name))
        add_batch_axis(*tensor);
      else if (name == "output")
        drop_batch_axis(*tensor);
    }
  return {};
}

} // namespace mrun
