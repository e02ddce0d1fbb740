#include "packager/layout/layout_names.h"

#include "common/json.h"

namespace mrun {

Result<void> check_layout_text(std::string_view text) {
  MRUN_ASSIGN(const Json layout, parse_json(text, ErrorCode::bundle_invalid, "oci-layout", {4 * k_kib, 8}));
  if (!layout.is_object() || layout.value("imageLayoutVersion", Json()) != "1.0.0")
    return fail(ErrorCode::bundle_invalid, "its oci-layout is not of version 1.0.0");
  return {};
}

} // namespace mrun
