#include "cli/cost/own_machine.h"

namespace mrun::cli {

Result<std::optional<OwnRate>> load_own_rate(const Context& context) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  return mrun::load_own_rate(home.config_file.string());
}

} // namespace mrun::cli
