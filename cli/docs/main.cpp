// mrun-docs SCHEMA FOLDER: writes the man pages and cli.md there. A step of the build, not installed.
#include "cli/docs/write.h"

int main(int argc, char** argv) {
  return mrun::cli::write_docs(argc, argv);
}
