#include "common/build_info.h"

namespace mrun {

std::string_view version_text() {
  return MRUN_VERSION;
}
std::string_view build_id() {
  return MRUN_BUILD_ID;
}

} // namespace mrun
