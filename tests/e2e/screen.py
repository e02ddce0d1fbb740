"""Commands on a pseudo-terminal, for the tests of what a person sees."""

import codecs
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time

from harness import MRUN, SLOWER

CLEAR = "\r\x1b[K"
TIOCGPTN = 0x80045430  # ioctl_tty(2): the number of the terminal's other end
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Screen:
    """`mrun WORDS` with the streams that `on` names on one terminal, the other ones on pipes (standard input: nothing). A `raw`
    terminal makes nothing of line ends."""

    def __init__(self, home, *words, on=("in", "out", "err"), term="xterm", columns=120, env=None, raw=False):
        self.ours, theirs = pty.openpty()
        if raw:
            settings = termios.tcgetattr(theirs)
            settings[1] &= ~termios.OPOST
            termios.tcsetattr(theirs, termios.TCSANOW, settings)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self.process = subprocess.Popen(
            [str(MRUN), *map(str, words)], cwd=home.path, env=home.env | {"TERM": term} | (env or {}),
            stdin=theirs if "in" in on else subprocess.DEVNULL, stdout=theirs if "out" in on else subprocess.PIPE,
            stderr=theirs if "err" in on else subprocess.PIPE)
        os.close(theirs)
        self.decoder = codecs.getincrementaldecoder("utf-8")()  # a read may end within a character
        self.at = 0  # how much of what is shown then() has passed
        self.shown = ""  # on the terminal, as it was written: with every control character
        self.out = self.err = None  # what went elsewhere

    def open(self):
        """The terminal itself, once more, as a shell has it."""
        number = struct.unpack("I", fcntl.ioctl(self.ours, TIOCGPTN, struct.pack("I", 0)))[0]
        return os.open(f"/dev/pts/{number}", os.O_RDWR | os.O_NOCTTY)

    def read(self):
        """Takes what comes next; False when nothing will."""
        try:
            part = os.read(self.ours, 65536)
        except OSError:
            part = b""
        self.shown += self.decoder.decode(part, final=not part)
        return bool(part)

    def until(self, text, timeout=30, start=0):
        """Waits until it is shown, at `start` or behind it."""
        deadline = time.monotonic() + timeout * SLOWER
        while text not in self.shown[start:]:
            assert self.read(), f"{text!r} never came: {self.shown!r}"
            assert time.monotonic() < deadline, f"waited {timeout} s for {text!r}: {self.shown!r}"
        return self

    def then(self, text):
        """Waits until it is shown behind what the last then() waited for."""
        self.until(text, start=self.at)
        self.at = self.shown.index(text, self.at) + len(text)
        return self

    def type(self, keys):
        os.write(self.ours, keys.encode())
        return self

    def end(self, code=0, timeout=60):
        """Waits for the end, which must be of that exit code, or one of these."""
        while self.read():
            pass
        out, err = self.process.communicate(timeout=timeout * SLOWER)
        self.out, self.err = (out or b"").decode(), (err or b"").decode()
        os.close(self.ours)
        assert self.process.returncode in (code if isinstance(code, tuple) else (code,)), (self.process.returncode, self.shown, self.out, self.err)
        return self

    def left(self):
        """What is left to read of it: without colours, each rewritten line as it was last."""
        text = COLOUR.sub("", self.shown).replace("\r\n", "\n")
        return "\n".join(line.rsplit(CLEAR, 1)[-1] for line in text.split("\n"))


def on_screen(home, *words, code=0, keys="", **options):
    screen = Screen(home, *words, **options)
    if keys:
        screen.type(keys)
    return screen.end(code)
