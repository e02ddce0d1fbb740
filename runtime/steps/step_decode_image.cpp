#include <fmt/format.h>

#include "runtime/media/image.h"
#include "runtime/steps/tensor_step.h"

namespace mrun {
namespace {

class DecodeImage final : public Step {
 public:
  DecodeImage(const StepOptions& options, bool upright)
      : m_from(options.from),
        m_to(options.to),
        m_upright(upright) {}

  Result<void> run(StepContext& context) const override {
    MRUN_ASSIGN(const std::string_view bytes, need_bytes(context.values, m_from));
    Result<DecodedImage> decoded = decode_image(bytes);
    if (!decoded) {
      Error error = std::move(decoded).error();
      error.message = fmt::format("`{}`: {}", m_from, error.message);
      return tl::unexpected<Error>(std::move(error));
    }
    DecodedImage& image = *decoded;
    if (m_upright) {
      MRUN_ASSIGN(image.pixels, apply_orientation(image.pixels, image.orientation));
    }
    put(context, m_to, std::move(image.pixels));
    return {};
  }

 private:
  std::string m_from, m_to;
  bool m_upright;
};

} // namespace

Result<std::unique_ptr<Step>> make_step_decode_image(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_decode_image(const StepOptions& options, StepFiles&) {
  const OptionReader reader("decode_image", options, {"color", "exif"});
  MRUN_TRY(reader.check_names());
  MRUN_TRY(reader.choice("color", {"rgb"}, "rgb"));
  MRUN_ASSIGN(const std::size_t exif, reader.choice("exif", {"ignore", "apply"}, "ignore"));
  return std::make_unique<DecodeImage>(options, exif == 1);
}

} // namespace mrun
