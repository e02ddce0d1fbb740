"""Goal: hostile command lines, configurations and environments (more than 200) get a clear error each: no crash, no raw
control characters, an exit code of the table, and nothing is lost."""

import concurrent.futures
import os
import pathlib
import re
import subprocess

from harness import MRUN, SOURCE, documented_exit_codes, run

WORKED, USAGE, REFUSED = {0}, {2}, {1, 2, 5}
LONG = "x" * 100_000
WORDS = {
    "nothing": [""],
    "long": [LONG],
    "bad utf-8": [b"\xff\xfe\x80"],
    "escapes": ["\x1b]0;title\x07\x1b[2J"],
    "newlines": ["a\nerror[M0000]: faked\n"],
    "traversal": ["../../../../etc/passwd"],
    "unknown flag": ["--no-such-flag"],
    "flag without value": ["--"],
}
# Words that each command gets; `daemon run --` would serve until it is ended.
DAEMON = ("start", "stop", "status", "socket", "run")
# What ends by itself only, and what would end the daemon of the calls beside it.
LEFT_OUT = {("daemon run", "flag without value"), ("daemon stop", "flag without value")}
# What hostile words end with that are no refusal.
ENDS = {
    ("ls", "nothing"): WORKED,  # every name begins with it
    ("ls", "long"): WORKED, ("ls", "bad utf-8"): WORKED, ("ls", "escapes"): WORKED, ("ls", "newlines"): WORKED, ("ls", "traversal"): WORKED,
    ("init", "nothing"): WORKED, ("help", "nothing"): WORKED, ("explain", "nothing"): WORKED, ("predictions", "nothing"): WORKED,
    **{(command, "flag without value"): WORKED for command in ("init", "ls", "predictions", "verify", "ps", "ledger", "stats", "version", "help", "explain",
                                                               "daemon start", "daemon status", "daemon socket")},
    ("doctor", "flag without value"): {0, 3},  # by what this machine lacks
    ("gc", "flag without value"): {0, 2},  # nothing to remove, or nobody to ask
    ("lock", "flag without value"): {0, 2, 5},  # by whether an mrun.lock is above
    ("predictions", "long"): {2, 5, 6}, ("wait", "long"): {2, 5, 6}, ("logs", "long"): {2, 5, 6}, ("cancel", "long"): {2, 5, 6},  # no URL is as long
    ("init", "bad utf-8"): WORKED, ("init", "escapes"): WORKED, ("init", "newlines"): WORKED,  # folders may have such names
    **{("load", words): {1, 2, 5, 10} for words in WORDS if words not in ("unknown flag", "flag without value")},  # no archive, or that folder
    **{("logout", words): {1, 2, 4} for words in WORDS},
}


def commands():
    names = re.findall(r"^## `?mrun ([a-z]+)", (SOURCE / "docs/cli.md").read_text(), re.M)
    assert len(names) >= 30, names
    return sorted(set(names))


def attempt(home, what, args, codes, env=None, cwd=None, timeout=60, rights=list, says=""):
    """Runs it with standard input closed off, which must end with one of `codes`; a complaint, or nothing."""
    given = {**home.env, **(env or {})}
    given = {key: value for key, value in given.items() if value is not None}
    try:
        done = subprocess.run(rights([str(MRUN), *args]), stdin=subprocess.DEVNULL, capture_output=True, cwd=cwd or home.path, env=given, timeout=timeout)
    except subprocess.TimeoutExpired:
        return f"{what}: no end after {timeout} s"
    except OSError as error:  # the system refuses such words: then they reach no program
        return None if error.errno in (7, 22) else f"{what}: {error}"
    words = done.stderr.decode("utf-8", "surrogateescape")
    if done.returncode not in codes:
        return f"{what}: exit code {done.returncode}, not of {sorted(codes)}\n{words[-2000:]}"
    if says not in words:
        return f"{what}: no {says}: {words[-500:]!r}"
    if done.returncode != 0 and not re.search(r"^error\[M\d{4}\]: |\"code\":\"M\d{4}\"", words, re.M) and done.returncode != 3:
        return f"{what}: exit {done.returncode} without a reason: {words[-500:]!r} {done.stdout[-200:]!r}"
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f]|[\udc80-\udcff]", words):
        return f"{what}: raw bytes in the error: {words[:500]!r}"
    if re.search(r"^error\[M0000\]", words, re.M):
        return f"{what}: a word wrote an error of its own: {words[:500]!r}"
    if len(words) > 20_000:
        return f"{what}: {len(words)} bytes of error"
    return None


