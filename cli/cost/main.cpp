#include "cli/app.h"
#include "cli/cost/dispatch.h"

int main(int argc, char** argv) {
  return mrun::cli::run_program(argc, argv, mrun::cli::run_cost_program);
}
