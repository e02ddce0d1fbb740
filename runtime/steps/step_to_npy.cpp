#include "runtime/media/npy.h"
#include "runtime/steps/tensor_json.h"
#include "runtime/steps/tensor_step.h"

namespace mrun {
namespace {

class ToNpy final : public Step {
 public:
  ToNpy(const StepOptions& options, bool keep_batch)
      : m_from(options.from),
        m_to(options.to),
        m_keep_batch(keep_batch) {}

  Result<void> run(StepContext& context) const override {
    MRUN_ASSIGN(Tensor tensor, need_tensor(context.values, m_from));
    MRUN_ASSIGN(std::string bytes, write_npy(m_keep_batch ? tensor : without_batch_axis(std::move(tensor))));
    put(context, m_to, MadeFile{"application/x-npy", std::move(bytes)});
    return {};
  }

 private:
  std::string m_from, m_to;
  bool m_keep_batch;
};

} // namespace

Result<std::unique_ptr<Step>> make_step_to_npy(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_to_npy(const StepOptions& options, StepFiles&) {
  const OptionReader reader("to_npy", options, {"batch"});
  MRUN_TRY(reader.check_names());
  MRUN_ASSIGN(const std::size_t batch, reader.choice("batch", {"drop", "keep"}, "drop"));
  return std::make_unique<ToNpy>(options, batch == 1);
}

} // namespace mrun
