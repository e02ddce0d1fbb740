"""Goal: the built program, without a daemon: help, errors, exit codes, the store's commands, pipes and terminals.

`MRUN_ACCEPT=1` writes the goldens beside this file and exits with 77, which counts as skipped.
"""

import json
import os
import pathlib
import pty
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).parent
MRUN = pathlib.Path(os.environ["MRUN_BUILD"]) / "bin/mrun"
ACCEPT = bool(os.environ.get("MRUN_ACCEPT"))
MANIFEST = """\
mrun: 1
name: test/echo
description: Says what it hears
license: MIT
engine: echo
files: []
inputs:
  text: {type: string, default: hello, description: What to say}
  width: {type: integer, optional: true, ge: 64, le: 1024}
output: {type: string}
"""
folder = pathlib.Path(tempfile.mkdtemp(prefix="mrun-cli-"))
env = {"PATH": os.environ["PATH"], "HOME": str(folder), "MRUN_HOME": str(folder / "home"), "TERM": "dumb",
       "MRUN_NO_AUTOSTART": "1"}
for name in ("MRUN_CODE_TRACE", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
    if name in os.environ:
        env[name] = os.environ[name]


def mrun(*args, code=0, says="", **options):
    options = {"stdin": subprocess.DEVNULL} | options
    done = subprocess.run([str(MRUN), *map(str, args)], capture_output=True, text=True, env=env, cwd=folder, timeout=60, **options)
    what = f"mrun {' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.returncode == code, what
    assert says in done.stderr, f"{says!r} is not in {what}"
    if code != 0 and "--json" not in args:
        assert done.stdout == "", what
        assert "error[M" in done.stderr, what
    return done


def golden(name, text):
    path = HERE / "goldens" / name
    if ACCEPT:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    else:
        assert path.read_text() == text, f"{path} differs:\n{text}\nMRUN_ACCEPT=1 accepts it"


def on_terminal(*args, answer=b""):
    """Runs on a pseudo-terminal; returns the exit code and everything that was shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(str(MRUN), [str(MRUN), *map(str, args)], env)
    os.write(terminal, answer)
    shown = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def help_and_errors():
    golden("help.txt", mrun("--help").stdout)
    golden("help-predict.txt", mrun("help", "predict").stdout)
    assert mrun("predict", "--help").stdout == mrun("help", "predict").stdout
    golden("explain.txt", mrun("explain", "M1203").stdout)
    golden("exit-codes.txt", mrun("explain", "exit-codes").stdout)
    errors = [mrun("lss", code=2), mrun("ls", "--plian", code=2), mrun("predict", code=2), mrun("help", "predcit", code=2),
              mrun("--frobnicate", code=2), mrun("daemon", "strat", code=2), mrun("explain", "M9999", code=2),
              mrun("predict", "Bad//Ref", code=2)]
    golden("errors.txt", "".join(done.stderr for done in errors))
    mrun("init", "x", "--template", "none", code=2, says="error[M1008]")
    error = json.loads(mrun("ls", "--plian", "--json", code=2).stderr)["error"]
    assert error["code"] == "M1003" and error["class"] == "unknown_flag" and error["retryable"] is False, error
    assert set(error) == {"code", "class", "message", "hint", "retryable", "details"}, error
    for command in ("init pack ls show tag rm gc predict run ps stop logs cancel daemon explain version help").split():
        assert "Examples" in mrun("help", command).stdout
    assert mrun("-V").stdout == mrun("version").stdout


def store_commands():
    model = folder / "model"
    model.mkdir()
    (model / "mrun.yaml").write_text(MANIFEST)
    assert "no models here" in mrun("ls").stderr and mrun("ls", "--json").stdout == '{"models":[],"schema":"mrun.ls/v1"}\n'
    mrun("show", "test/echo", code=5, says="mrun pack DIR")
    assert not (folder / "home").exists(), "reading made a home"
    digest = mrun("pack", model).stdout.strip()
    assert digest.startswith("sha256:") and len(digest) == 71
    mrun("pack", model, "-t", "a/b@" + digest, code=2)
    mrun("tag", "test/echo", "me/two:v1")
    models = json.loads(mrun("ls", "--json").stdout)["models"]
    assert [(m["model"], m["tag"], m["digest"]) for m in models] == [("me/two", "v1", digest), ("test/echo", "latest", digest)]
    assert mrun("ls", "me/", "--plain").stdout.startswith(f"me/two\tv1\t{digest}\t")
    assert mrun("--json", "ls").stdout == mrun("ls", "--json").stdout
    shown = mrun("show", "test/echo").stdout
    assert "integer, 64 to 1024" in shown and "not measured yet" in shown and "MIT" in shown, shown
    assert json.loads(mrun("show", digest[7:19], "--json").stdout)["schema"] == "mrun.show/v1"
    mrun("rm", "me/two:v1", code=2, says="error[M1005]")
    mrun("rm", "-y", digest[7:], code=2, says="error[M1209]")
    mrun("rm", "-n", "me/two:v1", says="1 other name keeps its files")
    code, shown = on_terminal("rm", "me/two:v1", answer=b"n\n")
    assert code == 0 and "nothing was done" in shown, shown
    code, shown = on_terminal("rm", "me/two:v1", answer=b"y\n")
    assert code == 0 and len(json.loads(mrun("ls", "--json").stdout)["models"]) == 1, shown
    mrun("rm", "-y", "test/echo")
    assert json.loads(mrun("gc", "--dry-run", "--json").stdout)["size_bytes"] > 0
    mrun("gc", code=2, says="error[M1005]")
    mrun("gc", "-y", says="removed")
    mrun("gc", "-y", says="nothing to remove")
    mrun("pack", model)
    # A reader that has gone is no error.
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run([str(MRUN), "explain"], env=env, stdout=theirs, stderr=subprocess.PIPE, text=True)
    os.close(theirs)
    assert done.stderr == "" and done.returncode == 0, done
    with open("/dev/full", "w") as full:
        done = subprocess.run([str(MRUN), "help"], env=env, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "M1207" in done.stderr, done


def predict_refusals():
    mrun("predict", "test/echo", code=6, says="MRUN_NO_AUTOSTART")
    mrun("predict", "test/echo", "-i", "txet=1", code=2, says="the nearest is `text`")
    mrun("predict", "test/echo", "-i", "width=5", code=2, says="error[M1304]")
    mrun("predict", "test/echo", "-i", "text=@/nonexistent", code=2, says="error[M1307]")
    mrun("predict", "test/echo", "-i", "text=@-", "-i", "width=@-", code=2, says="standard input")
    (folder / "there").write_text("mine")
    mrun("predict", "test/echo", "-o", "there", code=2, says="error[M1006]")
    assert (folder / "there").read_text() == "mine"
    mrun("predict", "./nowhere", code=2, says="error[M1101]")
    assert "nothing is loaded" in mrun("ps").stderr
    mrun("daemon", "status", code=6, says="mrun daemon start")
    mrun("daemon", "stop", says="no daemon is running")
    mrun("stop", "test/echo", says="not loaded")


def init():
    templates = MRUN.parent.parent / "share/mrun/templates"
    if not (templates / "text-embedding").exists():
        return
    mrun("init", "fresh/My Model", "--template", "text-embedding", says="as local/my-model")
    assert "name: local/my-model" in (folder / "fresh/My Model/mrun.yaml").read_text()
    assert "@NAME@" not in (folder / "fresh/My Model/README.md").read_text()
    mrun("init", "fresh/My Model", "--template", "text-embedding", code=2, says="error[M1009]")
    mrun("init", "other", "--template", "text-embeding", code=2, says="text-embedding")
    mrun("init", "other", "--name", "a/b:tag", code=2, says="error[M1201]")


def strange_daemon():
    """What the CLI makes of a daemon of another build that is busy, and of one that talks nonsense."""
    path = folder / "home/run/mrun.sock"
    path.parent.mkdir(exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(8)
    (folder / "home/state").mkdir(mode=0o700, exist_ok=True)
    (folder / "home/state/mrund.lock").write_text(f"{os.getpid()}\n{path}\n")
    events = ('event: queued\nid: 1\ndata: {"id":"01hq3k5v7w9x1y3z5a7b9c1d3e"}\n\nevent: output\nid: 2\ndata: {"value":"hi"}\n\n'
              'event: done\nid: 3\ndata: {"id":"01hq3k5v7w9x1y3z5a7b9c1d3e","status":"%s","metrics":{},"error":"M1401: no",'
              '"mrun":{"code":"M1401","message":"no","hint":"","log_path":"/x.log","last_log_lines":["bad\\u001b[2J"]}}\n\n')
    replies = {"status": "succeeded", "cut": False}

    def serve():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            request = b""
            while b"\r\n\r\n" not in request and (part := peer.recv(65536)):
                request += part
            if b"/mrun/v1/predictions" in request.split(b"\r\n")[0]:
                kind, body = "text/event-stream", events % replies["status"]
                body = body[:60] if replies["cut"] else body
            else:
                kind, body = "application/json", '{"idle":false,"pid":1}'
            peer.sendall(f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: {kind}\r\nMrun-Build: other\r\n\r\n{body}".encode())
            peer.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        del env["MRUN_NO_AUTOSTART"]
        assert mrun("predict", "test/echo", says="M1518").stdout == "hi\n"
        replies["status"] = "failed"
        done = mrun("predict", "test/echo", "--json", code=1)
        assert json.loads(done.stderr.splitlines()[0])["error"]["details"]["prediction"]["status"] == "failed" and done.stdout == ""
        done = subprocess.run([str(MRUN), "predict", "test/echo"], env=env, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 1 and "error[M1401]: no" in done.stderr and "`mrun logs 01hq3k5v7w9x1y3z5a7b9c1d3e`" in done.stderr and "/x.log" in done.stderr, done
        assert "\x1b" not in done.stderr, "a log line reached the terminal raw"
        replies["cut"] = True
        mrun("predict", "test/echo", code=6, says="ended before the prediction did")
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


try:
    help_and_errors()
    store_commands()
    predict_refusals()
    init()
    strange_daemon()
finally:
    shutil.rmtree(folder, ignore_errors=True)
if ACCEPT:
    print("goldens were written; nothing was compared")
    sys.exit(77)
print("ok")
