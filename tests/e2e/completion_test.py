"""Goal: real bash, zsh and fish complete commands, flags, models, tags, and a model's inputs and choices, without starting
the daemon."""

import fcntl
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
    ("mrun daemon sta", "mrun daemon sta"),  # start and status
    ("mrun explain M120", "mrun explain M120"),
    ("mrun stop me/o", "mrun stop me/other "),
    ("mrun help gc", "mrun help gc "),
]
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
            env = home.env | {"PATH": f"{BUILD / 'bin'}:{os.environ['PATH']}", "TERM": "xterm", "MRUN_NO_AUTOSTART": "1"}
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

    def close(self):
        os.kill(self.pid, 9)
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


BINDINGS = {
    "bash": """bind -x '"\\C-x\\C-y": printf "%s|" "$READLINE_LINE" > FOLDER/line; READLINE_LINE=; READLINE_POINT=0'; echo bo''und""",
    "zsh": """keep() { printf '%s|' "$BUFFER" > FOLDER/line; BUFFER=; zle -I }; zle -N keep; bindkey '^X^Y' keep; echo bo''und""",
    "fish": """bind \\cx\\cy 'printf "%s|" (commandline) > FOLDER/line; commandline ""'; echo bo''und""",
}


def main(home):
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
