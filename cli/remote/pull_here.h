// One pull with what a user sees of it: the progress line, who signed it, where a tag moved.
#pragma once

#include "cli/arguments.h"
#include "cli/context.h"
#include "packager/registry/credentials.h"
#include "packager/registry/pull.h"

namespace mrun::cli {

struct PullHere {
  Reference remote;                          // with a host
  std::optional<Digest> locked;              // what mrun.lock says of it
  bool dry_run = false;                      // nothing is written
  std::optional<Credential> credential = {}; // of --token-stdin
};

// `arguments`: --key and --force count. Says everything but the version's digest. `interrupt_fd`: as
// InterruptGuard gives it.
Result<PullPlan> pull_here(Context& context, const Arguments& arguments, const PullHere& what,
                           int interrupt_fd);

} // namespace mrun::cli
