"""Goal: real bash, zsh and fish complete commands, flags, models, tags, and a model's inputs and choices, without starting
the daemon; and what anybody's model or file is called runs nothing, whichever quotes stand around it."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import termios
import time

from harness import BUILD, SLOWER, run

INPUTS = """text: {type: string, default: hello}
style: {type: string, choices: [plain, "two words", loud], default: plain}
image: {type: file, accept: [image/png], optional: true}
fast: {type: boolean, default: true}"""

# What is typed (a tab at its end), and how the line then looks. Each stands alone: one candidate, taken at once.
LINES = [
    ("mrun snip", "mrun snippet "),
    ("~/bin/mrun snip", "~/bin/mrun snippet "),
    ("mrun --json sho", "mrun --json show "),
    ("mrun predict demo/w", "mrun predict demo/words"),
    ("mrun predict demo/words:v", "mrun predict demo/words:v2 "),
    ("mrun predict me/other --dev", "mrun predict me/other --device "),
    ("mrun predict me/other --device=cu", "mrun predict me/other --device=cuda "),
    ("mrun predict me/other -i st", "mrun predict me/other -i style="),
    ("mrun predict me/other -i style=lo", "mrun predict me/other -i style=loud "),
    ("mrun predict me/other -i fast=f", "mrun predict me/other -i fast=false "),
    ("mrun predict me/other -i text=x -i image=@pict", "mrun predict me/other -i text=x -i image=@pictures/"),
    ("mrun predict me/other -i image=@pictures/ca", "mrun predict me/other -i image=@pictures/cat.png "),
    ("mrun predict me/other -i style=two", r"mrun predict me/other -i style=two\ words "),
    (r"mrun predict me/other -i style=two\ w", r"mrun predict me/other -i style=two\ words "),
    ("mrun daemon sta", "mrun daemon sta"),  # start and status
    ("mrun explain M120", "mrun explain M120"),
    ("mrun stop me/o", "mrun stop me/other "),
    ("mrun help gc", "mrun help gc "),
]
# Choices of a model, and names of files, that somebody may have chosen to be run: each begins with a letter of its own, and
# must get to mrun as it is, from an unquoted word and from within both kinds of quotes.
HOSTILE = ["a$(touch pwned)", "b`touch pwned`", 'c"; touch pwned; "d', "d'; touch pwned; 'e", "e\\ \\$HOME \\", "f!! !touch !!", "g; touch pwned",
           "h two  blanks", "i*?[a]{b,c}~", "jé ü—🦊", "k & touch pwned", "l | touch pwned", "m > pwned", "n#x", "o$HOME ${HOME} $5", "p(touch pwned)",
           "q<(touch pwned)", "r^s^t", "s=t:u@v,w%x", "t''\"\"''"]
# What no line can hold is not offered.
UNTYPABLE = ["u\ntouch pwned\n", "v\ttouch pwned", "w\x1b]0;title\x07", "x\rtouch pwned\r", "y\x7f"]
QUOTES = ["", "'", '"']
# Beside the ends: bash and zsh put no blank where more may follow, fish none after : = / @.
SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
READY = {
    "bash": "PS1='>> '; bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; source <(mrun completion bash); echo re''ady",
    "zsh": "PS1='>> '; unsetopt zle_bracketed_paste; unset zle_bracketed_paste; setopt no_beep; autoload -Uz compinit && compinit -u -D; "
           "source <(mrun completion zsh); echo re''ady",
    "fish": "function fish_prompt; echo -n '>> '; end; function fish_greeting; end; mrun completion fish | source; echo re''ady",
}


class Shell:
    """An interactive shell on a terminal. What it shows is told by its own buffer: the line is echoed by a command."""

    def __init__(self, home, name):
        self.name = name
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(home.path)
            env = home.env | {"PATH": f"{home.path / 'bin'}:{os.environ['PATH']}", "TERM": "xterm", "LC_ALL": "C.UTF-8", "MRUN_NO_AUTOSTART": "1"}
            os.execvpe(SHELLS[name][0], SHELLS[name], env)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self.shown = b""
        self.type(READY[name] + "\r")
        self.wait(b"ready")

    def type(self, text):
        os.write(self.terminal, text.encode())

    def wait(self, words, seconds=30):
        """Reads until the words have been shown."""
        deadline = time.monotonic() + seconds * SLOWER
        while words not in self.shown:
            assert time.monotonic() < deadline, (self.name, words, self.shown[-2000:])
            if select.select([self.terminal], [], [], 0.1)[0]:
                self.shown += os.read(self.terminal, 65536)
        self.shown = self.shown[self.shown.index(words) + len(words):]

    def completes(self, typed, folder):
        """What the line is after a tab: the shell's own word for its buffer is written to a file by a key binding."""
        out = folder / "line"
        out.unlink(missing_ok=True)
        self.type(typed + "\t")
        self.type("\x18\x19")  # bound below: writes the buffer, empties it
        deadline = time.monotonic() + 30 * SLOWER
        while not out.exists() or not out.read_text().endswith("|"):
            assert time.monotonic() < deadline, (self.name, typed, self.shown[-2000:])
            if select.select([self.terminal], [], [], 0.02)[0]:
                self.shown += os.read(self.terminal, 65536)
        return out.read_text()[:-1]

    def runs(self, line, folder):
        """The line is entered; the words that mrun then gets."""
        ran = folder / "ran"
        ran.unlink(missing_ok=True)
        self.type(line + "\r")
        deadline = time.monotonic() + 30 * SLOWER
        while not ran.exists():
            assert time.monotonic() < deadline, (self.name, line, self.shown[-2000:])
            if select.select([self.terminal], [], [], 0.02)[0]:
                self.shown += os.read(self.terminal, 65536)
        return ran.read_bytes().decode().split("\0")[:-1]

    def close(self):
        os.kill(self.pid, 9)
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


