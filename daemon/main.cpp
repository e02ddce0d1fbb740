// mrund: the daemon.
#include "daemon/app/app.h"

int main(int argc, char** argv) {
  return mrun::run_daemon(argc, argv);
}
