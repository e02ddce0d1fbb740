#include "cli/app.h"
#include "cli/bench/command/run.h"

int main(int argc, char** argv) {
  return mrun::cli::run_program(argc, argv, mrun::bench::run_command);
}
