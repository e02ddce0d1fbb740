#include "cli/app.h"

int main(int argc, char** argv) {
  return mrun::cli::run_program(argc, argv, mrun::cli::become_helper);
}
