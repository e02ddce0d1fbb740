// The end of a prediction as a user sees it: what is left of its output, or why there is none.
#pragma once

#include <string>

#include "cli/context.h"
#include "cli/predict/event_loop.h"
#include "cli/predict/output_sink.h"
#include "common/json.h"

namespace mrun::cli {

struct EndingOptions {
  std::string model; // for hints
  bool timings = false;
  bool is_one_of_many = false; // no line of praise for each; JSON is one line each
  int interrupt_fd = -1;       // readable once a signal came: what is still fetched is left
};

// Gives the bytes of an output file of prediction `id`.
FetchOutput fetch_from(const Context& context, std::string id, int interrupt_fd);

// The error that the end of a prediction means: the code and hint that the daemon gives, else what
// Replicate's fields say.
Error error_of_end(const Json& prediction, const std::string& model);
// Whatever an error says of "REF" is about `model`.
Error about_model(Error error, const std::string& model);
// Replicate's own object, without what only ours has.
Json without_ours(Json prediction);

// In place of the line of a prediction that never was, so that lines of input and output stay together.
// `index`: of the input, from 0.
std::string refusal_line(const Error& error, std::size_t index);

// Of one that did not succeed, on standard error: why, the worker's last words, where its log is. `place`:
// which of several it was. The exit code.
int show_failure(const Context& context, const Json& prediction, const std::string& model,
                 const std::string& place = "");
// What is left of the output of one that succeeded, and how long it took. Errors: those of the sink and of
// fetching.
Result<void> show_success(Context& context, const Json& prediction, OutputSink& sink,
                          const EndingOptions& options);
// Either. The exit code.
Result<int> show_end(Context& context, const EventLoopResult& result, OutputSink& sink,
                     const EndingOptions& options);

} // namespace mrun::cli
