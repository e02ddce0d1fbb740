// Where mrun keeps its things (DECISIONS "Places") and where its own parts are installed.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "common/error.h"

namespace mrun {

// The folder that a file lies in; "." for a bare name.
std::filesystem::path folder_of(const std::filesystem::path& file);

// The user's folders. MRUN_HOME holds config.yaml, data, state, cache and run instead of the XDG folders;
// relative XDG values are ignored, as the specification demands.
struct HomePaths {
  std::filesystem::path config_file; // config.yaml
  std::filesystem::path data;        // the store: a valid OCI layout
  std::filesystem::path state;       // mrun.db, logs/
  std::filesystem::path cache;       // prepared tokenizers, unpacked modules
  std::filesystem::path socket;      // a path over 100 bytes becomes /tmp/mrun-UID/<hash>.sock
  std::filesystem::path
      spare_socket; // when another home's daemon has that one (same session); "" where none can

  // Reads the environment; creates nothing. Error: home_refused when neither MRUN_HOME nor HOME is set.
  static Result<HomePaths> from_environment();
  // Creates data, state, cache and the socket's folder at mode 0700 and checks that each belongs to this user
  // and is not writable by others. Error: home_refused, store_read_only, disk_full.
  Result<void> create() const;

  std::filesystem::path database() const { return state / "mrun.db"; }
  std::filesystem::path logs() const { return state / "logs"; }
  std::filesystem::path daemon_lock() const { return state / "mrund.lock"; }
  std::filesystem::path pack_notes() const { return cache / "packed"; }
  std::filesystem::path push_notes() const { return cache / "pushed.json"; }
  std::filesystem::path start_lock() const { return state / "start.lock"; }
};

// The installation that this process belongs to; the build tree mirrors it. Found from /proc/self/exe:
// <prefix>/bin/mrun or <prefix>/libexec/mrun/{mrund,mrun-worker,mrun-remote,mrun-bench}.
struct InstallPaths {
  std::filesystem::path prefix;

  static Result<InstallPaths> of_this_process();
  std::filesystem::path cli() const { return prefix / "bin/mrun"; }
  std::filesystem::path daemon() const { return prefix / "libexec/mrun/mrund"; }
  std::filesystem::path helper(std::string_view name) const { return prefix / "libexec/mrun" / name; }
  std::filesystem::path worker() const { return prefix / "libexec/mrun/mrun-worker"; }
  std::filesystem::path engine(const std::string& name) const {
    return prefix / "lib/mrun/engines" / (name + ".so");
  }
  std::filesystem::path share() const { return prefix / "share/mrun"; } // templates/, prices.json, schemas
};

} // namespace mrun
