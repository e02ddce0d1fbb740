// mrun-worker's command line: --engine PATH.so | --engine native | --zygote PATH.so (docs/formats/frames.md).
#pragma once

namespace mrun {

// Never throws; the exit code.
int worker_entry(int argc, char** argv);

} // namespace mrun
