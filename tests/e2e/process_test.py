"""Goal: the process engine runs a program of the bundle in any language: inputs, files, streams, logs, metrics, cancel,
several at once; and a program that lies, dies, hangs or babbles is told as what it is."""

import json
import os
import pathlib
import signal

from harness import is_alive, run, wait_for

PROGRAM = r'''#!/usr/bin/env python3
import json, os, sys, threading, time

def send(**message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()

running = {}

def predict(number, input, folder):
    mode = input["mode"]
    if mode == "echo":
        send(id=number, output=input["text"])
    elif mode == "environment":
        send(id=number, output={"env": dict(os.environ), "cwd": sorted(os.listdir(".")), "helper": open("lib/words.txt").read(),
                                "fds": sorted(os.listdir("/proc/self/fd"))})
    elif mode == "pid":
        send(id=number, output=os.getpid())
    elif mode == "files":
        with open(input["file"], "rb") as given:
            data = given.read()
        with open(os.path.join(folder, "out.txt"), "wb") as out:
            out.write(data[::-1])
        send(id=number, log="read " + os.path.basename(input["file"]), level="warn")
        send(id=number, metric="bytes", value=len(data))
        send(id=number, file="out.txt", media_type="text/plain")
    elif mode == "list":
        send(id=number, output=[os.path.exists(path) and open(path).read() for path in input["list"]])
    elif mode == "steal":
        os.symlink("/etc/hostname", os.path.join(folder, "link"))
        send(id=number, file={"1": "link", "2": "/etc/hostname", "3": "../../program/main.py", "4": "nothing"}[input["text"]])
    elif mode == "slow":
        while not running[number]:
            time.sleep(0.01)
        send(id=number, done="canceled")
        return
    elif mode == "babble":
        print("loading weights", flush=True)
        return
    elif mode == "exit":
        print("going down", file=sys.stderr, flush=True)
        os._exit(3)
    elif mode == "segfault":
        os.kill(os.getpid(), 11)
        time.sleep(60)
    elif mode == "nan":
        sys.stdout.write('{"id": %d, "metric": "x", "value": NaN}\n' % number)
        sys.stdout.flush()
        return
    elif mode == "twice":
        send(id=number, done="succeeded")
        send(id=number, output="late")
        send(id=12345, output="never asked")
    elif mode == "fail":
        send(id=number, done="failed", error="this input is not for me")
        return
    send(id=number, done="succeeded")

print("a line of the worker's log", file=sys.stderr, flush=True)
send(ready=True)
for line in sys.stdin:
    message = json.loads(line)
    if "predict" in message:
        running[message["predict"]] = False
        threading.Thread(target=predict, args=(message["predict"], message["input"], message["folder"]), daemon=True).start()
    else:
        running[message["cancel"]] = True
'''

MANIFEST = """mrun: 1
name: {name}
license: Apache-2.0
engine: process
model: main.py
files: [main.py, lib/*]
threads: 1
concurrency: {concurrency}
inputs:
  mode: {{type: string, default: echo}}
  text: {{type: string, default: hello}}
  file: {{type: file, optional: true}}
  list: {{type: array, items: {{type: file}}, default: []}}
output: {{type: any}}
"""


def pack(home, name, program, concurrency=4):
    folder = home.path / name.replace("/", "-")
    (folder / "lib").mkdir(parents=True)
    (folder / "main.py").write_text(program)
    (folder / "lib/words.txt").write_text("some words")
    (folder / "mrun.yaml").write_text(MANIFEST.format(name=name, concurrency=concurrency))
    home.mrun("pack", folder)
    return folder


def check_values(home):
    assert home.mrun("predict", "test/program", "-i", "text=grüße").out.strip() == "grüße"
    seen = home.mrun("predict", "test/program", "-i", "mode=environment", "--json", env={"SECRET_TOKEN": "canary"}).json()["output"]
    assert seen["helper"] == "some words" and set(seen["cwd"]) >= {"main.py", "lib", "mrun.yaml"}, seen
    assert set(seen["env"]) <= {"PATH", "LANG", "MRUN_THREADS", "OMP_NUM_THREADS", "HOME", "TMPDIR", "PYTHONUNBUFFERED", "LD_LIBRARY_PATH",
                                "CUDA_VISIBLE_DEVICES", "LC_CTYPE"}, seen
    assert len(seen["fds"]) <= 4, seen["fds"]  # 0, 1, 2 and the listing's own

    source = home.path / "given.txt"
    source.write_bytes(b"abc" * 100_000)
    home.mrun("predict", "test/program", "-i", "mode=files", "-i", f"file=@{source}", "-o", home.path / "out.txt")
    done = home.api("GET", "/v1/predictions/" + home.api("GET", "/v1/predictions").json()["results"][0]["id"]).json()
    assert (home.path / "out.txt").read_bytes() == source.read_bytes()[::-1]
    assert done["metrics"]["bytes"] == 300_000 and "read in-file.txt" in done["logs"], done
    a, b = home.path / "a.txt", home.path / "b.txt"
    a.write_text("first")
    b.write_text("second")
    outcome = home.mrun("predict", "test/program", "-i", "mode=list", "-i", f"list=@{a}", "-i", f"list=@{b}", "--json").json()
    assert outcome["output"] == ["first", "second"], outcome
    left = [path for path in (home.home / "cache").rglob("scratch-*/*")]
    assert not left, left


