"""Goal: the packages that scripts/package makes: the archive runs from any folder; the .deb is clean by lintian, and installs,
upgrades, is removed and purged in a fresh Debian as its policy says, leaving nothing behind; its units start a daemon that
serves, as they are written.

Needs the packages (`scripts/test --full` makes them), root, mmdebstrap and lintian; the fresh Debian comes from the sources
that this machine has."""

import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys

from harness import SOURCE, run, wait_for

PACKAGES = SOURCE / "build/packages"
NOISE = ("/var/log/", "/var/cache/apt/", "/var/cache/debconf/", "/var/cache/ldconfig/", "/var/lib/dpkg/", "/var/lib/apt/", "/var/lib/systemd/", "/etc/ld.so.cache", "/root/", "/tmp/", "/run/", "/proc/",
         "/sys/", "/dev/", "/etc/.pwd.lock", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/var/backups/")
ACCOUNTS = ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")


def shell(*words, **options):
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    done = subprocess.run(list(map(str, words)), text=True, timeout=1200, **options)
    assert done.returncode == 0, (words, done.stdout[-3000:], (done.stderr or "")[-3000:])
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


def unit_keys(path):
    lines = [line.split("=", 1) for line in path.read_text().splitlines() if re.match(r"[A-Za-z]+=", line)]
    assert not [value for _, value in lines if value.endswith("\\")], path
    return dict(lines)


class Service:
    """mrun.socket and mrun.service of the system as they are installed, by what systemd does for them: folders, user, rights,
    environment, and the socket that the daemon inherits."""

    FOLDERS = {"StateDirectory": "var/lib", "CacheDirectory": "var/cache", "RuntimeDirectory": "run"}

    def __init__(self, debian):
        self.debian = debian
        units = debian.path / "usr/lib/systemd/system"
        self.service, self.socket = unit_keys(units / "mrun.service"), unit_keys(units / "mrun.socket")
        self.environment = dict(word.split("=", 1) for word in shlex.split(self.service["Environment"]))
        self.user, self.group = (int(debian.do("id", flag, self.service["User"])) for flag in ("-u", "-g"))
        self.account = {"HOME": debian.do("getent", "passwd", self.service["User"]).split(":")[5], "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        for key, base in self.FOLDERS.items():
            for name in self.service[key].split():
                folder = debian.path / base / name
                folder.mkdir(parents=True, exist_ok=True)
                os.chown(folder, self.user, self.group)
                folder.chmod(int(self.service[f"{key}Mode"], 8))
        (debian.path / "dev/shm").chmod(0o1777)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(debian.path / "run/notify"))
        (debian.path / "run/notify").chmod(0o666)
        self.notify.settimeout(60)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.become()
            finally:
                os._exit(127)

    def as_user(self, *rights):
        return ["setpriv", f"--reuid={self.user}", f"--regid={self.group}", "--init-groups", *rights]

    def become(self):
        """The daemon, in this process: binds what mrun.socket says and starts what mrun.service says."""
        os.chroot(self.debian.path)
        os.chdir("/")
        log = os.open("/var/log/mrund.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        path = self.socket["ListenStream"]
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        os.chown(path, self.user, -1)
        os.chmod(path, int(self.socket["SocketMode"], 8))
        listener.listen(16)
        fd = os.dup(listener.fileno())
        os.closerange(3, fd)
        os.dup2(fd, 3)
        os.set_inheritable(3, True)
        os.closerange(4, 1024)
        os.umask(int(self.service["UMask"], 8))
        given = self.account | self.environment | {
            "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": self.socket["FileDescriptorName"], "NOTIFY_SOCKET": "/run/notify",
            "WATCHDOG_USEC": str(int(self.service["WatchdogSec"]) * 1_000_000)}
        assert self.service["NoNewPrivileges"] == "yes" and self.service["CapabilityBoundingSet"] == ""
        words = self.as_user("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all") + shlex.split(self.service["ExecStart"])
        os.execve("/usr/bin/setpriv", words, given)

    def hears(self, state):
        """Waits until the daemon has told it."""
        while state not in self.notify.recv(4096).decode().splitlines():
            pass

    def do(self, *words):
        """As `sudo -u mrun WORDS` there."""
        return self.debian.do(*self.as_user(), "env", f"HOME={self.account['HOME']}", *words)

    def close(self):
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.notify.close()


def units(home, debian):
    """systemd's own look at the units, and the system's ones at work."""
    if shutil.which("systemd-analyze") is None:
        print("the units are not verified: there is no systemd-analyze here")
    else:
        for kind, words in (("system", []), ("user", ["--user"])):
            folder = home.path / "units" / kind
            folder.mkdir(parents=True)
            for unit in (debian.path / "usr/lib/systemd" / kind).glob("mrun.*"):
                (folder / unit.name).write_text(unit.read_text().replace("ExecStart=/", f"ExecStart={debian.path}/"))
            said = shell("systemd-analyze", "verify", "--man=no", *words, *sorted(folder.iterdir()), env=os.environ | {"XDG_RUNTIME_DIR": str(folder)},
                         stderr=subprocess.STDOUT)
            assert said == "", said

    # The line that docs/packaging.md gives, which is where the unit's daemon keeps its things.
    (line,) = re.findall(r"`sudo -u mrun (env [^`]* mrun token create) NAME`", (SOURCE / "docs/packaging.md").read_text())
    mrun = line.split()[: line.split().index("mrun") + 1]
    (debian.path / "tmp/m").mkdir(mode=0o755)
    shutil.copy(debian.path / "root/m/mrun.yaml", debian.path / "tmp/m")
    service = Service(debian)
    try:
        assert set(mrun[1:-1]) == {f"{key}={value}" for key, value in service.environment.items()}, (line, service.environment)
        service.hears("READY=1")
        service.do(*mrun, "pack", "/tmp/m")
        assert "hello" in service.do(*mrun, "predict", "test/echo")
        assert json.loads(service.do(*mrun, "daemon", "status", "--json"))["pid"] == service.pid
        assert service.do(*line.split(), "app").strip() and service.do(*mrun, "token", "ls", "--plain").startswith("app\t")
        data = debian.path / "var/lib/mrun/data/mrun/index.json"
        assert data.stat().st_uid == service.user and (debian.path / "var/lib/mrun/state/mrun").is_dir()
        os.kill(service.pid, signal.SIGTERM)
        service.hears("STOPPING=1")
        _, status = wait_for(lambda: (ended := os.waitpid(service.pid, os.WNOHANG))[0] and ended, 60, "the service to end")
        assert os.waitstatus_to_exitcode(status) == 0 and (debian.path / "run/mrun/mrun.sock").is_socket(), status
    except BaseException:
        print((debian.path / "var/log/mrund.log").read_text(errors="replace")[-4000:], file=sys.stderr)
        raise
    finally:
        service.close()


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
        units(home, debian)

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
