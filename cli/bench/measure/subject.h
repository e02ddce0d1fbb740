// The model under test and the requests that are sent to it.
#pragma once

#include <string>
#include <vector>

#include "cli/bench/measure/options.h"
#include "cli/client/daemon_client.h"
#include "cli/context.h"
#include "packager/store.h"

namespace mrun::bench {

struct Subject {
  std::string reference; // as given
  Bundle bundle;
  std::vector<Json> inputs; // checked; files are uploaded already
  std::string cases_digest; // of the cases file, 64 hex; "" without one
  bool streamed = false;    // asked for as an event stream: output comes in pieces, or may take long

  // Whole HTTP requests, one for each input, in turn.
  std::vector<std::string> requests(const std::string& device) const;
  std::string version() const { return bundle.digest.hex(); }
};

// The inputs of -i, or one object a line of the cases file (at most 10,000), typed and checked by the model's
// schema before anything runs; then files are uploaded. In a cases file a file input is "@path", beside the
// file. Errors: input_*, bench_cases (with the line).
Result<Subject> make_subject(cli::DaemonClient& client, const std::string& reference, Bundle bundle,
                             const Options& options);

} // namespace mrun::bench
