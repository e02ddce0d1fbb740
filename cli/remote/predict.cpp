// `mrun predict` of a model that a registry has: it is pulled, then all goes on as with one that was here.
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/interrupt.h"
#include "cli/context.h"
#include "cli/locked.h"
#include "cli/remote/pull_here.h"
#include "cli/remote/remote_target.h"

namespace mrun::cli {

Result<int> run_predict(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const Reference remote, parse_remote(context, arguments.positional(0)));
  MRUN_ASSIGN(const std::optional<Digest> locked, locked_version(arguments, remote));
  {
    // The prediction has a guard of its own.
    MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
    // Standard output is the prediction's, and `-f` is of its output: it moves no tag.
    Arguments none;
    auto pulled = pull_here(context, none, {remote, locked}, interrupt.fd());
    if (!pulled && pulled.error().code == ErrorCode::tag_elsewhere)
      pulled.error().hint =
          fmt::format("mrun pull {} -f moves the tag; {}@sha256:… (mrun inspect) needs none", remote.text(),
                      remote.model());
    MRUN_TRY(pulled);
  }
  return find_command("predict")->run(context, arguments);
}

} // namespace mrun::cli
