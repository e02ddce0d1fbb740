#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "common/text.h"
#include "runtime/steps/tensor_step.h"
#include "runtime/tokenizers/tokenizer.h"

namespace mrun {
namespace {

constexpr std::int64_t k_longest = 1 << 20; // tokens of one text

// Where the results go; "" for nowhere.
struct Targets {
  std::string ids, mask, type_ids;
};

class Tokenize final : public Step {
 public:
  Tokenize(const StepOptions& options, Tokenizer tokenizer, EncodeOptions encode, Targets targets, DType type,
           bool overflow_is_error)
      : m_from(options.from),
        m_tokenizer(std::move(tokenizer)),
        m_options(encode),
        m_targets(std::move(targets)),
        m_type(type),
        m_overflow_is_error(overflow_is_error) {}

  Result<void> run(StepContext& context) const override {
    MRUN_ASSIGN(const std::string_view text, need_text(context.values, m_from));
    if (!is_valid_utf8(text)) return fail(ErrorCode::input_type, fmt::format("`{}` is not UTF-8", m_from));
    const Encoding encoding = m_tokenizer.encode(text, m_options);
    if (encoding.truncated > 0 && m_overflow_is_error)
      return fail(ErrorCode::input_length,
                  fmt::format("`{}` has {} tokens, {} are allowed", m_from,
                              encoding.ids.size() + encoding.truncated, m_options.max_tokens));
    context.metrics["truncated_tokens"] += static_cast<double>(encoding.truncated);
    MRUN_TRY(put_ids(context, m_targets.ids, encoding.ids));
    MRUN_TRY(put_ids(context, m_targets.mask, encoding.mask));
    return put_ids(context, m_targets.type_ids, encoding.type_ids);
  }

 private:
  Result<void> put_ids(StepContext& context, const std::string& name,
                       const std::vector<std::int64_t>& values) const {
    if (name.empty()) return {};
    MRUN_ASSIGN(Tensor tensor, Tensor::make(m_type, {static_cast<std::int64_t>(values.size())}));
    if (m_type == DType::i64)
      std::copy(values.begin(), values.end(), tensor.as<std::int64_t>().begin());
    else
      std::transform(values.begin(), values.end(), tensor.as<std::int32_t>().begin(),
                     [](std::int64_t id) { return static_cast<std::int32_t>(id); });
    put(context, name, std::move(tensor));
    return {};
  }

  std::string m_from;
  Tokenizer m_tokenizer;
  EncodeOptions m_options;
  Targets m_targets;
  DType m_type; // i64 or i32
  bool m_overflow_is_error;
};

Result<Targets> read_targets(const OptionReader& reader) {
  const Json& options = reader.options().options;
  const auto to = options.find("to");
  if (to == options.end() || !to->is_object()) return Targets{reader.options().to, "", ""};
  Targets targets;
  for (const auto& [key, value] : to->items()) {
    std::string* target = key == "ids"        ? &targets.ids
                          : key == "mask"     ? &targets.mask
                          : key == "type_ids" ? &targets.type_ids
                                              : nullptr;
    if (target == nullptr)
      return reader.error(
          fmt::format("`to` has `{}`, it can have `ids`, `mask` and `type_ids`", printable(key, 60)));
    if (!value.is_string() || value.get_ref<const std::string&>().empty())
      return reader.error(fmt::format("`to.{}` is no name", key));
    *target = value.get<std::string>();
  }
  if (targets.ids.empty()) return reader.error("`to` lacks `ids`");
  return targets;
}

// The file's truncation and padding, changed by the step's options.
Result<EncodeOptions> read_encode_options(const OptionReader& reader, const Tokenizer& tokenizer) {
  EncodeOptions encode = tokenizer.file_options();
  MRUN_ASSIGN(encode.special_tokens, reader.boolean("special_tokens", true));
  const std::int64_t least =
      encode.special_tokens ? static_cast<std::int64_t>(tokenizer.special_count()) + 1 : 1;
  MRUN_ASSIGN(const std::int64_t max_tokens,
              reader.integer("max_tokens", least, k_longest, static_cast<std::int64_t>(encode.max_tokens)));
  encode.max_tokens = static_cast<std::size_t>(max_tokens);
  MRUN_ASSIGN(const std::size_t pad, reader.choice("pad", {"file", "none", "max_tokens"}, "file"));
  if (pad == 1) {
    encode.pad_to = 0;
    encode.pad_multiple = 0;
  } else if (pad == 2) {
    if (encode.max_tokens == 0) return reader.error("`pad: max_tokens` needs `max_tokens`");
    encode.pad_to = encode.max_tokens;
    encode.pad_multiple = 0;
  }
  return encode;
}

} // namespace

Result<std::unique_ptr<Step>> make_step_tokenize(const StepOptions& options, StepFiles& files);

Result<std::unique_ptr<Step>> make_step_tokenize(const StepOptions& options, StepFiles& files) {
  const OptionReader reader("tokenize", options,
                            {"tokenizer", "max_tokens", "pad", "overflow", "special_tokens", "dtype"});
  MRUN_TRY(reader.check_names());
  MRUN_ASSIGN(const std::string path, reader.text("tokenizer"));
  MRUN_ASSIGN(const std::size_t overflow, reader.choice("overflow", {"truncate", "error"}, "truncate"));
  MRUN_ASSIGN(const std::size_t type, reader.choice("dtype", {"i64", "i32"}, "i64"));
  MRUN_ASSIGN(Targets targets, read_targets(reader));
  MRUN_ASSIGN(const std::string_view source, files.bundle_file(path));
  MRUN_ASSIGN(Tokenizer tokenizer, Tokenizer::load(source, path, files.cache_dir_fd()));
  MRUN_ASSIGN(const EncodeOptions encode, read_encode_options(reader, tokenizer));
  return std::make_unique<Tokenize>(options, std::move(tokenizer), encode, std::move(targets),
                                    type == 0 ? DType::i64 : DType::i32, overflow == 1);
}

} // namespace mrun