def command_lines():
    for command in [*commands(), *(f"daemon {word}" for word in DAEMON)]:
        for name, words in WORDS.items():
            if (command, name) in LEFT_OUT:
                continue
            codes = USAGE if name == "unknown flag" else ENDS.get((command, name), REFUSED)
            yield f"{command}, {name}", [*command.split(), *words], codes
            if name in ("long", "bad utf-8", "escapes"):
                yield f"{command}, {name} twice", [*command.split(), *words, *words], codes if codes != WORKED else USAGE
    yield "no command, long", [LONG], USAGE
    yield "no command, bad utf-8", [b"\xff"], USAGE
    yield "4,000 words", ["predict", "test/echo", *(["-i", "text=x"] * 2000)], {0, 2}
    yield "an input 60,000 deep", ["predict", "test/echo", "-i", "text:=" + "[" * 60_000], USAGE
    yield "an input that is no JSON", ["predict", "test/echo", "-i", "text:={"], USAGE
    yield "an input from a folder", ["predict", "test/echo", "-i", "text=@/"], REFUSED
    yield "an input from a device without an end", ["predict", "test/echo", "-i", "text=@/dev/zero"], REFUSED
    yield "an input with NULs", ["predict", "test/echo", "-i", "text=@nul"], {0, 2}
    yield "inputs with NULs", ["predict", "test/echo", "--inputs", "nul"], REFUSED
    yield "a model directory with NULs", ["pack", "nul-model"], REFUSED
    yield "features with NULs", ["cost", "action", "nul"], REFUSED
    yield "a model file with NULs", ["inspect", "./nul"], REFUSED
    yield "bench with a NUL in its inputs", ["bench", "test/echo", "-i", "text=@nul", "-n", "0"], REFUSED
    yield "an input without a name", ["predict", "test/echo", "-i", "=x"], USAGE
    yield "an input with a bad name", ["predict", "test/echo", "-i", b"\xff=x"], USAGE
    yield "an output into nowhere", ["predict", "test/echo", "-o", "/etc/passwd/out"], REFUSED
    yield "a full disk", ["predict", "test/echo", "-o", "/dev/full"], REFUSED
    yield "a digest that is none", ["show", "test/echo@sha256:" + "g" * 64], USAGE
    yield "a tag of 200 letters", ["tag", "test/echo", "test/echo:" + "a" * 200], USAGE


def without_rights(words):
    """The same words, with no more rights than a user has: root may read what nobody may."""
    if os.geteuid() != 0:
        return words
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search", *words]


# What can't work without that part of the home.
NEEDS_STORE = {"ls", "show", "predict", "pack", "gc", "verify"}
NEEDS = {(".", 0): NEEDS_STORE | {"predictions", "config"}, ("data", 0): NEEDS_STORE, ("data/index.json", 0): NEEDS_STORE, ("data/blobs", 0): {"predict", "verify"},
         ("state", 0): {"predict", "predictions"}, ("state/mrun.db", 0): {"predict", "predictions"}, ("config.yaml", 0): {"predict", "config"}}


def unreadable(home):
    """A home that its owner may not read, one part at a time: what needs it fails, and as documented."""
    commands = (["ls"], ["show", "test/echo"], ["predict", "test/echo"], ["predictions"], ["config", "list"], ["daemon", "status"], ["daemon", "stop"],
                ["doctor"], ["pack", "test-echo"], ["gc", "-y"], ["verify", "--all"])
    (home.home / "config.yaml").write_text("max_queue: 7\n")
    home.try_mrun("daemon", "stop")
    for part, mode in ((".", 0), ("data", 0), ("state", 0), ("data/index.json", 0), ("data/blobs", 0), ("state/mrun.db", 0), ("config.yaml", 0), (".", 0o500),
                       ("data", 0o500), ("state", 0o500)):
        path = home.home / part
        before = path.stat().st_mode
        path.chmod(mode)
        try:
            for words in commands:
                codes = documented_exit_codes()[words[0]] - (WORKED if words[0] in NEEDS.get((part, mode), ()) else set())
                yield attempt(home, f"{part} of mode {mode:o}: {words}", words, codes, rights=without_rights)
        finally:
            path.chmod(before)
            home.try_mrun("daemon", "stop")
    (home.home / "config.yaml").unlink()


def configurations():
    yield "NUL", b"max_queue: 1\0\n"
    yield "bad utf-8", b"registry: \xff\xfe\n"
    yield "2 MiB", b"# x\n" * 500_000
    yield "deep", b"models: " + b"[" * 100_000
    yield "aliases", b"a: &a [1]\nb: *a\n"
    yield "tabs", b"cost:\n\trate: 1\n"
    yield "twice", b"max_queue: 1\nmax_queue: 2\n"
    yield "a list", b"- 1\n- 2\n"
    yield "unknown", b"max_queues: 1\n"
    yield "two documents", b"max_queue: 1\n---\nmax_queue: 2\n"
    yield "a tag", b"max_queue: !!int 1\n"
    yield "binary", bytes(range(256)) * 100
    yield "escapes", b"\x1b[31mred: 1\n"
    yield "a merge key", b"<<: {max_queue: 1}\n"
    yield "a number too large", b"max_queue: 99999999999999999999999\n"


