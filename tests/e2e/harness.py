"""What every end-to-end test stands on: a private home, the built programs, the socket.

A test is one file with a goal sentence and a `main(home)`; `run(main)` gives it a Home of its own, stops what it
started and removes the folder. Only the standard library is used.
"""

import contextlib
import functools
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

# A shell that starts the tests in the background ignores it for them, and mrun lets an ignored signal be.
signal.signal(signal.SIGINT, signal.default_int_handler)

BUILD = pathlib.Path(os.environ["MRUN_BUILD"])
SOURCE = pathlib.Path(os.environ["MRUN_SOURCE"])
MRUN = BUILD / "bin/mrun"
SANITIZED = bool(os.environ.get("MRUN_SANITIZE"))
# Under ptrace leaks can't be looked for.
TRACED = {"ASAN_OPTIONS": "detect_leaks=0"} if SANITIZED else {}
SLOWER = 10 if SANITIZED else 1


@functools.cache
def documented_exit_codes():
    """By command and alias, what `mrun help COMMAND` and its man page say that it may end with."""
    table = json.loads(subprocess.run([str(MRUN), "help", "--json"], capture_output=True, check=True).stdout)["commands"]
    return {name: set(command["exit_codes"]) for command in table for name in [command["name"], *command["aliases"]]}


def undocumented(args, code):
    """The command that these words name, when its documentation lacks this exit code."""
    name = next((word for word in args if isinstance(word, str) and not word.startswith("-")), "")
    documented = documented_exit_codes().get(name)
    return name if documented and code >= 0 and code not in documented else None


