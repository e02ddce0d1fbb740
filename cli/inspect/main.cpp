// mrun-inspect: what a model file is, as JSON on standard output. A program of its own, since it parses what
// may be anybody's: `mrun` starts it with the file as standard input and reads its answer (cli/model_file.h).
#include "cli/inspect/inspect.h"

int main(int argc, char** argv) {
  return mrun::cli::run_inspect_program(argc, argv);
}