BINDINGS = {
    "bash": """bind -x '"\\C-x\\C-y": printf "%s|" "$READLINE_LINE" > FOLDER/line; READLINE_LINE=; READLINE_POINT=0'; echo bo''und""",
    "zsh": """keep() { printf '%s|' "$BUFFER" > FOLDER/line; BUFFER=; zle -I }; zle -N keep; bindkey '^X^Y' keep; echo bo''und""",
    "fish": """bind \\cx\\cy 'printf "%s|" (commandline) > FOLDER/line; commandline ""'; echo bo''und""",
}


# In mrun's place: what it is asked by the shells it answers, else it says what it was given.
STAND_IN = """#!/bin/bash
case "$1" in
__complete|completion) exec {mrun} "$@" ;;
esac
printf '%s\\0' "$@" > {folder}/ran.new && mv {folder}/ran.new {folder}/ran
"""


def hostile_words(home, shell):
    """Every hostile choice and file name, in every kind of quotes, completed and entered."""
    def complete(typed, quote, words, prefix):
        line = shell.completes(typed, home.path)
        if quote and line.startswith(typed) and not line.rstrip().endswith(quote):  # else it is closed, or written anew without
            line += quote
        given = shell.runs(line, home.path)
        assert given == ["predict", "evil/model", "-i", prefix + words], (shell.name, typed, line, given)
        assert not list(home.path.rglob("pwned")), (shell.name, typed, line)

    for quote in QUOTES:
        for words in HOSTILE:
            complete(f"mrun predict evil/model -i {quote}style={words[0]}", quote, words, "style=")
            complete(f"mrun predict evil/model -i {quote}image=@names/{words[0]}", quote, words, "image=@names/")
            if quote:
                complete(f"mrun predict evil/model -i style={quote}{words[0]}", quote, words, "style=")
        for words in UNTYPABLE:
            for prefix in ("style=", "image=@names/"):
                typed = f"mrun predict evil/model -i {quote}{prefix}{words[0]}"
                assert shell.completes(typed, home.path) == typed, (shell.name, typed)
    assert not list(home.path.rglob("pwned")), shell.name


def main(home):
    stand_in = home.path / "bin/mrun"
    stand_in.parent.mkdir()
    stand_in.write_text(STAND_IN.format(mrun=BUILD / "bin/mrun", folder=home.path))
    stand_in.chmod(0o755)
    home.model("evil/model", inputs=f"style: {{type: string, choices: {json.dumps(HOSTILE + UNTYPABLE, ensure_ascii=False)}, default: n#x}}\nimage: {{type: file, optional: true}}")
    (home.path / "names").mkdir()
    for name in HOSTILE + UNTYPABLE:
        (home.path / "names" / name).write_text("")
    folder = home.model("demo/words", inputs=INPUTS)
    home.mrun("tag", "demo/words", "demo/words:v2")
    home.mrun("tag", "demo/words", "me/other")
    (home.path / "pictures").mkdir()
    (home.path / "pictures/cat.png").write_bytes(b"")
    for name in SHELLS:
        shell = Shell(home, name)
        try:
            shell.type(BINDINGS[name].replace("FOLDER", str(home.path)) + "\r")
            shell.wait(b"bound")
            for typed, wanted in LINES:
                line = shell.completes(typed, home.path)
                if name == "fish":  # it may leave the blank for later
                    line, wanted = line.rstrip(), wanted.rstrip()
                    wanted = wanted.replace(r"two\ words", "'two words'") if "'" in line else wanted
                assert line == wanted, (name, typed, line, wanted)
            hostile_words(home, shell)
        finally:
            shell.close()

    # Programs ask as the shells do.
    def ask(*words):
        return [line.split("\t") for line in home.mrun("__complete", "fish", *words).out.splitlines()]

    assert ["style=", 'string, one of "plain", "two words", "loud"'] in ask("predict", "demo/words", "-i", "")
    assert [word for word, _ in ask("predict", str(folder), "-i", "text=1", "--input", "")] == ["style=", "image=", "fast="]
    assert ["demo/words", "2 tags"] in ask("show", "")
    assert all(re.fullmatch(r"demo/words@[0-9a-f]{12}", word) for word, _ in ask("show", "demo/words@"))
    assert ["--locked"] == [word for word, _ in ask("predict", "x/y", "--lo")]
    assert ask("predict", "x/y", "--locked", "--lo") == [] and ask("predict", "no/such", "-i", "") == [] and ask("nonsense", "") == []
    assert ask("ls", "--", "--") == [] and ask("predict", "a", "b", "") == []
    # An empty home, a store that is damaged: nothing, quietly.
    (home.home / "data/index.json").write_text("{")
    assert ask("show", "") == [] and ask("predict", "demo/words", "-i", "") == []
    assert not home.socket.exists() and home.processes() == []
    home.fails("M1001", 2, "__complete", "tcsh", "x")
    home.fails("M1001", 2, "completion", "tcsh")


run(main)