def environments(home):
    """What is wrong, the variables, and whether the home is another one then: the model is not in it."""
    file = home.path / "a-file"
    file.write_text("x")
    yield "no HOME", {"HOME": None, "MRUN_HOME": None}, True
    yield "an empty HOME", {"HOME": "", "MRUN_HOME": None}, True
    yield "a HOME that is nowhere", {"HOME": "/proc/nowhere", "MRUN_HOME": None}, True
    yield "a HOME that is a file", {"HOME": str(file), "MRUN_HOME": None}, True
    yield "a relative MRUN_HOME", {"MRUN_HOME": "relative"}, True
    yield "a MRUN_HOME that is a file", {"MRUN_HOME": str(file)}, True
    yield "a MRUN_HOME that can't be made", {"MRUN_HOME": "/proc/mrun"}, True
    yield "a long MRUN_HOME", {"MRUN_HOME": str(home.path / ("d" * 250) / ("e" * 250))}, True
    yield "a MRUN_HOME longer than a path", {"MRUN_HOME": "/" + "d/" * 5000}, True
    yield "a MRUN_HOME with a newline", {"MRUN_HOME": str(home.path / "a\nb")}, True
    yield "relative XDG folders", {"MRUN_HOME": None, "XDG_DATA_HOME": "x", "XDG_CONFIG_HOME": "x", "XDG_STATE_HOME": "x", "XDG_CACHE_HOME": "x", "XDG_RUNTIME_DIR": "x"}, True
    yield "an XDG_RUNTIME_DIR that is nowhere", {"MRUN_HOME": None, "XDG_RUNTIME_DIR": "/proc/x"}, True
    yield "no PATH", {"PATH": None}, False
    yield "a TMPDIR that is nowhere", {"TMPDIR": "/proc/x"}, False
    yield "an MRUN_LOG that is none", {"MRUN_LOG": "\x1b[31m"}, False
    yield "a TERM that is none", {"TERM": "x" * 10_000}, False
    yield "a LANG that is none", {"LANG": "xx_YY.ZZZ", "LC_ALL": "\x1b"}, False
    yield "columns that are none", {"COLUMNS": "-5", "LINES": "99999999999"}, False
    yield "a torch that is nowhere", {"MRUN_TORCH_DIR": "/proc/x"}, False


def models(home):
    return [(model["model"], model["tag"], model["digest"]) for model in home.mrun("ls", "--json").json()["models"]]


def check(complaints, count):
    found = [complaint for complaint in complaints if complaint]
    assert not found, f"{len(found)} of {count}:\n" + "\n".join(found[:20])


def main(home):
    home.model("test/echo")
    home.model("test/kept", files={"weights.bin": os.urandom(3_000_000)})
    home.mrun("predict", "test/echo")
    before = models(home)
    (home.path / "nul").write_bytes(b"a\0b\n{\0}\n")
    (home.path / "nul-model").mkdir()
    (home.path / "nul-model/mrun.yaml").write_bytes(b"mrun: 1\nname: a/b\0\n")

    # A folder of another process's own for each kind, so that several can run at once.
    lines = list(command_lines())
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        check(pool.map(lambda line: attempt(home, *line), lines), len(lines))

    count = len(lines)
    home.mrun("daemon", "stop")  # one that runs has read its configuration
    for name, text in configurations():
        (home.home / "config.yaml").write_bytes(text)
        # push reads its own keys only.
        pushed = (75, "M1701") if name == "a number too large" else (2, "M1603")
        for args, (code, says) in ((["ls"], (0, "")), (["push", "test/echo", "localhost:1/x/y"], pushed), (["daemon", "start"], (2, "M1603"))):
            check([attempt(home, f"config.yaml with {name}: {args[0]}", args, {code}, says=says)], 1)
        home.try_mrun("daemon", "stop")
        count += 3
    (home.home / "config.yaml").unlink()

    for name, env, elsewhere in environments(home):
        cwd = home.path / "elsewhere"
        cwd.mkdir(exist_ok=True)
        for args in (["ls"], ["show", "test/echo"], ["predict", "test/echo"], ["daemon", "stop"]):
            # An empty home has no model, and one that can't be used is said to be so.
            codes = WORKED if not elsewhere else {5, 6} if args[-1] == "test/echo" else {0, 6}
            check([attempt(home, f"{name}: {args[0]}", args, codes, env, cwd)], 1)
            count += 1
        assert not list(cwd.iterdir()), f"{name}: {list(cwd.iterdir())} were written into the current folder"

    complaints = list(unreadable(home))
    check(complaints, len(complaints))
    count += len(complaints)

    assert count >= 500, count
    assert models(home) == before
    home.mrun("verify", "--all")
    assert "hello" in home.mrun("predict", "test/echo").out
    assert pathlib.Path(home.home / "state/mrun.db").exists()
    print(f"{count} hostile calls")


run(main)
