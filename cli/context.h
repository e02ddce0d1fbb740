// What a command works with: the terminal, the common flags, the user's folders and the installation.
#pragma once

#include "cli/terminal.h"
#include "common/error.h"
#include "common/json.h"
#include "common/paths.h"

namespace mrun::cli {

struct Context {
  Terminal& terminal;
  bool json = false;
  bool stream = false; // --json=stream, which is --json as well
  bool github = false; // --github
  bool quiet = false;
  bool verbose = false;

  Result<HomePaths> home() const { return HomePaths::from_environment(); }
  Result<InstallPaths> install() const { return InstallPaths::of_this_process(); }

  // Talk, one line, unless --quiet.
  void say(std::string_view line) const {
    if (!quiet) terminal.err(std::string(line) + "\n");
  }
  void warn(std::string_view line) const {
    terminal.err(terminal.paint_err(Style::note, "warning") + ": " + std::string(line) + "\n");
  }
};

} // namespace mrun::cli
