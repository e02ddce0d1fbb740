"""Goal: the daemon runs under a service manager by systemd's protocol: it takes the manager's socket, says when it is ready,
stops and lives, leaves the socket, and `mrun` finds it there, also when it has yet to start."""

import os
import pathlib
import select
import signal
import socket
import subprocess
import threading

from harness import BUILD, run, wait_for

MRUND = BUILD / "libexec/mrun/mrund"


class Manager:
    """What systemd does for mrun.socket and mrun.service."""

    def __init__(self, home, path):
        self.home, self.path, self.told, self.started, self.daemon = home, path, [], 0, None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(16)
        os.chmod(path, 0o600)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(home.path / "notify"))
        self.is_over = False
        threading.Thread(target=self.hear, daemon=True).start()
        threading.Thread(target=self.serve, daemon=True).start()

    def hear(self):
        while not self.is_over:
            if select.select([self.notify], [], [], 0.1)[0]:
                self.told += self.notify.recv(4096).decode().splitlines()

    def spawn(self, fds, count=None, **more):
        env = self.home.env | {"LISTEN_FDS": str(count or len(fds)), "LISTEN_FDNAMES": "api", "NOTIFY_SOCKET": str(self.home.path / "notify"),
                               "WATCHDOG_USEC": "200000"} | more

        def prepare():
            for i, fd in enumerate(fds):
                os.dup2(fd, 3 + i)

        return subprocess.Popen(["sh", "-c", f"LISTEN_PID=$$ exec {MRUND}"], env=env, preexec_fn=prepare, close_fds=False,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def serve(self):
        while not self.is_over:
            if self.daemon and self.daemon.poll() is None:
                self.daemon.wait()
            elif select.select([self.listener], [], [], 0.05)[0] and not self.is_over:
                self.daemon = self.spawn([self.listener.fileno()])
                self.started += 1


def main(home):
    home.model("test/echo")
    (home.home / "run").mkdir(mode=0o700, exist_ok=True)
    path = home.home / "run/mrun.sock"
    manager = Manager(home, path)
    try:
        # A look starts nothing; what needs a daemon does, once, and speaks to the manager's.
        assert "no daemon is running" in home.mrun("ps").err and manager.started == 0
        first = home.mrun("predict", "test/echo")
        assert "starting the daemon" not in first.err and manager.started == 1, first
        home.mrun("predict", "test/echo")
        assert manager.started == 1 and home.daemon_pid() == manager.daemon.pid
        wait_for(lambda: "READY=1" in manager.told and manager.told.count("WATCHDOG=1") >= 2, 20, "it to say that it is ready and lives")
        worker = home.workers()["models"][0]["pid"]
        for pid in (worker, manager.daemon.pid):
            if pid == worker:
                inherited = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
                assert b"LISTEN_" not in inherited and b"NOTIFY_SOCKET" not in inherited, inherited

        # A stop leaves the socket; the next call has a new daemon.
        home.mrun("daemon", "stop")
        wait_for(lambda: "STOPPING=1" in manager.told, 20, "it to say that it stops")
        assert path.is_socket()
        home.mrun("predict", "test/echo")
        assert manager.started == 2
        # So does one that was killed.
        manager.daemon.send_signal(signal.SIGKILL)
        wait_for(lambda: manager.daemon.poll() is not None, 10, "it to die")
        home.mrun("predict", "test/echo")
        assert manager.started == 3
    finally:
        manager.is_over = True
        home.try_mrun("daemon", "stop")

    # What it can't take is said.
    with socket.create_server(("127.0.0.1", 0)) as tcp:
        for fds, count, words in (([manager.listener.fileno()] * 2, 2, "gave 2 sockets"), ([tcp.fileno()], 1, "no socket that listens on a path")):
            refused = manager.spawn(fds, count)
            _, err = refused.communicate(timeout=20)
            assert refused.returncode == 6 and words in err, err
    # Another process's are none of its business: then it makes its own.
    manager.listener.close()
    path.unlink()
    own = manager.spawn([0], 1, LISTEN_PID="1")
    own.terminate()
    own.wait(timeout=20)


run(main)
