"""Goal: the packages that scripts/package makes: the archive runs from any folder; the .deb is clean by lintian, and installs,
upgrades, is removed and purged in a fresh Debian as its policy says, leaving nothing behind.

Needs the packages (`scripts/test --full` makes them), root, mmdebstrap and lintian; the fresh Debian comes from the sources
that this machine has."""

import os
import pathlib
import shutil
import subprocess
import sys

from harness import SOURCE, run

PACKAGES = SOURCE / "build/packages"
NOISE = ("/var/log/", "/var/cache/apt/", "/var/cache/debconf/", "/var/cache/ldconfig/", "/var/lib/dpkg/", "/var/lib/apt/", "/var/lib/systemd/", "/etc/ld.so.cache", "/root/", "/tmp/", "/run/", "/proc/",
         "/sys/", "/dev/", "/etc/.pwd.lock", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/var/backups/")
ACCOUNTS = ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")


def shell(*words, **options):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=1200, **options)
    assert done.returncode == 0, (words, done.stdout[-3000:], done.stderr[-3000:])
    return done.stdout


def archive(home):
    folder = home.path / "anywhere at all"
    folder.mkdir()
    (package,) = PACKAGES.glob("mrun-*-linux-*.tar.gz")
    assert package.name.endswith("x86_64.tar.gz") or package.name.endswith("aarch64.tar.gz"), package
    shell("tar", "-xzf", package, "-C", folder)
    mrun = folder / "bin/mrun"
    model = home.model("test/echo", pack=False)
    env = home.env | {"MRUN_HOME": str(home.path / "packaged")}
    assert str(folder) in shell(mrun, "version", env=env)
    shell(mrun, "pack", model, env=env)
    assert "hello" in shell(mrun, "predict", "test/echo", env=env)
    shell(mrun, "daemon", "stop", env=env)
    assert not [path for path in folder.rglob("*") if "systemd" in path.name], "system files in the archive"
    assert (folder / "share/man/man1/mrun.1").exists() and (folder / "share/bash-completion/completions/mrun").exists()


