"""Faults at each system call of a command that changes something in its home, by strace: kill -9, or an error of the disk.

strace kills on the way into a call, so the call is not done. What a point leaves is therefore what the call before it
left, and the end of the program (exit_group) is a point too: each call is seen not done and done. strace counts calls by
name and by thread. The main thread is followed alone (strace without -f), on one core, where jobs run on it; calls of
threads that transfer are told apart by the file that they change (-P). That the fault came at the intended call is read
from the log of each run.
"""

import collections
import json
import os
import re
import shutil
import signal
import subprocess

from harness import MRUN, SLOWER, TRACED

CHANGES = (
    "creat", "openat", "write", "writev", "pwrite64", "pwritev", "copy_file_range", "sendfile", "ftruncate", "fallocate", "fsync",
    "fdatasync", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat", "link", "linkat",
    "symlink", "symlinkat", "chmod", "fchmod", "fchmodat", "utimensat", "flock", "ioctl", "exit_group")
PARTIAL = re.compile(r"tmp/pull-[0-9a-f]{64}")
BLOB = re.compile(r"[0-9a-f]{64}")
# What differs from run to run: names, ports, descriptors, the length of what is written.
RANDOM = [(re.compile(r"tmp/\d+-\d+-[0-9a-f]{16}"), "tmp/NAME"), (re.compile(r"\.mrun-[0-9a-f]{16}"), ".mrun-NAME"),
          (re.compile(r"localhost:\d+|\b127\.0\.0\.1:\d+"), "HOST"), (re.compile(r"\b\d+(?=<)|(?<=\"\"\.\.\., )\d+$"), "N")]

# The n-th call of a name: of the main thread (`path` is None), on a partial blob, or (EVERYWHERE) of whichever thread makes
# so many first. `call`: what it does, as a log shows it; None where it isn't known.
Point = collections.namedtuple("Point", "name number path call")
EVERYWHERE = "everywhere"


def call_of(line):
    """A log line without its result and with what is random replaced; None: the rest of a call that another interrupted."""
    if "resumed>" in line or "(" not in line:
        return None
    text = line.removesuffix("<unfinished ...>").rsplit(") = ", 1)[0].rsplit(")  ", 1)[0].rstrip(" )")
    for pattern, name in RANDOM:
        text = pattern.sub(name, text)
    return text


def calls_of(log, threads):
    """(thread, call, line) of each call of a log, in order."""
    for line in log.read_text().splitlines():
        thread, line = line.split(None, 1) if threads else ("", line)
        if (call := call_of(line)) is not None:
            yield thread, call, line


