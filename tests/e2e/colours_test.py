"""Goal: colours are where people read, each stream by itself, and nowhere else: by NO_COLOR, CLICOLOR, CLICOLOR_FORCE, TERM, --no-color."""

from harness import run
from screen import COLOUR, on_screen

# A command that paints standard error and one that paints standard output; each ends with its exit code.
ERROR, RESULT = ("show", "no/such"), ("doctor",)
BOTH, OUT, ERR, NEITHER = ("in", "out", "err"), ("in", "out"), ("in", "err"), ()


def colours(home, words, code, on, env=None, term="xterm"):
    """The colours on standard output and on standard error, wherever these lead."""
    screen = on_screen(home, *words, on=on, code=code, env=env, term=term)
    return [bool(COLOUR.search(screen.shown if stream in on else text)) for stream, text in (("out", screen.out), ("err", screen.err))]


def main(home):
    # Each stream by itself.
    assert colours(home, ERROR, 5, ERR) == [False, True] and colours(home, ERROR, 5, OUT) == [False, False]
    assert colours(home, RESULT, 0, OUT) == [True, False] and colours(home, RESULT, 0, ERR) == [False, False]
    assert colours(home, ERROR, 5, NEITHER) == colours(home, RESULT, 0, NEITHER) == [False, False]

    shown = on_screen(home, *ERROR, on=ERR, code=5).shown
    assert shown.startswith("\x1b[1;31merror[M1202]\x1b[0m: ") and "\r\n\x1b[1;36mhelp\x1b[0m: " in shown, shown
    assert on_screen(home, *RESULT, on=OUT).shown.startswith("\x1b[32mok\x1b[0m  "), "the first check"

    for env, term, painted in (
            ({"NO_COLOR": "1"}, "xterm", False), ({"NO_COLOR": ""}, "xterm", True), ({"CLICOLOR": "0"}, "xterm", False),
            ({"CLICOLOR": "1"}, "xterm", True), ({}, "dumb", False), ({}, "xterm-256color", True), ({"CI": "true"}, "xterm", False),
            ({"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, "xterm", False), ({"CLICOLOR_FORCE": "1", "CLICOLOR": "0"}, "dumb", True),
            ({"CLICOLOR_FORCE": "0"}, "dumb", False)):
        assert colours(home, ERROR, 5, ERR, env, term) == [False, painted], (env, term)
        assert colours(home, RESULT, 0, OUT, env, term) == [painted, False], (env, term)

    # Into pipes only by force; what programs read has none even then.
    force = {"CLICOLOR_FORCE": "1"}
    assert colours(home, ERROR, 5, NEITHER, force) == [False, True] and colours(home, RESULT, 0, NEITHER, force) == [True, False]
    home.model("test/echo")
    for words in (["ls", "--json"], ["ls", "--plain"], ["config", "list", "--plain"], ["doctor", "--json"], ["predict", "test/echo"]):
        assert not COLOUR.search(home.mrun(*words, env=force).out), words
    assert not COLOUR.search(home.fails("M1202", 5, "show", "no/such").err)
    assert not COLOUR.search(home.try_mrun("show", "no/such", "--json", env=force).err)

    # --no-color wins, wherever it stands: in the parser's own errors as well.
    for words, code in (((*ERROR, "--no-color"), 5), (("--no-color", *ERROR), 5), (("ls", "--plian", "--no-color"), 2),
                        (("lss", "--no-color"), 2), (("--no-color", "--no-such"), 2)):
        screen = on_screen(home, *words, code=code, env=force)
        assert "error[" in screen.shown and not COLOUR.search(screen.shown), (words, screen.shown)
    for words in ((*RESULT, "--no-color"), ("--help", "--no-color"), ("--no-color", "-h"), ("predict", "-h", "--no-color")):
        screen = on_screen(home, *words, env=force)
        assert screen.shown and not COLOUR.search(screen.shown), (words, screen.shown)
    for words in (("ls", "--plian"), ("lss",)):
        assert COLOUR.search(on_screen(home, *words, code=2).shown), words


run(main)
