#include <algorithm>

#include <fmt/format.h>

#include "common/limits.h"
#include "common/text.h"
#include "kernels/softmax_top_k/softmax_top_k.h"
#include "runtime/steps/softmax_step.h"
#include "runtime/steps/tensor_json.h"
#include "runtime/steps/tensor_step.h"

namespace mrun {
namespace {

class TopK final : public Step {
 public:
  TopK(const StepOptions& options, Json k, std::vector<std::string> labels)
      : m_from(options.from),
        m_to(options.to),
        m_k(std::move(k)),
        m_labels(std::move(labels)) {}

  std::unique_ptr<FusedStep> fuse(std::span<const Step* const> before) const override;

  Result<void> run(StepContext& context) const override {
    MRUN_ASSIGN(const Tensor scores, need_f32(context.values, m_from));
    return rank(context, scores, false);
  }

  // `logits`: the scores are the rows' softmax.
  Result<void> rank(StepContext& context, const Tensor& given, bool logits) const {
    MRUN_ASSIGN(const std::int64_t k, option_integer(m_k, context.values, "top_k", "k"));
    if (k < 1)
      return fail(ErrorCode::prediction_failed,
                  fmt::format("step `top_k`: `k` is {}, at least 1 is needed", k));
    const Tensor scores = without_batch_axis(given);
    if (scores.shape().empty() || scores.shape().size() > 2 || scores.shape().back() == 0)
      return fail(ErrorCode::prediction_failed,
                  fmt::format("step `top_k`: scores of shape {} can't be ranked", shape_text(given.shape())));
    const std::size_t width = static_cast<std::size_t>(scores.shape().back());
    if (!m_labels.empty() && m_labels.size() != width)
      return fail(ErrorCode::prediction_failed,
                  fmt::format("step `top_k`: there are {} labels for {} scores", m_labels.size(), width));
    const std::size_t count = std::min(static_cast<std::size_t>(k), width);
    const std::span<const float> all = scores.as<float>();
    const bool one = scores.shape().size() == 1;
    if (!one && all.size() / width * count > k_max_output_items)
      return fail(ErrorCode::output_limit,
                  fmt::format("step `top_k`: {} items would come out, at most {} are allowed",
                              all.size() / width * count, k_max_output_items));
    Json rows = Json::array();
    for (std::size_t at = 0; at < all.size(); at += width)
      rows.push_back(row(all.data() + at, width, count, logits));
    put(context, m_to, one ? std::move(rows.front()) : std::move(rows));
    return {};
  }

 private:
  Json row(const float* scores, std::size_t width, std::size_t count, bool logits) const {
    std::vector<std::int64_t> indices(count);
    std::vector<float> found(count);
    if (logits) {
      kernels::softmax_top_k({scores, 1, width, count, indices.data(), found.data()});
    } else {
      kernels::top_k(scores, width, count, indices.data());
      std::transform(indices.begin(), indices.end(), found.begin(),
                     [&](std::int64_t i) { return scores[i]; });
    }
    Json list = Json::array();
    for (std::size_t i = 0; i < count; ++i) {
      Json item = {{"score", number_json(found[i])}};
      if (m_labels.empty())
        item["index"] = indices[i];
      else
        item["label"] = m_labels[static_cast<std::size_t>(indices[i])];
      list.push_back(std::move(item));
    }
    return list;
  }

  std::string m_from, m_to;
  Json m_k;
  std::vector<std::string> m_labels;
};

class SoftmaxTopK final : public FusedStep {
 public:
  SoftmaxTopK(const Softmax& softmax, const TopK& top_k) : m_softmax(softmax), m_top_k(top_k) {}

  // Declines what is not rows with the softmax along them; also what the steps refuse, since they say which.
  Result<bool> run(StepContext& context) const override {
    const Tensor* input = find_tensor(context.values, m_softmax.from());
    if (input == nullptr) return false;
    const auto axis = resolve_axis(m_softmax.axis(), *input);
    if (!axis || *axis + 1 != input->shape().size()) return false;
    const auto logits = to_f32(*input);
    return logits && m_top_k.rank(context, *logits, true);
  }

 private:
  const Softmax& m_softmax;
  const TopK& m_top_k;
};

std::unique_ptr<FusedStep> TopK::fuse(std::span<const Step* const> before) const {
  const auto* softmax = before.size() == 1 ? dynamic_cast<const Softmax*>(before.front()) : nullptr;
  return softmax == nullptr ? nullptr : std::make_unique<SoftmaxTopK>(*softmax, *this);
}

// One label a line; a last empty line is none.
Result<std::vector<std::string>> read_labels(const OptionReader& reader, const std::string& path,
                                             StepFiles& files) {
  MRUN_ASSIGN(const std::string_view text, files.bundle_file(path));
  if (!is_valid_utf8(text)) return reader.error(fmt::format("`{}` is not UTF-8", path));
  std::vector<std::string> labels;
  for (std::string_view line : split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    labels.emplace_back(line);
  }
  if (labels.back().empty()) labels.pop_back();
  if (labels.empty() || labels.size() > k_max_vocabulary)
    return reader.error(fmt::format("`{}` has {} labels", path, labels.size()));
  return labels;
}

} // namespace

Result<std::unique_ptr<Step>> make_step_top_k(const StepOptions& options, StepFiles& files);

Result<std::unique_ptr<Step>> make_step_top_k(const StepOptions& options, StepFiles& files) {
  const OptionReader reader("top_k", options, {"k", "labels"});
  MRUN_TRY(reader.check_names());
  MRUN_ASSIGN(Json k, reader.integer_or_input("k", 1, static_cast<std::int64_t>(k_max_output_items)));
  std::vector<std::string> labels;
  if (reader.has("labels")) {
    MRUN_ASSIGN(const std::string path, reader.text("labels"));
    MRUN_ASSIGN(labels, read_labels(reader, path, files));
  }
  return std::make_unique<TopK>(options, std::move(k), std::move(labels));
}

} // namespace mrun