class Faults:
    """One command, its home before it, and what must hold when it is killed or refused at any call.

    What is in home.home when this is made is where each try begins. `kept`: versions that must load afterwards.
    `repeat_codes`: how the command may end when it was done before. `{turn}` in an argument is another number each time;
    `look(turn)` checks what that turn left elsewhere. `everywhere`: names of calls to kill at in any thread. `alone`:
    on one core, with the points of the main thread; else on all, with those of `everywhere`.
    """

    def __init__(self, home, name, arguments, kept=(), repeat_codes=(0,), look=None, everywhere=(), alone=True):
        self.home, self.name, self.arguments, self.kept = home, name, arguments, kept
        self.repeat_codes, self.look, self.everywhere, self.alone = repeat_codes, look, everywhere, alone
        self.template, self.log, self.turns = home.path / "template", home.path / "strace.log", 0
        if home.home.exists():
            home.home.rename(self.template)

    # --- runs -----------------------------------------------------------------------------------------------

    def restore(self):
        """Puts the home back as it was, and returns the command's arguments."""
        shutil.rmtree(self.home.home, ignore_errors=True)
        if self.template.exists():
            subprocess.run(["cp", "-a", "--reflink=auto", self.template, self.home.home], check=True)
        self.turns += 1
        return [str(argument).replace("{turn}", str(self.turns)) for argument in self.arguments]

    def traced(self, arguments, *options):
        command = ["strace", "-qq", "-y", "-s", "0", "-e", "signal=none", "-o", self.log, *options, MRUN, *arguments]
        cores = os.sched_getaffinity(0)
        env = self.home.env | TRACED
        return subprocess.run(
            [str(part) for part in command], env=env, cwd=self.home.path, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=120 * SLOWER, preexec_fn=lambda: os.sched_setaffinity(0, {min(cores)} if self.alone else cores))

    def measure(self):
        """The points, and what an undisturbed run says and leaves."""
        self.restore()
        self.old = self.tags()
        done = self.traced(self.restore(), "-f", "-e", "trace=" + ",".join(CHANGES + self.everywhere))
        assert done.returncode == 0, done
        points = self.points()
        self.new, self.out = self.tags(), done.stdout
        self.end = self.collected()
        return points

    def points(self):
        points, counts, most, main = [], collections.Counter(), collections.Counter(), None
        for thread, call, line in calls_of(self.log, threads=True):
            main = main or thread
            name = line.split("(", 1)[0]
            if name in self.everywhere:
                counts[name, thread] += 1
                most[name] = max(most[name], counts[name, thread])
            elif self.alone:
                partial = PARTIAL.search(line) if thread != main else None
                # A file is made as the call before left it, and locked next: there are points for both.
                assert thread == main or partial or name in ("openat", "exit_group") or not self.changes(line), f"no point covers {line}"
                if thread != main and not partial:
                    continue
                key = name, partial and partial[0]
                counts[key] += 1
                if self.changes(line) and (thread == main or name != "openat"):
                    points.append(Point(name, counts[key], key[1], call))
        return [Point(name, number, EVERYWHERE, None) for name in most for number in range(1, most[name] + 1)] + points

    def changes(self, line):
        """Whether the call leaves something else in the home, or ends the program."""
        if line.startswith("exit_group"):
            return True
        return str(self.home.home) in line and "EEXIST" not in line and not (line.startswith("openat") and "O_CREAT" not in line)

    def inject(self, point, fault):
        """Runs the command with the fault at the point. Returns the ended process; None: it was not reached."""
        options = ["-e", f"trace={point.name}", "-e", f"inject={point.name}:{fault}:when={point.number}"]
        if point.path:
            options.append("-f")
        if point.path and point.path != EVERYWHERE:
            options += ["-P", self.home.home / "data" / point.path, "-P", f"blobs/sha256/{point.path[-64:]}"]
        done = self.traced(self.restore(), *options)
        if done.returncode == 0 and "(INJECTED)" not in self.log.read_text():
            return None
        hit = [call for _, call, line in calls_of(self.log, bool(point.path)) if re.search(r" = \?$|<unfinished \.\.\.>$|\(INJECTED\)$", line)]
        assert point.call is None or point.call in hit, f"the fault came at {hit}, not at {point.call}: {done}"
        return done

    # --- what holds -----------------------------------------------------------------------------------------

    def tags(self):
        models = self.home.mrun("ls", "--json").json()["models"]
        return {f"{model['model']}:{model['tag']}": model["digest"] for model in models}

    def content(self):
        """What the store holds, but for times."""
        data = self.home.home / "data"
        names = {folder: sorted(os.listdir(data / folder)) for folder in ("blobs/sha256", "trusted", "leases", "tmp")}
        index = json.loads((data / "index.json").read_text())
        return names | {"index": sorted((entry["digest"], entry["annotations"].get("org.opencontainers.image.ref.name"))
                                        for entry in index["manifests"])}

    def half_notes(self):
        return list((self.home.home / "cache").rglob("*.mrun-*"))

    def collected(self):
        """The store's content after gc, which leaves nothing that nobody needs."""
        self.home.mrun("gc", "-y")
        plan = self.home.mrun("gc", "--dry-run", "--json").json()
        assert plan["blobs"] == [] and plan["leftovers"] == 0, plan
        content = self.content()
        assert content["tmp"] == [] and not self.half_notes(), (content, self.half_notes())
        self.home.mrun("verify", "--all")
        return content

    def check_whole(self):
        """The old state or the new one."""
        if (self.home.home / "data").exists():
            self.home.mrun("verify", "--all")
        else:
            self.home.fails("M1202", 5, "verify", "--all")  # there was no store, and there is none
        tags = self.tags()
        assert tags in (self.old, self.new), tags
        for version in self.kept:
            self.home.mrun("show", version)
        return tags

    def check_repeated(self, tags):
        """The same command does what it would have done."""
        for path in self.half_notes():
            os.utime(path, (0, 0))  # old enough to be nobody's
        arguments = [str(argument).replace("{turn}", str(self.turns)) for argument in self.arguments]
        again = self.home.try_mrun(*arguments)
        assert again.code in (self.repeat_codes if tags == self.new else (0,)), again
        assert again.code != 0 or again.out == self.out, (again, self.out)
        assert self.tags() == self.new
        if self.look:
            self.look(self.turns)
        assert self.collected() == self.end

    # --- the faults -----------------------------------------------------------------------------------------

    def kill(self, point):
        done = self.inject(point, "signal=SIGKILL")
        if done is None:
            return False
        assert done.returncode == -signal.SIGKILL, done
        self.check_repeated(self.check_whole())
        return True

    def refuse(self, point, errno_name, code):
        """The call fails: the command says why, and keeps nothing half done. Notes that can't be written are done without."""
        done = self.inject(point, f"error={errno_name}")
        if done is None:
            return False
        needless = "/cache/" in point.call
        assert done.returncode == (0 if needless else 1) and (needless or f"error[{code}]" in done.stderr), done
        tags = self.check_whole()
        left = [path for path in self.home.home.glob("data/tmp/*") if not path.name.startswith(("pull-", "kept-"))]
        assert not left and not self.half_notes(), (left, self.half_notes())
        self.check_repeated(tags)
        return True

    def kill_all(self, tries=None):
        """Kills at each point, or at about `tries` of them, the first and the last (the end) among them; says how many."""
        points = self.measure()
        step = max(1, len(points) // tries) if tries else 1
        self.each(points[:-1:step] + points[-1:], len(points), self.kill)

    def kill_kinds(self, between):
        """Kills at the first and the last point of each kind, and at so many between them. A kind is a call by its name, on
        the same thing: of the blobs, whichever it is."""
        points, kinds = self.measure(), collections.defaultdict(list)
        for point in points:
            path = point.path if point.path in (None, EVERYWHERE) else "a partial blob"
            kinds[point.name, path, BLOB.sub("HEX", point.call or "")].append(point)
        chosen = set()
        for kind in kinds.values():
            step = max(1, (len(kind) - 1) // (between + 1))
            chosen.update(kind[::step][:between + 1] + kind[-1:])
        print(f"{self.name}: {len(kinds)} kinds of calls", flush=True)
        self.each([point for point in points if point in chosen], len(points), self.kill)

    def each(self, points, of, check):
        hits = 0
        for point in points:
            try:
                hits += check(point)
            except AssertionError as error:
                raise AssertionError(f"{self.name}, at {point}: {error}") from error
        print(f"{self.name}: {of} points, {len(points)} tried, {hits} reached", flush=True)
        # A stream may come in fewer pieces, and threads may share their work in another way.
        sure = sum(point.path is None or point.path != EVERYWHERE and point.name != "write" for point in points)
        assert hits >= max(sure, 1), (hits, sure)