def check_failures(home):
    assert "this input is not for me" in home.fails("M1401", 1, "predict", "test/program", "-i", "mode=fail").err
    for number in "1234":
        outcome = home.fails("M1401", 1, "predict", "test/program", "-i", "mode=steal", "-i", f"text={number}")
        assert "can't be opened there" in outcome.err, outcome
    assert home.mrun("predict", "test/program", "-i", "mode=twice", "--json").json()["output"] is None
    for mode, words in (("babble", "is no JSON object: `loading weights`"), ("exit", "ended with exit code 3"), ("segfault", "SIGSEGV"), ("nan", "no JSON object")):
        outcome = home.fails("M1402", 1, "predict", "test/program", "-i", f"mode={mode}")
        assert words in outcome.err, (mode, outcome)
        assert home.mrun("predict", "test/program").out.strip() == "hello", mode  # a new one serves
    assert "going down" in home.fails("M1402", 1, "predict", "test/program", "-i", "mode=exit").err


def check_together(home):
    ids = [home.predict("test/program", wait=False, mode="slow").json()["id"] for _ in range(2)]
    wait_for(lambda: home.workers()["models"][0]["running"] == 2 or os.cpu_count() < 2, 20, "two to run at once")
    for one in ids:
        home.mrun("cancel", one)
        assert home.finish(one)["status"] == "canceled"
    assert home.mrun("predict", "test/program").out.strip() == "hello"

    # It goes with its worker, however that ends.
    program = int(home.mrun("predict", "test/program", "-i", "mode=pid").out)
    home.mrun("stop", "test/program")
    wait_for(lambda: not is_alive(program), 10, "the program to end with its worker")
    program = int(home.mrun("predict", "test/program", "-i", "mode=pid").out)
    worker = home.workers()["models"][0]["pid"]
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: not is_alive(program), 10, "the program to die with its worker")
    home.mrun("predict", "test/program")
    scratch = [path.name for path in (home.home / "cache").rglob("scratch-*")]
    assert scratch == [f"scratch-{home.workers()['models'][0]['pid']}"], scratch  # what the dead one left is gone
    # One that dies while nothing runs is forgotten, and the next prediction has a new one.
    program = int(home.mrun("predict", "test/program", "-i", "mode=pid").out)
    os.kill(program, signal.SIGKILL)
    wait_for(lambda: not home.workers()["models"], 10, "the worker to end with its program")
    assert home.mrun("predict", "test/program").out.strip() == "hello"


def check_loads(home):
    cases = {"never": ("#!/bin/sh\necho no weights here >&2\nexit 4\n", "ended with exit code 4 before it was ready"),
             "refuses": ("#!/bin/sh\necho '{\"error\": \"needs a GPU of 8 GB\"}'\nexec sleep 60\n", "needs a GPU of 8 GB"),
             "prose": ("#!/bin/sh\necho hello\nexec sleep 60\n", "is no JSON object: `hello`"),
             "nobody": ("#!/no/such/interpreter\n", "its interpreter is not there"),
             "text": ("just text\n", "neither a program nor a script")}
    for name, (program, words) in cases.items():
        pack(home, f"test/{name}", program)
        outcome = home.fails("M1403", 1, "predict", f"test/{name}")
        assert words in outcome.err, (name, outcome)
    # A shell script is enough.
    pack(home, "test/sh", """#!/bin/sh
echo '{"ready": true}'
while read -r line; do
  id=$(printf '%s' "$line" | sed 's/.*"predict":\\([0-9]*\\).*/\\1/')
  echo "{\\"id\\": $id, \\"text\\": \\"from \\"}"
  echo "{\\"id\\": $id, \\"text\\": \\"sh\\"}"
  echo "{\\"id\\": $id, \\"done\\": \\"succeeded\\"}"
done
""")
    assert "from " in home.mrun("predict", "test/sh").out

    folder = pathlib.Path(pack(home, "test/steps", PROGRAM))
    (folder / "mrun.yaml").write_text((folder / "mrun.yaml").read_text() + "pre: [{step: from_json, from: text, to: in.x}]\n")
    assert "`pre`" in home.fails("M1104", 2, "pack", folder).err


def main(home):
    pack(home, "test/program", PROGRAM)
    check_values(home)
    check_failures(home)
    check_together(home)
    check_loads(home)
    assert json.loads(home.mrun("show", "test/program", "--json").out)["manifest"]["engine"] == "process"


run(main)