class Debian:
    """A fresh Debian in a folder, entered by chroot."""

    def __init__(self, path):
        self.path = path
        shell("mmdebstrap", "--quiet", "--variant=apt", "--include=systemd-standalone-sysusers", "bookworm", path, "/etc/apt/sources.list.d/debian.sources"
              if pathlib.Path("/etc/apt/sources.list.d/debian.sources").exists() else "/etc/apt/sources.list")
        shutil.copy("/etc/resolv.conf", path / "etc/resolv.conf")
        for conf in pathlib.Path("/etc/apt/apt.conf.d").glob("99*"):  # this machine's way to the archive
            shutil.copy(conf, path / "etc/apt/apt.conf.d")
        shell("mount", "-t", "proc", "proc", path / "proc")

    def do(self, *words):
        return shell("chroot", self.path, "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "DEBIAN_FRONTEND=noninteractive", *words)

    def files(self):
        found = set()
        for folder, folders, names in os.walk(self.path):
            inside = "/" + os.path.relpath(folder, self.path) + "/"
            folders[:] = [one for one in folders if not (inside.replace("/./", "/") + one + "/").startswith(NOISE)]
            found |= {inside.replace("/./", "/") + name for name in names + folders}
        return {one for one in found if not one.startswith(NOISE)}

    def accounts(self):
        """Every line of the databases of users and groups."""
        paths = [self.path / "etc" / name for name in ACCOUNTS]
        return {(path.name, line) for path in paths if path.exists() for line in path.read_text().splitlines()}

    def close(self):
        subprocess.run(["umount", self.path / "proc"], check=False)
        shutil.rmtree(self.path, ignore_errors=True)


def upgraded(home, package):
    """The same package as a later version, with another configuration file."""
    tree = home.path / "later"
    shell("dpkg-deb", "-R", package, tree)
    control = tree / "DEBIAN/control"
    control.write_text(control.read_text().replace("Version: 0.1.0", "Version: 0.1.1"))
    config = tree / "etc/mrun/config.yaml"
    config.write_text(config.read_text() + "# newer\n")
    later = home.path / "mrun_0.1.1_amd64.deb"
    shell("dpkg-deb", "--root-owner-group", "-b", tree, later)
    return later


def installation(home, package):
    debian = Debian(home.path / "debian")
    try:
        for one in (package, upgraded(home, package)):
            shutil.copy(one, debian.path / "root")
        # What it depends on is there before, so that the difference is its own.
        depends = shell("dpkg-deb", "-f", package, "Depends").replace("\n", "").split(",")
        debian.do("apt-get", "update", "-qq")
        debian.do("apt-get", "install", "-y", "-qq", "--no-install-recommends", *[one.split("|")[0].split("(")[0].strip() for one in depends if "|" not in one])
        before, accounts = debian.files(), debian.accounts()
        debian.do("apt-get", "install", "-y", "-qq", "--no-install-recommends", f"/root/{package.name}")
        assert "mrun" in debian.do("getent", "passwd", "mrun")
        assert debian.do("mrun", "version").startswith("mrun 0.1.0") and "ok" in debian.do("mrun", "doctor")
        (debian.path / "root/m").mkdir()
        shutil.copy(home.model("test/echo", pack=False) / "mrun.yaml", debian.path / "root/m")
        debian.do("mrun", "pack", "/root/m")
        assert "hello" in debian.do("mrun", "predict", "test/echo")
        debian.do("mrun", "daemon", "stop")
        for unit in ("system/mrun.service", "system/mrun.socket", "user/mrun.service", "user/mrun.socket"):
            text = (debian.path / "usr/lib/systemd" / unit).read_text()
            assert unit.endswith("socket") or "ExecStart=/usr/libexec/mrun/mrund\n" in text, text

        # An upgrade keeps what its user changed and what the daemon has written.
        state = debian.path / "var/lib/mrun"
        state.mkdir(exist_ok=True)
        (debian.path / "var/cache/mrun").mkdir(exist_ok=True)
        (state / "kept").write_text("data")
        config = debian.path / "etc/mrun/config.yaml"
        config.write_text(changed := config.read_text() + "max_queue: 5\n")
        assert debian.do("env", "XDG_CONFIG_HOME=/etc", "mrun", "config", "get", "max_queue") == "5\n"
        debian.do("apt-get", "install", "-y", "-qq", "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold", "/root/mrun_0.1.1_amd64.deb")
        assert config.read_text() == changed and (state / "kept").exists()
        # A removal too; a purge leaves nothing but the homes of users.
        debian.do("apt-get", "remove", "-y", "-qq", "mrun")
        assert (state / "kept").exists() and config.exists() and not (debian.path / "usr/bin/mrun").exists()
        debian.do("apt-get", "purge", "-y", "-qq", "mrun")
        assert (debian.path / "root/.local/share/mrun/index.json").exists(), "a user's models went with the package"
        left = debian.files() - before
        assert not left, sorted(left)[:20]
        assert debian.accounts() == accounts, sorted(debian.accounts() ^ accounts)
    finally:
        debian.close()


def main(home):
    missing = [tool for tool in ("mmdebstrap", "lintian", "dpkg-deb") if shutil.which(tool) is None]
    if missing or os.geteuid() != 0 or not list(PACKAGES.glob("*.deb")):
        print(f"skipped: needs root, {', '.join(missing) or 'and the packages (scripts/package)'}")
        sys.exit(77)
    archive(home)
    (package,) = PACKAGES.glob("mrun_*.deb")
    words = shell("lintian", "--allow-root", "--fail-on", "error,warning", package)
    assert not [line for line in words.splitlines() if line.startswith(("E:", "W:"))], words
    installation(home, package)


run(main)
