#include "runtime/media/safetensors.h"
#include "runtime/steps/tensor_json.h"
#include "runtime/steps/tensor_step.h"

namespace mrun {
namespace {

// Names in the file and the values that go there.
using Sources = std::vector<std::pair<std::string, std::string>>;

class ToSafetensors final : public Step {
 public:
  ToSafetensors(const StepOptions& options, Sources sources, bool keep_batch)
      : m_to(options.to),
        m_sources(std::move(sources)),
        m_keep_batch(keep_batch) {}

  Result<void> run(StepContext& context) const override {
    std::vector<std::pair<std::string, Tensor>> tensors;
    for (const auto& [name, from] : m_sources) {
      MRUN_ASSIGN(Tensor tensor, need_tensor(context.values, from));
      tensors.emplace_back(name, m_keep_batch ? tensor : without_batch_axis(std::move(tensor)));
    }
    MRUN_ASSIGN(std::string bytes, write_safetensors(tensors));
    put(context, m_to, MadeFile{"application/x-safetensors", std::move(bytes)});
    return {};
  }

 private:
  std::string m_to;
  Sources m_sources;
  bool m_keep_batch;
};

} // namespace

Result<std::unique_ptr<Step>> make_step_to_safetensors(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_to_safetensors(const StepOptions& options, StepFiles&) {
  const OptionReader reader("to_safetensors", options, {"tensors", "batch"});
  MRUN_TRY(reader.check_names());
  MRUN_ASSIGN(const std::size_t batch, reader.choice("batch", {"drop", "keep"}, "drop"));
  Sources sources;
  if (!reader.has("tensors")) {
    sources.emplace_back("tensor", options.from);
  } else {
    const Json& map = options.options.at("tensors");
    if (!map.is_object() || map.empty())
      return reader.error("option `tensors` is a map from names in the file to values");
    for (const auto& [name, from] : map.items()) {
      if (!from.is_string() || name == "__metadata__")
        return reader.error("option `tensors` is a map from names in the file to values");
      sources.emplace_back(name, from.get<std::string>());
    }
  }
  return std::make_unique<ToSafetensors>(options, std::move(sources), batch == 1);
}

} // namespace mrun