class Outcome:
    """How a command ended."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    def json(self):
        return json.loads(self.out)


class Reply:
    """How the API answered."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return f"{self.status} {self.headers}\n{self.body[:2000]!r}"

    def json(self):
        return json.loads(self.body)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Home:
    """A private MRUN_HOME below /tmp, and what runs in it."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="mrun-e2e-"))
        self.home = self.path / "home"
        keep = ("PATH", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "MRUN_CODE_TRACE", "MRUN_TORCH_DIR",
                "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")
        self.env = {key: os.environ[key] for key in keep if key in os.environ}
        self.env |= {"HOME": str(self.path), "MRUN_HOME": str(self.home), "TERM": "dumb"}

    # --- commands -------------------------------------------------------------------------------------------

    def try_mrun(self, *args, input=None, timeout=60, cwd=None, env=None, binary=False):
        """Runs `mrun ARGS` and returns its Outcome, whatever it is."""
        done = subprocess.run(
            [str(MRUN), *map(str, args)], input=input, capture_output=True, timeout=timeout * SLOWER,
            cwd=cwd or self.path, env=self.env | (env or {}), text=not binary)
        outcome = Outcome(done.returncode, done.stdout, done.stderr)
        assert not undocumented(args, outcome.code), f"`mrun help {args[0]}` does not say that it may end so: {outcome}"
        return outcome

    def mrun(self, *args, **options):
        """Runs `mrun ARGS`, which must succeed."""
        outcome = self.try_mrun(*args, **options)
        assert outcome.code == 0, f"mrun {' '.join(map(str, args))}: {outcome}"
        return outcome

    def start(self, *args, **options):
        """Starts `mrun ARGS` and returns the process."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        return subprocess.Popen([str(MRUN), *map(str, args)], cwd=self.path, env=self.env, **options)

    def fails(self, code, exit_code, *args, **options):
        """Runs `mrun ARGS`, which must fail with that error code and exit code; returns the Outcome."""
        outcome = self.try_mrun(*args, **options)
        assert outcome.code == exit_code and f"error[{code}]" in outcome.err, f"wanted {code}, exit {exit_code}: {outcome}"
        return outcome

    # --- models ---------------------------------------------------------------------------------------------

    def model(self, name="test/echo", folder=None, pack=True, files=None, globs=None, text=None, **keys):
        """Writes a model directory around the echo engine (or from `text`) and packs it; returns the folder. The manifest
        lists `globs`, by default what `files` holds."""
        folder = self.path / (folder or name.replace("/", "-"))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "mrun.yaml").write_text(text if text is not None else echo_manifest(name, files=globs or files or (), **keys))
        for path, content in (files or {}).items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else content.encode())
        if pack:
            self.mrun("pack", folder)
        return folder

    # --- daemon ---------------------------------------------------------------------------------------------

    @property
    def socket(self):
        return self.home / "run/mrun.sock"

    def daemon_pid(self):
        return json.loads(self.mrun("daemon", "status", "--json").out)["pid"]

    def api(self, method, path, body=None, headers=None, timeout=60):
        """One request over the socket. A dict body goes as JSON."""
        connection = UnixConnection(self.socket, timeout * SLOWER)
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return Reply(reply.status, dict((k.lower(), v) for k, v in reply.getheaders()), reply.read())
        finally:
            connection.close()

    def predict(self, version, wait=True, **input):
        headers = {"Prefer": "wait"} if wait else {}
        return self.api("POST", "/v1/predictions", {"version": version, "input": input}, headers)

    def workers(self):
        return self.api("GET", "/mrun/v1/ps").json()

    def finish(self, prediction_id, timeout=30):
        """Follows a prediction to its end and returns it."""
        def ended():
            prediction = self.api("GET", f"/v1/predictions/{prediction_id}").json()
            return prediction if prediction["status"] in ("succeeded", "failed", "canceled", "aborted") else None
        return wait_for(ended, timeout, f"prediction {prediction_id} to end")

    # --- the end --------------------------------------------------------------------------------------------

    def processes(self):
        """Pids of every process that runs in this home: by its environment, and their descendants (a worker's
        environment is minimal)."""
        found, parents = set(), {}
        needle = f"MRUN_HOME={self.home}".encode()
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    pid = int(entry.name)
                    parents[pid] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                    if needle in (entry / "environ").read_bytes().split(b"\0"):
                        found.add(pid)
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return sorted(found)

    def close(self):
        with contextlib.suppress(Exception):
            self.try_mrun("daemon", "stop", timeout=40)
        for pid in self.processes():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        for folder, _, _ in os.walk(self.path):
            os.chmod(folder, 0o700)
        shutil.rmtree(self.path, ignore_errors=True)


def echo_manifest(name, inputs="", output="type: any", options="", extra="", files=()):
    """A manifest for the echo engine. `inputs`, `options` and `extra` are YAML at their own indentation."""
    mode = '""' if "mode:" in options else "echo"  # "" leaves it to the options
    inputs = inputs or f"text: {{type: string, default: hello}}\nmode: {{type: string, default: {mode}}}"
    block = "".join(f"  {line}\n" for line in inputs.splitlines())
    text = f"mrun: 1\nname: {name}\nlicense: Apache-2.0\nengine: echo\nfiles: {json.dumps(list(files))}\nthreads: 1\ninputs:\n{block}"
    text += "output:\n" + "".join(f"  {line}\n" for line in output.splitlines())
    if options:
        text += "options:\n" + "".join(f"  {line}\n" for line in options.splitlines())
    return text + extra


def wait_for(condition, timeout=20, what="the condition"):
    """Polls until `condition()` is true-ish and returns it; the deadline is a failure, not a skip."""
    deadline = time.monotonic() + timeout * SLOWER
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"waited {timeout} s for {what}")


def is_alive(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        return state != "Z"
    except OSError:
        return False


def run(main):
    """Runs one test file's main(home) and reports where it failed."""
    home = Home()
    try:
        main(home)
    except BaseException:
        for log in sorted(home.home.glob("state/logs/**/*.log")):
            sys.stderr.write(f"--- {log}\n{log.read_text(errors='replace')[-4000:]}\n")
        raise
    finally:
        home.close()
    print("ok")
