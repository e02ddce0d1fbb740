#include "runtime/worker/entry.h"

int main(int argc, char** argv) {
  return mrun::worker_entry(argc, argv);
}
